/* Numbers as texts are what printf(3) makes of them, ties and signs included. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

#if TSRMALLOC_LUA

#include "engine/lua_internal.h"

static void compare(const char *text, size_t size, const char *expected)
{
    if (!CHECK(size == strlen(expected) && memcmp(text, expected, size) == 0)) {
        printf("\"%.*s\", expected \"%s\"\n", (int)size, text, expected);
    }
}

static void check_fixed(double number)
{
    char text[LUA_NUMBER_TEXT_SIZE], expected[400];
    for (unsigned int precision = 0; precision <= 4; precision++) {
        size_t size = lua_number_print_fixed(text, number, precision);
        snprintf(expected, sizeof(expected), "%.*f", (int)precision, number);
        if (size > 0) {
            compare(text, size, expected);
        } else {
            CHECK(!(fabs(number) < 1e11));
        }
    }
}

/* It reads back as the same number, and with one place less it would not. */
static bool check_shortest(double number)
{
    char text[LUA_NUMBER_TEXT_SIZE + 1], shorter[64];
    size_t size = lua_number_print_shortest(text, number);
    if (size == 0) {
        return false;
    }
    text[size] = '\0';
    const char *point = strchr(text, '.');
    int places = point == NULL ? 0 : (int)strlen(point + 1);
    snprintf(shorter, sizeof(shorter), "%.*f", places - 1, number);
    if (!CHECK(places > 0 && strtod(text, NULL) == number
            && (places == 1 || strtod(shorter, NULL) != number))) {
        printf("%.17g became %s\n", number, text);
    }
    return true;
}

static void check_integer(lua_Integer number)
{
    char text[LUA_NUMBER_TEXT_SIZE], expected[32];
    snprintf(expected, sizeof(expected), "%lld", (long long)number);
    compare(text, lua_number_print_integer(text, number), expected);
}

static void check_number(double number)
{
    check_fixed(number);
    check_fixed(-number);
    (void)check_shortest(number);
    (void)check_shortest(-number);
}

int main(void)
{
    enum { TURNS = 200000 };
    static const double numbers[] = { 0.0, -0.0, 0.5, 1.5, 2.5, 0.125, 0.375, 2.675, 1.005, 0.00005,
        0.00015, 0.1, 0.3, 1.0 / 3, 9.99995, 99999999999.0, 99999999999.5, 1e11, 1e300, HUGE_VAL,
        NAN, 5e-324, 123456.78125, 0.03125, 8388608.5, 4503599627.37049615 };
    static const lua_Integer integers[] = { 0, 1, -1, 9, 10, -10, 99, 100, 1234567890123,
        LUA_MAXINTEGER, LUA_MININTEGER };
    CHECK_CASE("numbers that are special are written as printf(3) does");
    for (size_t index = 0; index < sizeof(numbers) / sizeof(numbers[0]); index++) {
        check_number(numbers[index]);
    }
    for (size_t index = 0; index < sizeof(integers) / sizeof(integers[0]); index++) {
        check_integer(integers[index]);
    }
    CHECK_CASE("so are random ones, with decimal places, with binary places, small and large");
    unsigned int seed = 7;
    unsigned int simple = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        double whole = (double)rand_r(&seed) * (1u << rand_r(&seed) % 8);
        check_number(whole / 10000);                        /* up to four places */
        check_number(whole / 4096);                         /* binary places: many ties */
        check_number(ldexp(whole, -(rand_r(&seed) % 60)));
        simple += check_shortest(whole / 10000);
    }
    CHECK_CASE("numbers with four decimal places never need printf(3)");
    CHECK(simple == TURNS);
    return check_summary();
}

#else

int main(void)
{
    CHECK_CASE("numbers are written as printf(3) does");
    CHECK_SKIP("this build has no Lua");
    return check_summary();
}

#endif
