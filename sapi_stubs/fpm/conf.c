/* conf: the files of the configuration into a fpm_conf.
 * Owns        the fpm_conf that is being made.
 * Thread      main thread; control thread for a reload.
 * Invariants  I1  a file that is included by itself ends in an error, not in a stack overflow
 *             I2  pools stand in the order of their first section
 * Failure     NULL, everything is freed; every fault is one line of the log with file and line.
 * Tests       tests/fpm/conf.c, tests/fpm/config.sh, tests/fuzz/conf.c */
#include "config.h"

#include "fpm/conf_internal.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "fpm/log.h"

enum { LINE_SIZE = 8192, INCLUDE_DEPTH_MAX = 5 };

/* Where the reading stands. A section reaches over the end of an included file, as in php-fpm. */
typedef struct reader {
    fpm_conf *conf;
    fpm_conf_pool *pool;        /* of the current section; NULL: [global] */
    unsigned int depth;
} reader;

static bool read_file(reader *self, const char *path);

/* ---- pools ---- */

fpm_conf_pool *fpm_conf_pool_new(const char *name)
{
    fpm_conf_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return NULL;
    }
    pool->name = strdup(name);
    if (pool->name == NULL || !fpm_conf_values_default(fpm_conf_pool_directives, pool)) {
        fpm_conf_pool_free(pool);
        return NULL;
    }
    return pool;
}

void fpm_conf_pool_free(fpm_conf_pool *pool)
{
    if (pool->access_format_compiled != NULL) {
        access_log_format_free(pool->access_format_compiled);
    }
    fpm_conf_values_free(fpm_conf_pool_directives, pool);
    free(pool->name);
    free(pool);
}

/* A section that comes again goes on with its pool. */
static bool begin_section(reader *self, const char *name)
{
    self->pool = NULL;
    if (strcmp(name, "global") == 0) {
        return true;
    }
    fpm_conf_pool **link = &self->conf->pools;
    while (*link != NULL && strcmp((*link)->name, name) != 0) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        *link = fpm_conf_pool_new(name);
        if (*link == NULL) {
            fpm_log(FPM_LOG_ERROR, NULL, "no memory for pool '%s'", name);
            return false;
        }
        self->conf->pool_count++;
    }
    self->pool = *link;
    return true;
}

/* ---- entries ---- */

/* php-fpm's rules for brackets. */
static bool key_is_right(const fpm_conf_directive *directive, const fpm_conf_line *line,
    const char *path, unsigned int number)
{
    if (directive->kind == FPM_CONF_LIST && *line->key != '\0') {
        fpm_log(FPM_LOG_ERROR, NULL, "[%s:%u] Keys provided to field '%s' are ignored", path,
            number, line->name);
        return false;
    }
    if (directive->kind == FPM_CONF_LIST && *line->value != '/') {
        fpm_log(FPM_LOG_ERROR, NULL, "[%s:%u] Values provided to field '%s' must begin with '/'",
            path, number, line->name);
        return false;
    }
    if (directive->kind != FPM_CONF_LIST && *line->key == '\0') {
        fpm_log(FPM_LOG_ERROR, NULL, "[%s:%u] You must provide a key for field '%s'", path,
            number, line->name);
        return false;
    }
    return true;
}

static bool set_entry(reader *self, const fpm_conf_line *line, const char *path,
    unsigned int number)
{
    const fpm_conf_directive *directive = fpm_conf_directive_find(
        self->pool != NULL ? fpm_conf_pool_directives : fpm_conf_global_directives, line->name);
    bool takes_key = directive != NULL && directive->kind >= FPM_CONF_VALUES;
    if (directive == NULL || takes_key != (line->key != NULL)) {
        fpm_log(FPM_LOG_ERROR, NULL, "[%s:%u] unknown entry '%s%s' in section [%s]", path, number,
            line->name, line->key != NULL ? "[]" : "",
            self->pool != NULL ? self->pool->name : "global");
        return false;
    }
    if (takes_key && !key_is_right(directive, line, path, number)) {
        return false;
    }
    const char *error = fpm_conf_value_set(directive,
        self->pool != NULL ? (void *)self->pool : (void *)&self->conf->global, line->key,
        line->value);
    if (error != NULL) {
        fpm_log(FPM_LOG_ERROR, NULL, "[%s:%u] unable to parse value '%s' for entry '%s': %s", path,
            number, line->value, line->name, error);
        return false;
    }
    if (directive->remark != NULL) {
        fpm_log(FPM_LOG_NOTICE, self->pool != NULL ? self->pool->name : NULL, "[%s:%u] '%s' %s",
            path, number, line->name, directive->remark);
    }
    return true;
}

/* The files of a pattern, in alphabetical order. */
static bool include(reader *self, const char *pattern, const char *path, unsigned int number)
{
    char *full = NULL;
    if (*pattern != '/') {
        if (asprintf(&full, "%s/%s", self->conf->prefix, pattern) < 0) {
            return false;
        }
        pattern = full;
    }
    glob_t found;
    bool done = true;
    int result = glob(pattern, GLOB_ERR | GLOB_MARK, NULL, &found);
    if (result == GLOB_NOMATCH) {
        fpm_log(FPM_LOG_WARNING, NULL, "Nothing matches the include pattern '%s' from %s at line "
            "%u.", pattern, path, number);
    } else if (result != 0) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "[%s:%u] include = %s cannot be read", path, number,
            pattern);
        done = false;
    } else {
        for (size_t index = 0; done && index < found.gl_pathc; index++) {
            const char *name = found.gl_pathv[index];
            done = name[strlen(name) - 1] == '/' || read_file(self, name);
        }
        globfree(&found);
    }
    free(full);
    return done;
}

static bool read_line(reader *self, char *text, const char *path, unsigned int number)
{
    char value[LINE_SIZE];
    fpm_conf_line line = fpm_conf_line_parse(text, self->pool != NULL ? self->pool->name : NULL,
        value, sizeof(value));
    switch (line.kind) {
    case FPM_CONF_LINE_EMPTY:
        return true;
    case FPM_CONF_LINE_SECTION:
        return begin_section(self, line.name);
    case FPM_CONF_LINE_ENTRY:
        if (strcmp(line.name, "include") == 0 && line.key == NULL) {
            return include(self, line.value, path, number);
        }
        return set_entry(self, &line, path, number);
    case FPM_CONF_LINE_ERROR:
        break;
    }
    fpm_log(FPM_LOG_ERROR, NULL, "[%s:%u] syntax error: %s", path, number, line.error);
    return false;
}

static bool read_lines(reader *self, FILE *file, const char *path)
{
    char text[LINE_SIZE];
    for (unsigned int number = 1; fgets(text, sizeof(text), file) != NULL; number++) {
        if (strlen(text) == sizeof(text) - 1 && text[sizeof(text) - 2] != '\n') {
            fpm_log(FPM_LOG_ERROR, NULL, "[%s:%u] the line is longer than %d bytes", path, number,
                LINE_SIZE - 2);
            return false;
        }
        if (!read_line(self, text, path, number)) {
            return false;
        }
    }
    if (ferror(file)) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "failed to read configuration file '%s'", path);
        return false;
    }
    return true;
}

static bool read_file(reader *self, const char *path)
{
    if (self->depth == INCLUDE_DEPTH_MAX) {
        fpm_log(FPM_LOG_ERROR, NULL, "failed to open configuration file '%s': files are included "
            "%d deep at most", path, INCLUDE_DEPTH_MAX);
        return false;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "failed to open configuration file '%s'", path);
        return false;
    }
    self->depth++;
    bool done = read_lines(self, file, path);
    self->depth--;
    fclose(file);
    return done;
}

/* ---- the whole ---- */

fpm_conf *fpm_conf_load(const char *path, const char *prefix, const char *pid)
{
    fpm_conf *conf = calloc(1, sizeof(*conf));
    reader self = { .conf = conf };
    if (conf == NULL || (conf->path = strdup(path)) == NULL
        || (conf->prefix = strdup(prefix)) == NULL
        || !fpm_conf_values_default(fpm_conf_global_directives, &conf->global)) {
        fpm_log(FPM_LOG_ERROR, NULL, "no memory for the configuration");
        goto fail;
    }
    if (!read_file(&self, path)) {
        fpm_log(FPM_LOG_ERROR, NULL, "failed to load configuration file '%s'", path);
        goto fail;
    }
    if (pid != NULL) {
        free(conf->global.pid);
        conf->global.pid = strdup(pid);
    }
    if (!fpm_conf_check(conf)) {
        fpm_log(FPM_LOG_ERROR, NULL, "failed to post process the configuration");
        goto fail;
    }
    return conf;
fail:
    if (conf != NULL) {
        fpm_conf_free(conf);
    }
    return NULL;
}

void fpm_conf_free(fpm_conf *conf)
{
    while (conf->pools != NULL) {
        fpm_conf_pool *pool = conf->pools;
        conf->pools = pool->next;
        fpm_conf_pool_free(pool);
    }
    fpm_conf_values_free(fpm_conf_global_directives, &conf->global);
    free(conf->path);
    free(conf->prefix);
    free(conf);
}

/* ---- -tt ---- */

static void dump_pairs(const fpm_conf_directive *directive, const void *structure)
{
    const fpm_conf_pair *pair =
        *(fpm_conf_pair *const *)((const char *)structure + directive->offset);
    for (; pair != NULL; pair = pair->next) {
        fpm_log(FPM_LOG_NOTICE, NULL, "\t%s[%s] = %s", directive->name, pair->key, pair->value);
    }
}

static void dump_section(const char *name, const fpm_conf_directive *directives,
    const void *structure)
{
    char text[FPM_CONF_TEXT_SIZE];
    fpm_log(FPM_LOG_NOTICE, NULL, "[%s]", name);
    for (const fpm_conf_directive *at = directives; at->name != NULL; at++) {
        if (at->kind < FPM_CONF_VALUES) {
            fpm_log(FPM_LOG_NOTICE, NULL, "\t%s = %s", at->name,
                fpm_conf_value_text(at, structure, text));
        } else if (at->kind != FPM_CONF_FLAGS) {
            dump_pairs(at, structure);
        }
    }
    fpm_log(FPM_LOG_NOTICE, NULL, " ");
}

void fpm_conf_dump(const fpm_conf *conf)
{
    dump_section("global", fpm_conf_global_directives, &conf->global);
    for (const fpm_conf_pool *pool = conf->pools; pool != NULL; pool = pool->next) {
        if (!pool->is_status) {
            dump_section(pool->name, fpm_conf_pool_directives, pool);
        }
    }
}
