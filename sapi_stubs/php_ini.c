/* php_ini: the configuration, one table of directives.
 * Owns        the values of the directives.
 * Thread      php_ini_set: main thread, before the SAPI's startup. Readers: any thread.
 * Invariants  I1  a value that was refused changes nothing
 *             I2  the values do not change once worker threads run
 * Failure     false with a static text.
 * Tests       tests/unit/sapi_ini.c, tests/cli/usage.sh */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "sapi_internal.h"

#define DEFAULT_MEMORY_LIMIT ((size_t)128 * 1024 * 1024)
#define DEFAULT_MEMORY_LIMIT_TEXT "128M"

typedef struct ini_directive {
    const char *name;
    bool (*set)(const char *value);
    const char *expected;       /* what to say when `set` refuses */
} ini_directive;

static size_t memory_limit = DEFAULT_MEMORY_LIMIT;              /* const after php_module_startup */
static char memory_limit_text[32] = DEFAULT_MEMORY_LIMIT_TEXT;  /* as memory_limit */

static bool report_memleaks = true;                             /* const after php_module_startup */

/* Powers of 1024 of a size suffix; 0: no such suffix. */
static unsigned int suffix_shift(char suffix)
{
    switch (suffix) {
    case 'k': case 'K': return 10;
    case 'm': case 'M': return 20;
    case 'g': case 'G': return 30;
    default: return 0;
    }
}

/* `digits[KMG]` to bytes. Stricter than PHP, which reads what it can and ignores the rest: a limit
 * that was mistyped must not become another limit. */
static bool parse_size(const char *text, size_t *size)
{
    size_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, (size_t)10, &number)
            || __builtin_add_overflow(number, (size_t)(*at - '0'), &number)) {
            return false;
        }
    }
    if (at == text) {
        return false;
    }
    unsigned int shift = suffix_shift(*at);
    if (shift != 0) {
        at++;
    }
    if (*at != '\0' || number > SIZE_MAX >> shift) {
        return false;
    }
    *size = number << shift;
    return true;
}

static bool set_memory_limit(const char *value)
{
    size_t limit = SIZE_MAX;
    if (strlen(value) >= sizeof(memory_limit_text)
        || (strcmp(value, "-1") != 0 && !parse_size(value, &limit))) {
        return false;
    }
    memory_limit = limit;
    strcpy(memory_limit_text, value);
    return true;
}

static bool set_report_memleaks(const char *value)
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0) {
        return false;
    }
    report_memleaks = value[0] == '1';
    return true;
}

static const ini_directive directives[] = {
    { "memory_limit", set_memory_limit,
      "memory_limit takes a number of bytes, with K, M or G if wanted, or -1 for none" },
    { "report_memleaks", set_report_memleaks, "report_memleaks takes 1 or 0" },
};

bool php_ini_set(const char *directive, const char **error)
{
    const char *equals = strchr(directive, '=');
    if (equals == NULL) {
        *error = "a directive is given as name=value";
        return false;
    }
    size_t name_size = (size_t)(equals - directive);
    for (size_t index = 0; index < sizeof(directives) / sizeof(directives[0]); index++) {
        const ini_directive *known = &directives[index];
        if (strlen(known->name) != name_size || memcmp(known->name, directive, name_size) != 0) {
            continue;
        }
        *error = known->expected;
        return known->set(equals + 1);
    }
    *error = "no such directive; there are memory_limit and report_memleaks";
    return false;
}

size_t php_memory_limit(void)
{
    return memory_limit;
}

bool php_report_memleaks(void)
{
    return report_memleaks;
}

const char *php_memory_limit_text(void)
{
    return memory_limit_text;
}
