/* environment: USE_ZEND_ALLOC and the ZEND_MM_* variables.
 * Owns        nothing; the variables are read each time a heap is made.
 * Thread      any, under tsrm_env_lock.
 * Invariants  settings that leave here are valid.
 * Failure     a wrong ZEND_MM_* setting prints the text of PHP 5.x and exits with 255.
 * Tests       tests/unit/environment.c, tests/death/environment.c
 */
#include "config.h"

#include "alloc/environment.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alloc/heap.h"

#define EXIT_WRONG_SETTING 255
#define VALUE_MAX 256   /* bytes of a value that are looked at */

/* Copy a variable out from under the environment lock. false: it is not set. */
static bool read_variable(const char *name, char *value)
{
    tsrm_env_lock();
    const char *found = getenv(name);
    if (found != NULL) {
        snprintf(value, VALUE_MAX, "%s", found);
    }
    tsrm_env_unlock();
    return found != NULL;
}

int64_t zend_mm_parse_size(const char *text)
{
    size_t length = strlen(text);
    long long value = strtoll(text, NULL, 0);       /* clamps */
    long long unit = 1;
    switch (length > 0 ? tolower((unsigned char)text[length - 1]) : 0) {
    case 'g':
        unit *= 1024;
        /* fall through */
    case 'm':
        unit *= 1024;
        /* fall through */
    case 'k':
        unit *= 1024;
        break;
    default:
        break;
    }
    long long product;
    if (__builtin_mul_overflow(value, unit, &product)) {
        return value > 0 ? INT64_MAX : INT64_MIN;
    }
    return product;
}

/* Not set, or numerically not 0. */
static bool read_switch(const char *name)
{
    char value[VALUE_MAX];
    return !read_variable(name, value) || zend_mm_parse_size(value) != 0;
}

bool zend_mm_environment_use_zend_alloc(void)
{
    return read_switch("USE_ZEND_ALLOC");
}

bool zend_mm_environment_remote_free_panics(void)
{
    char value[VALUE_MAX];
    if (!read_variable("ZEND_MM_REMOTE_FREE", value) || strcmp(value, "accept") == 0) {
        return false;
    }
    if (strcmp(value, "panic") != 0) {
        fprintf(stderr, "ZEND_MM_REMOTE_FREE must be 'accept' or 'panic', not '%s'\n", value);
        exit(EXIT_WRONG_SETTING);
    }
    return true;
}

/* Set, and numerically not 0. */
static bool read_flag(const char *name)
{
    char value[VALUE_MAX];
    return read_variable(name, value) && zend_mm_parse_size(value) != 0;
}

bool zend_mm_environment_use_tracked_alloc(void)
{
    return read_flag("USE_TRACKED_ALLOC");
}

static const zend_mm_storage_type *storage_setting(void)
{
    char value[VALUE_MAX];
    bool is_set = read_variable("ZEND_MM_MEM_TYPE", value);
    const zend_mm_storage_type *storage = zend_mm_storage_find(is_set ? value : NULL);
    if (storage != NULL) {
        return storage;
    }
    fprintf(stderr, "Wrong or unsupported zend_mm storage type '%s'\n  supported types:\n", value);
    for (storage = zend_mm_storage_types; storage->handlers.name != NULL; storage++) {
        fprintf(stderr, "    '%s'\n", storage->handlers.name);
    }
    exit(EXIT_WRONG_SETTING);
}

static size_t block_size_setting(void)
{
    char value[VALUE_MAX];
    if (!read_variable("ZEND_MM_SEG_SIZE", value)) {
        return ZEND_MM_SEGMENT_SIZE;
    }
    int64_t size = zend_mm_parse_size(value);
    if (size <= 0 || (size & (size - 1)) != 0 || (uint64_t)size > SIZE_MAX) {
        fprintf(stderr, "ZEND_MM_SEG_SIZE must be a power of two\n");
        exit(EXIT_WRONG_SETTING);
    }
    if ((size_t)size < ZEND_MM_SEGMENT_SIZE) {
        fprintf(stderr, "ZEND_MM_SEG_SIZE is too small\n");
        exit(EXIT_WRONG_SETTING);
    }
    return (size_t)size;
}

static size_t compact_size_setting(void)
{
    char value[VALUE_MAX];
    if (!read_variable("ZEND_MM_COMPACT", value)) {
        return ZEND_MM_DEFAULT_COMPACT_SIZE;
    }
    int64_t size = zend_mm_parse_size(value);
    return size > 0 ? (size_t)size : 0;
}

/* ---- ZEND_MM_DEBUG ---- */

/* The number behind NAME=, which ends at a comma or at the end; *text is moved behind it. */
static unsigned long debug_value(const char **text)
{
    char *end;
    unsigned long value = strtoul(*text, &end, 0);
    *text = end + strcspn(end, ",");
    return value;
}

/* Give one parameter its value; false: its name is unknown. */
static bool set_debug_parameter(const char *name, size_t length, unsigned long value,
    zend_mm_debug_settings *settings)
{
    static const char *const names[] = { "poison_alloc", "poison_free", "padding",
        "check_freelists_on_shutdown", "leaks", "backtrace" };
    size_t index = 0;
    size_t count = sizeof names / sizeof names[0];
    while (index < count
            && (strlen(names[index]) != length || memcmp(names[index], name, length) != 0)) {
        index++;
    }
    switch (index) {
    case 0: settings->poison_alloc = (unsigned char)value; break;
    case 1: settings->poison_free = (unsigned char)value; break;
    case 2: settings->padding = value; break;
    case 3: settings->check_freelists = value != 0; break;
    case 4: settings->reports_leaks = value != 0; break;
    case 5: settings->takes_backtraces = value != 0; break;
    default: return false;
    }
    return true;
}

void zend_mm_parse_debug(const char *text, zend_mm_debug_settings *settings)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "=");
        if (text[length] == '\0') {
            fprintf(stderr, "Unexpected EOF after ZEND_MM_DEBUG parameter '%s', expected '='\n", text);
            exit(EXIT_WRONG_SETTING);
        }
        const char *name = text;
        text += length + 1;
        unsigned long value = debug_value(&text);
        text += *text == ',';
        if (!set_debug_parameter(name, length, value, settings)) {
            fprintf(stderr, "Unknown ZEND_MM_DEBUG parameter: '%.*s'\n", (int)length, name);
            exit(EXIT_WRONG_SETTING);
        }
        if (settings->padding % ZEND_MM_ALIGNMENT != 0) {
            fprintf(stderr, "ZEND_MM_DEBUG padding must be a multiple of %u, %u given\n",
                (unsigned int)ZEND_MM_ALIGNMENT, (unsigned int)settings->padding);
            exit(EXIT_WRONG_SETTING);
        }
    }
}

bool zend_mm_environment_debug(zend_mm_debug_settings *settings)
{
    char value[VALUE_MAX];
    bool is_set = read_variable("ZEND_MM_DEBUG", value);
    *settings = (zend_mm_debug_settings){ .poison_alloc = ZEND_MM_NO_POISON,
        .poison_free = ZEND_MM_NO_POISON };
    if (is_set || ZEND_DEBUG) {
        zend_mm_parse_debug(is_set ? value : ZEND_MM_DEBUG_BUILD, settings);
    }
    return is_set || ZEND_DEBUG;
}

zend_mm_settings zend_mm_environment_settings(void)
{
    zend_mm_settings settings = {
        .storage = storage_setting(),
        .block_size = block_size_setting(),
        .compact_size = compact_size_setting(),
        .wants_huge_pages = read_flag("USE_ZEND_ALLOC_HUGE_PAGES"),
        .is_hardened = read_flag("ZEND_MM_HARDENED"),
        .wants_redzones = read_switch("ZEND_MM_REDZONES"),
    };
    settings.is_debugged = zend_mm_environment_debug(&settings.debug);
    return settings;
}
