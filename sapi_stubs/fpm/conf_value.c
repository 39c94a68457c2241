/* conf_value: the text of a value into its field, and back.
 * Owns        the strings and pairs of a structure, through its directives.
 * Thread      the one that reads the configuration.
 * Invariants  I1  a value that is refused changes nothing
 * Failure     a static text that says what was expected.
 * Tests       tests/fpm/conf.c, tests/fuzz/conf.c */
#include "config.h"

#include "fpm/conf_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "fpm/log.h"

static const char no_memory[] = "there is no memory for it";

typedef struct named_number {
    const char *name;
    int number;
} named_number;

static const named_number levels[] = {
    { "debug", FPM_LOG_DEBUG }, { "notice", FPM_LOG_NOTICE }, { "warning", FPM_LOG_WARNING },
    { "warn", FPM_LOG_WARNING }, { "error", FPM_LOG_ERROR }, { "alert", FPM_LOG_ALERT },
    { NULL, 0 },
};

static const named_number facilities[] = {
    { "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV }, { "cron", LOG_CRON },
    { "daemon", LOG_DAEMON }, { "ftp", LOG_FTP }, { "kern", LOG_KERN }, { "lpr", LOG_LPR },
    { "mail", LOG_MAIL }, { "news", LOG_NEWS }, { "syslog", LOG_SYSLOG }, { "user", LOG_USER },
    { "uucp", LOG_UUCP }, { "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 },
    { "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
    { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
    { NULL, 0 },
};

static const named_number styles[] = {
    { "static", FPM_PM_STATIC }, { "dynamic", FPM_PM_DYNAMIC }, { "ondemand", FPM_PM_ONDEMAND },
    { NULL, 0 },
};

static const named_number wake_orders[] = {
    { "lifo", FPM_WAKE_LIFO }, { "fifo", FPM_WAKE_FIFO }, { NULL, 0 },
};

static const named_number booleans[] = {
    { "1", 1 }, { "yes", 1 }, { "on", 1 }, { "true", 1 },
    { "0", 0 }, { "no", 0 }, { "off", 0 }, { "false", 0 }, { "none", 0 }, { "", 0 },
    { NULL, 0 },
};

static bool find_number(const named_number *table, const char *name, int *number)
{
    for (; table->name != NULL; table++) {
        if (strcasecmp(table->name, name) == 0) {
            *number = table->number;
            return true;
        }
    }
    return false;
}

static const char *find_name(const named_number *table, int number)
{
    for (; table->name != NULL; table++) {
        if (table->number == number) {
            return table->name;
        }
    }
    return "undefined";
}

const char *fpm_pm_style_name(fpm_pm_style style)
{
    return find_name(styles, (int)style);
}

/* ---- numbers ---- */

/* Digits, then `*rest`. false: no digits, or more than `most`. */
static bool parse_digits(const char *text, uint64_t most, uint64_t *number, const char **rest)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (value > (most - (uint64_t)(*at - '0')) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(*at - '0');
    }
    *number = value;
    *rest = at;
    return at != text;
}

static bool parse_number(const char *text, int *number)
{
    uint64_t value;
    const char *rest;
    bool negative = *text == '-';
    if (!parse_digits(text + negative, INT_MAX, &value, &rest) || *rest != '\0') {
        return false;
    }
    *number = negative ? -(int)value : (int)value;
    return true;
}

/* php-fpm has seconds and their multiples; ms is ours. */
static bool parse_time(const char *text, int64_t *milliseconds)
{
    static const struct { const char *suffix; uint64_t factor; } units[] = {
        { "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "h", 3600000 },
        { "d", 86400000 },
    };
    uint64_t value;
    const char *rest;
    if (!parse_digits(text, INT_MAX, &value, &rest)) {
        return false;
    }
    for (size_t index = 0; index < sizeof(units) / sizeof(units[0]); index++) {
        if (strcmp(rest, units[index].suffix) == 0) {
            *milliseconds = (int64_t)(value * units[index].factor);
            return true;
        }
    }
    return false;
}

bool fpm_conf_parse_size(const char *text, size_t *size)
{
    static const char suffixes[] = "KMG";
    uint64_t value;
    const char *rest;
    if (!parse_digits(text, SIZE_MAX, &value, &rest)) {
        return false;
    }
    unsigned int shift = 0;
    if (*rest != '\0') {
        const char *suffix = strchr(suffixes, *rest >= 'a' ? *rest - ('a' - 'A') : *rest);
        if (suffix == NULL || *suffix == '\0' || rest[1] != '\0') {
            return false;
        }
        shift = 10 * (unsigned int)(suffix - suffixes + 1);
    }
    if (value > SIZE_MAX >> shift) {
        return false;
    }
    *size = (size_t)value << shift;
    return true;
}

/* ---- setters ---- */

static const char *set_string(char **field, const char *value)
{
    char *copy = strdup(value);
    if (copy == NULL) {
        return no_memory;
    }
    free(*field);
    *field = copy;
    return NULL;
}

/* A key that comes again replaces its value, but for lists. */
static const char *set_pair(fpm_conf_pair **list, const char *key, const char *value)
{
    for (; *list != NULL; list = &(*list)->next) {
        if (*key != '\0' && strcmp((*list)->key, key) == 0) {
            return set_string(&(*list)->value, value);
        }
    }
    fpm_conf_pair *pair = calloc(1, sizeof(*pair));
    if (pair == NULL || set_string(&pair->key, key) != NULL
        || set_string(&pair->value, value) != NULL) {
        if (pair != NULL) {
            free(pair->key);
        }
        free(pair);
        return no_memory;
    }
    *list = pair;
    return NULL;
}

static const char *set_named(const named_number *table, int *field, const char *value,
    const char *expected)
{
    return find_number(table, value, field) ? NULL : expected;
}

static const char *set_bool(bool *field, const char *value)
{
    int number;
    if (!find_number(booleans, value, &number)) {
        return "invalid boolean value (yes, no, on, off, true, false, 1 or 0)";
    }
    *field = number != 0;
    return NULL;
}

/* The constants of php.ini that configurations use in php_value[error_reporting]. */
static const char *constant_value(const char *value)
{
    return strcmp(value, "E_ALL") == 0 ? "32767" : value;
}

static const char *set_keyed(const fpm_conf_directive *directive, fpm_conf_pair **list,
    const char *key, const char *value)
{
    if (directive->kind == FPM_CONF_LIST) {
        return set_pair(list, "", value);
    }
    if (directive->kind == FPM_CONF_FLAGS) {
        bool flag;
        const char *error = set_bool(&flag, value);
        return error != NULL ? error : set_pair(list, key, flag ? "1" : "");
    }
    return set_pair(list, key, constant_value(value));
}

const char *fpm_conf_value_set(const fpm_conf_directive *directive, void *structure,
    const char *key, const char *value)
{
    void *field = (char *)structure + directive->offset;
    int number;
    switch (directive->kind) {
    case FPM_CONF_STRING:
    case FPM_CONF_PATH:
        return set_string(field, value);
    case FPM_CONF_NUMBER:
        return parse_number(value, field) ? NULL : "not a valid number";
    case FPM_CONF_TIME:
        return parse_time(value, field) ? NULL
            : "not a time: a number of seconds, or one with ms, s, m, h or d";
    case FPM_CONF_SIZE:
        return fpm_conf_parse_size(value, field) ? NULL
            : "not a size: a number of bytes, or one with K, M or G";
    case FPM_CONF_BOOL:
        return set_bool(field, value);
    case FPM_CONF_RLIMIT:
        if (strcmp(value, "unlimited") == 0) {
            *(int *)field = -1;
            return NULL;
        }
        return parse_number(value, field) ? NULL : "not a valid number, nor \"unlimited\"";
    case FPM_CONF_LEVEL:
        return set_named(levels, field, value, "not one of alert, error, warning, notice, debug");
    case FPM_CONF_FACILITY:
        return set_named(facilities, field, value, "no facility of syslog(3)");
    case FPM_CONF_STYLE:
        if (!find_number(styles, value, &number)) {
            return "invalid process manager (static, dynamic or ondemand)";
        }
        *(fpm_pm_style *)field = (fpm_pm_style)number;
        return NULL;
    case FPM_CONF_WAKE_ORDER:
        if (!find_number(wake_orders, value, &number)) {
            return "invalid order (lifo or fifo)";
        }
        *(fpm_wake_order *)field = (fpm_wake_order)number;
        return NULL;
    case FPM_CONF_VALUES:
    case FPM_CONF_FLAGS:
    case FPM_CONF_LIST:
        return set_keyed(directive, field, key, value);
    }
    return "no such kind";
}

/* ---- defaults, texts, the end ---- */

bool fpm_conf_values_default(const fpm_conf_directive *directives, void *structure)
{
    for (const fpm_conf_directive *at = directives; at->name != NULL; at++) {
        if (at->fallback != NULL) {
            if (fpm_conf_value_set(at, structure, NULL, at->fallback) != NULL) {
                return false;
            }
        } else if (at->kind == FPM_CONF_NUMBER) {
            *(int *)((char *)structure + at->offset) = FPM_CONF_UNSET;
        }
    }
    return true;
}

static const char *time_text(int64_t milliseconds, char *text)
{
    bool whole = milliseconds % 1000 == 0;
    snprintf(text, FPM_CONF_TEXT_SIZE, "%lld%s",
        (long long)(whole ? milliseconds / 1000 : milliseconds), whole ? "s" : "ms");
    return text;
}

static const char *number_text(int number, char *text)
{
    if (number == FPM_CONF_UNSET) {
        return "undefined";
    }
    snprintf(text, FPM_CONF_TEXT_SIZE, "%d", number);
    return text;
}

const char *fpm_conf_value_text(const fpm_conf_directive *directive, const void *structure,
    char *text)
{
    const void *field = (const char *)structure + directive->offset;
    switch (directive->kind) {
    case FPM_CONF_STRING:
    case FPM_CONF_PATH:
        return *(char *const *)field != NULL ? *(char *const *)field : "undefined";
    case FPM_CONF_NUMBER:
    case FPM_CONF_RLIMIT:
        return number_text(*(const int *)field, text);
    case FPM_CONF_TIME:
        return time_text(*(const int64_t *)field, text);
    case FPM_CONF_SIZE:
        snprintf(text, FPM_CONF_TEXT_SIZE, "%zu", *(const size_t *)field);
        return text;
    case FPM_CONF_BOOL:
        return *(const bool *)field ? "yes" : "no";
    case FPM_CONF_LEVEL:
        return find_name(levels, *(const int *)field);
    case FPM_CONF_FACILITY:
        return find_name(facilities, *(const int *)field);
    case FPM_CONF_STYLE:
        return fpm_pm_style_name(*(const fpm_pm_style *)field);
    case FPM_CONF_WAKE_ORDER:
        return find_name(wake_orders, (int)*(const fpm_wake_order *)field);
    default:
        return "";
    }
}

static void free_pairs(fpm_conf_pair **list)
{
    while (*list != NULL) {
        fpm_conf_pair *pair = *list;
        *list = pair->next;
        free(pair->key);
        free(pair->value);
        free(pair);
    }
}

void fpm_conf_values_free(const fpm_conf_directive *directives, void *structure)
{
    for (const fpm_conf_directive *at = directives; at->name != NULL; at++) {
        void *field = (char *)structure + at->offset;
        if (at->kind == FPM_CONF_STRING || at->kind == FPM_CONF_PATH) {
            free(*(char **)field);
            *(char **)field = NULL;
        } else if (at->kind >= FPM_CONF_VALUES) {
            free_pairs(field);
        }
    }
}
