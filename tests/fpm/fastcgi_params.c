/* fastcgi_params: what is kept of a PARAMS stream, and what finding a name in it costs. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fpm/fastcgi_params.h"
#include "tests/support/check.h"

enum { SIZE_MAX_HERE = 1024 * 1024 };

static int calls_until_failure = -1;    /* -1 = never */

static void *resize(void *context, void *block, size_t size)
{
    (void)context;
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (calls_until_failure == 0) {
        return NULL;
    }
    calls_until_failure -= calls_until_failure > 0;
    return realloc(block, size);
}

static const fcgi_memory memory = { resize, NULL };

static fcgi_params_result read_all(fcgi_params *params, const char *bytes, size_t size)
{
    *params = (fcgi_params){ 0 };
    fcgi_params_result result = fcgi_params_append(params, &memory, (const uint8_t *)bytes, size,
        SIZE_MAX_HERE);
    return result != FCGI_PARAMS_GOOD ? result :
        fcgi_params_finish(params, &memory, FCGI_PARAMS_COUNT_LARGEST);
}

static void check_strings(void)
{
    static const char bytes[] = "\001\003Axyz" "\002\200\0\0\001ABz" "\000\001n" "\001\000B"
        "\001\001A2" "\001\003Cx\0y";
    fcgi_params params;
    CHECK_CASE("names and values are found, and end in a NUL");
    CHECK(read_all(&params, bytes, sizeof bytes - 1) == FCGI_PARAMS_GOOD);
    CHECK(params.count == 6);
    CHECK(strcmp(params.pairs[0].name, "A") == 0 && strcmp(params.pairs[0].value, "xyz") == 0);
    CHECK(strcmp(params.pairs[1].name, "AB") == 0 && strcmp(params.pairs[1].value, "z") == 0);
    CHECK(strcmp(params.pairs[2].name, "") == 0 && strcmp(params.pairs[2].value, "n") == 0);
    CHECK(strcmp(fcgi_params_text(&params, "AB"), "z") == 0);
    CHECK(strcmp(fcgi_params_text(&params, ""), "n") == 0);
    CHECK(strcmp(fcgi_params_text(&params, "B"), "") == 0);
    CHECK(fcgi_params_text(&params, "ABC") == NULL);
    CHECK(fcgi_params_find(&params, "D", 1) == NULL);
    CHECK_CASE("of equal names the last one sent is found");
    CHECK(strcmp(fcgi_params_text(&params, "A"), "2") == 0);
    CHECK_CASE("a value with a NUL is counted, and is no text");
    CHECK(fcgi_params_find(&params, "C", 1)->value_size == 3);
    CHECK(memcmp(fcgi_params_find(&params, "C", 1)->value, "x\0y", 4) == 0);
    CHECK(fcgi_params_text(&params, "C") == NULL);
    fcgi_params_free(&params, &memory);
}

/* Pairs of a name of two letters each from an alphabet; PHP's hash of all of them is the same. */
static size_t make_colliding(char *bytes, unsigned int count)
{
    char *to = bytes;
    for (unsigned int index = 0; index < count; index++) {
        *to++ = 32;
        *to++ = 1;
        for (unsigned int bit = 0; bit < 16; bit++) {
            memcpy(to, (index >> bit) % 2 ? "Ez" : "FY", 2);
            to += 2;
        }
        *to++ = (char)('0' + index % 10);
    }
    return (size_t)(to - bytes);
}

static void check_colliding(unsigned int count, unsigned int log_count)
{
    static char bytes[FCGI_PARAMS_COUNT_LARGEST * 35];
    fcgi_params params = { 0 };
    size_t size = make_colliding(bytes, count);
    CHECK(fcgi_params_append(&params, &memory, (const uint8_t *)bytes, size, sizeof bytes) ==
        FCGI_PARAMS_GOOD);
    CHECK(fcgi_params_finish(&params, &memory, FCGI_PARAMS_COUNT_LARGEST) == FCGI_PARAMS_GOOD);
    CHECK(params.count == count);
    CHECK(params.comparison_count <= (size_t)count * log_count);
    for (unsigned int index = 0; index < count; index += 997) {
        char name[33] = "";
        for (unsigned int bit = 0; bit < 16; bit++) {
            strcat(name, (index >> bit) % 2 ? "Ez" : "FY");
        }
        const char *value = fcgi_params_text(&params, name);
        CHECK(value != NULL && value[0] == (char)('0' + index % 10));
    }
    fcgi_params_free(&params, &memory);
}

static void check_bounds(void)
{
    static const char bytes[] = "\001\001AB" "\001\001CD";
    fcgi_params params = { 0 };
    CHECK_CASE("a stream of just the size allowed is taken, one byte more is not");
    const uint8_t *from = (const uint8_t *)bytes;
    CHECK(fcgi_params_append(&params, &memory, from, 4, 8) == FCGI_PARAMS_GOOD);
    CHECK(fcgi_params_append(&params, &memory, from + 4, 4, 8) == FCGI_PARAMS_GOOD);
    CHECK(fcgi_params_append(&params, &memory, from, 1, 8) == FCGI_PARAMS_TOO_LARGE);
    CHECK_CASE("as many pairs as allowed are taken, one more is not");
    CHECK(fcgi_params_finish(&params, &memory, 1) == FCGI_PARAMS_TOO_MANY);
    CHECK(fcgi_params_finish(&params, &memory, 2) == FCGI_PARAMS_GOOD);
    fcgi_params_free(&params, &memory);
    CHECK_CASE("a length field takes no memory");
    CHECK(read_all(&params, "\377\377\377\377\377\377\377\377xyz", 11) == FCGI_PARAMS_CUT);
    CHECK(params.capacity <= 4096);
    fcgi_params_free(&params, &memory);
    CHECK_CASE("no memory is told, and nothing is lost");
    for (int calls = 0; calls < 2; calls++) {
        calls_until_failure = calls;
        CHECK(read_all(&params, bytes, sizeof bytes - 1) == FCGI_PARAMS_NO_MEMORY);
        fcgi_params_free(&params, &memory);
    }
    calls_until_failure = -1;
    CHECK(read_all(&params, bytes, sizeof bytes - 1) == FCGI_PARAMS_GOOD);
    fcgi_params_free(&params, &memory);
}

int main(void)
{
    check_strings();
    CHECK_CASE("40,000 names that collide in PHP take 40,000 times 16 comparisons at most");
    check_colliding(40000, 16);
    check_colliding(1000, 10);
    check_bounds();
    return check_summary();
}
