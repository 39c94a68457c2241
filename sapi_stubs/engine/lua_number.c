/* lua_number: numbers as texts, where printf(3) would take most of a page's time; string.format.
 * Owns        nothing.
 * Thread      any; format: the state's.
 * Invariants  I1  every text is what printf(3) makes of the same number
 * Failure     0 bytes, or the library's own string.format: for what is not simple.
 * Tests       tests/unit/lua_number.c, tests/unit/lua_library.c */
#include "config.h"

#include <math.h>
#include <string.h>

#include "lua_internal.h"

/* Up to here a number times 10^4 is exact to less than a half, and has no more than 15 digits. */
#define SIMPLE_MAX 1e11

enum { PRECISION_MAX = 4, FORMAT_SIZE_MAX = 1024 };

static const double powers[PRECISION_MAX + 1] = { 1, 10, 100, 1000, 10000 };

/* ---- texts of numbers ---- */

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324252627282930"
    "31323334353637383940414243444546474849505152535455565758596061626364656667686970717273747576"
    "7778798081828384858687888990919293949596979899";

static inline void print_pair(char *text, uint64_t number)
{
    memcpy(text, digit_pairs + number * 2, 2);
}

static inline size_t count_digits(uint64_t number)
{
    size_t count = 1;
    for (; number >= 10000; number /= 10000) {
        count += 4;
    }
    return count + (number >= 10) + (number >= 100) + (number >= 1000);
}

/* Write a number as so many digits, with zeros before it. */
static inline void print_digits(char *text, uint64_t number, size_t count)
{
    for (; count > 2; number /= 100) {
        count -= 2;
        print_pair(text + count, number % 100);
    }
    if (count == 2) {
        print_pair(text, number);
    } else {
        text[0] = (char)('0' + number);
    }
}

size_t lua_number_print_integer(char *text, lua_Integer number)
{
    size_t sign = number < 0;
    uint64_t magnitude = sign ? 0 - (uint64_t)number : (uint64_t)number;
    size_t count = count_digits(magnitude);
    text[0] = '-';
    print_digits(text + sign, magnitude, count);
    return sign + count;
}

/* A number in 10^precision parts, of which there are `scaled`. The compiler divides by constants. */
static inline void split(uint64_t scaled, unsigned int precision, uint64_t *whole, uint64_t *parts)
{
    switch (precision) {
    case 0:
        *whole = scaled;
        *parts = 0;
        break;
    case 1:
        *whole = scaled / 10;
        *parts = scaled % 10;
        break;
    case 2:
        *whole = scaled / 100;
        *parts = scaled % 100;
        break;
    case 3:
        *whole = scaled / 1000;
        *parts = scaled % 1000;
        break;
    default:
        *whole = scaled / 10000;
        *parts = scaled % 10000;
        break;
    }
}

/* `scaled` / 10^precision as a text, with the sign of `number`. */
static size_t print_signed(char *text, double number, uint64_t scaled, unsigned int precision)
{
    uint64_t whole, parts;
    size_t size = signbit(number) ? 1 : 0;
    split(scaled, precision, &whole, &parts);
    size_t count = count_digits(whole);
    text[0] = '-';
    print_digits(text + size, whole, count);
    size += count;
    if (precision > 0) {
        text[size++] = '.';
        print_digits(text + size, parts, precision);
        size += precision;
    }
    return size;
}

/* |number| * 10^precision, rounded as printf(3) does: to nearest, and to even where the number lies
 * exactly between. What the product lost shows on which side of that it really is. */
static uint64_t round_scaled(double magnitude, unsigned int precision)
{
    double product = magnitude * powers[precision];
    double lost = fma(magnitude, powers[precision], -product);
    double rounded = nearbyint(product);
    double beyond = product - rounded;
    if (beyond == 0.5 && lost > 0) {
        rounded += 1;
    } else if (beyond == -0.5 && lost < 0) {
        rounded -= 1;
    }
    return (uint64_t)rounded;
}

size_t lua_number_print_fixed(char *text, double number, unsigned int precision)
{
    if (!(fabs(number) < SIMPLE_MAX) || precision > PRECISION_MAX) {
        return 0;
    }
    return print_signed(text, number, round_scaled(fabs(number), precision), precision);
}

size_t lua_number_print_shortest(char *text, double number)
{
    double magnitude = fabs(number);
    if (!(magnitude < SIMPLE_MAX) || number == 0) {
        return 0;
    }
    /* A quotient of two exact numbers is the number that their decimal text reads back as. */
    for (unsigned int precision = 1; precision <= PRECISION_MAX; precision++) {
        uint64_t scaled = round_scaled(magnitude, precision);
        if ((double)scaled / powers[precision] == magnitude) {
            return print_signed(text, number, scaled, precision);
        }
    }
    return 0;
}

/* ---- string.format ---- */

typedef struct line {
    char text[FORMAT_SIZE_MAX];
    size_t size;
} line;

static bool add(line *out, const char *data, size_t size)
{
    if (size > sizeof(out->text) - out->size) {
        return false;
    }
    lua_engine_copy(out->text + out->size, data, size);
    out->size += size;
    return true;
}

/* %d of an integer, %s of a text, %.Nf of a float: into `out`. false: it is something else. */
static bool add_argument(line *out, lua_State *state, int index, char conversion, int precision)
{
    char text[LUA_NUMBER_TEXT_SIZE];
    size_t size = 0;
    const char *data = text;
    if (conversion == 's' && precision < 0 && lua_type(state, index) == LUA_TSTRING) {
        data = lua_tolstring(state, index, &size);
        return add(out, data, size);
    }
    if (conversion == 'f' && precision >= 0 && lua_type(state, index) == LUA_TNUMBER) {
        size = lua_number_print_fixed(text, lua_tonumber(state, index), (unsigned int)precision);
    } else if (precision < 0 && lua_isinteger(state, index)
        && (conversion == 'd' || conversion == 's')) {
        size = lua_number_print_integer(text, lua_tointeger(state, index));
    }
    return size > 0 && add(out, text, size);
}

/* One conversion, from behind its `%`. Moves *at behind it. */
static bool add_conversion(line *out, lua_State *state, const char **at, int *index)
{
    const char *text = *at;
    int precision = -1;
    if (*text == '%') {
        *at = text + 1;
        return add(out, "%", 1);
    }
    if (text[0] == '.' && text[1] >= '0' && text[1] <= '0' + PRECISION_MAX) {
        precision = text[1] - '0';
        text += 2;
    }
    if (*text == '\0' || *index > lua_gettop(state)) {
        return false;
    }
    *at = text + 1;
    return add_argument(out, state, (*index)++, *text, precision);
}

/* Lua's own function, which is our upvalue, does what is not simple: in our frame, so that its
 * errors name what the script has called. */
static int format(lua_State *state)
{
    line out;
    out.size = 0;
    int index = 2;
    size_t size = 0;
    const char *at = lua_type(state, 1) == LUA_TSTRING ? lua_tolstring(state, 1, &size) : NULL;
    const char *end = at + size;
    bool is_simple = at != NULL;
    while (is_simple && at < end) {
        const char *next = memchr(at, '%', (size_t)(end - at));
        size_t plain = (size_t)((next != NULL ? next : end) - at);
        is_simple = add(&out, at, plain);
        at += plain;
        if (next != NULL && is_simple) {
            at++;
            is_simple = add_conversion(&out, state, &at, &index);
        }
    }
    if (!is_simple) {
        return lua_tocfunction(state, lua_upvalueindex(1))(state);
    }
    lua_pushlstring(state, out.text, out.size);
    return 1;
}

void lua_engine_open_format(lua_State *state)
{
    lua_getglobal(state, LUA_STRLIBNAME);
    lua_getfield(state, -1, "format");
    lua_pushcclosure(state, format, 1);
    lua_setfield(state, -2, "format");
    lua_pop(state, 1);
}
