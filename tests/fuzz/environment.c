/* environment: values of the variables that are numbers, as text.
 * Owns        USE_ZEND_ALLOC of this process.
 * Thread      one.
 * Invariants  I1  a plain decimal number that fits is its value; a unit multiplies by 1024
 * Failure     abort.
 * Tests       this is one. */
#include "config.h"

#include <string.h>

#include "alloc/environment.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_MAX = 200, DIGITS_MAX = 9 };

static int64_t plain_value(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || text[digits] != '\0' || text[0] == '0') {
        return -1;
    }
    return strtoll(text, NULL, 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 2];
    size = size < TEXT_MAX ? size : TEXT_MAX;
    memcpy(text, data, size);
    text[size] = '\0';
    int64_t plain = plain_value(text);
    int64_t value = zend_mm_parse_size(text);
    FUZZ_EXPECT(plain < 0 || value == plain);
    FUZZ_EXPECT(setenv("USE_ZEND_ALLOC", text, 1) == 0);
    FUZZ_EXPECT(zend_mm_environment_use_zend_alloc() == (value != 0));
    if (plain >= 0) {
        memcpy(text + strlen(text), "k", sizeof "k");
        FUZZ_EXPECT(zend_mm_parse_size(text) == plain * 1024);
    }
    return 0;
}
