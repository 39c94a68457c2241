/* conf_line: one line of an INI file, as php-fpm reads it.
 *     [section]      name = value      name[key] = value      ; comment
 * A value is a sequence of bare text, "quoted text" (\" and \\ in it stand for " and \) and 'quoted
 * text' (nothing stands for anything else). $pool and ${VARIABLE of the environment} are replaced
 * outside of '...'.
 * Owns        nothing.
 * Thread      the one that reads the configuration.
 * Invariants  I1  nothing is written outside of the line and the value's room
 * Failure     FPM_CONF_LINE_ERROR with a static text.
 * Tests       tests/fpm/conf.c, tests/fuzz/conf.c */
#include "config.h"

#include "fpm/conf_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct value_writer {
    char *text;
    size_t size, capacity;      /* capacity counts the final NUL */
    bool overflow;
} value_writer;

static void put(value_writer *out, const char *text, size_t size)
{
    if (size >= out->capacity - out->size) {
        out->overflow = true;
        return;
    }
    memcpy(out->text + out->size, text, size);
    out->size += size;
}

static char *skip_blanks(char *at)
{
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    return at;
}

static void cut_blanks(char *text)
{
    size_t size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1])) {
        text[--size] = '\0';
    }
}

/* `at` stands on '$'. Returns behind what was replaced, or behind the '$'. */
static const char *put_variable(value_writer *out, const char *at, const char *pool)
{
    if (pool != NULL && strncmp(at, "$pool", 5) == 0) {
        put(out, pool, strlen(pool));
        return at + 5;
    }
    const char *end = at[1] == '{' ? strchr(at, '}') : NULL;
    char name[128];
    if (end == NULL || (size_t)(end - at - 2) >= sizeof(name)) {
        put(out, at, 1);
        return at + 1;
    }
    memcpy(name, at + 2, (size_t)(end - at - 2));
    name[end - at - 2] = '\0';
    const char *value = getenv(name);
    if (value != NULL) {
        put(out, value, strlen(value));
    }
    return end + 1;
}

/* `at` stands behind the quote. NULL: it is not closed. */
static const char *put_quoted(value_writer *out, const char *at, char quote, const char *pool)
{
    while (*at != quote) {
        if (*at == '\0') {
            return NULL;
        }
        if (quote == '"' && *at == '\\' && (at[1] == '"' || at[1] == '\\')) {
            put(out, ++at, 1);
            at++;
        } else if (quote == '"' && *at == '$') {
            at = put_variable(out, at, pool);
        } else {
            put(out, at++, 1);
        }
    }
    return at + 1;
}

/* Returns what is wrong, or NULL. */
static const char *read_value(const char *at, const char *pool, value_writer *out)
{
    size_t blanks = 0;          /* at the end, of bare text: not part of the value */
    while (*at != '\0' && *at != ';') {
        if (*at == '"' || *at == '\'') {
            at = put_quoted(out, at + 1, *at, pool);
            blanks = 0;
            if (at == NULL) {
                return "the quotes are not closed";
            }
            continue;
        }
        blanks = isspace((unsigned char)*at) ? blanks + 1 : 0;
        if (*at == '$') {
            at = put_variable(out, at, pool);
        } else {
            put(out, at++, 1);
        }
    }
    if (out->overflow) {
        return "the value is too long";
    }
    out->size -= blanks;
    out->text[out->size] = '\0';
    return NULL;
}

static fpm_conf_line parse_section(char *line)
{
    char *end = strchr(line, ']');
    if (end == NULL) {
        return (fpm_conf_line){ .kind = FPM_CONF_LINE_ERROR, .error = "a ']' is missing" };
    }
    char *rest = skip_blanks(end + 1);
    if (*rest != '\0' && *rest != ';') {
        return (fpm_conf_line){ .kind = FPM_CONF_LINE_ERROR,
            .error = "there is text behind the section's name" };
    }
    *end = '\0';
    char *name = skip_blanks(line + 1);
    cut_blanks(name);
    if (*name == '\0') {
        return (fpm_conf_line){ .kind = FPM_CONF_LINE_ERROR, .error = "the section has no name" };
    }
    return (fpm_conf_line){ .kind = FPM_CONF_LINE_SECTION, .name = name };
}

fpm_conf_line fpm_conf_line_parse(char *line, const char *pool, char *value, size_t value_size)
{
    fpm_conf_line result = { .kind = FPM_CONF_LINE_ENTRY };
    line = skip_blanks(line);
    cut_blanks(line);
    if (*line == '\0' || *line == ';') {
        result.kind = FPM_CONF_LINE_EMPTY;
        return result;
    }
    if (*line == '[') {
        return parse_section(line);
    }
    result.kind = FPM_CONF_LINE_ERROR;
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        result.error = "neither a [section] nor name = value";
        return result;
    }
    *equals = '\0';
    cut_blanks(line);
    char *bracket = strchr(line, '[');
    if (bracket != NULL) {
        size_t size = strlen(bracket);
        if (bracket[size - 1] != ']') {
            result.error = "a ']' is missing";
            return result;
        }
        bracket[size - 1] = '\0';
        *bracket = '\0';
        result.key = bracket + 1;
    }
    result.name = line;
    value_writer out = { .text = value, .capacity = value_size };
    result.error = read_value(skip_blanks(equals + 1), pool, &out);
    result.value = value;
    result.kind = result.error == NULL ? FPM_CONF_LINE_ENTRY : FPM_CONF_LINE_ERROR;
    return result;
}
