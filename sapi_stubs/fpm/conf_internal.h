/* conf_internal.h: what the files of the configuration share. */
#ifndef TSRMALLOC_FPM_CONF_INTERNAL_H
#define TSRMALLOC_FPM_CONF_INTERNAL_H

#include "fpm/conf.h"

/* How a directive's value is read, kept and shown. */
typedef enum fpm_conf_kind {
    FPM_CONF_STRING,
    FPM_CONF_PATH,              /* a string; relative ones get the prefix when all is read */
    FPM_CONF_NUMBER,
    FPM_CONF_TIME,              /* milliseconds in int64_t */
    FPM_CONF_SIZE,              /* bytes in size_t */
    FPM_CONF_BOOL,
    FPM_CONF_RLIMIT,            /* a number, or "unlimited": -1 */
    FPM_CONF_LEVEL,
    FPM_CONF_FACILITY,
    FPM_CONF_STYLE,
    FPM_CONF_WAKE_ORDER,
    FPM_CONF_VALUES,            /* name[key] = value, a key is needed */
    FPM_CONF_FLAGS,             /* the same with a boolean; shown under the name of the values */
    FPM_CONF_LIST,              /* name[] = /value, keys are refused */
} fpm_conf_kind;

typedef struct fpm_conf_directive {
    const char *name;
    size_t offset;              /* in fpm_conf_global or fpm_conf_pool */
    fpm_conf_kind kind;
    const char *fallback;       /* the text of the default; NULL: unset, 0, no */
    const char *remark;         /* logged when it is given: why it has no effect; NULL: it has */
} fpm_conf_directive;

/* End with a NULL name. */
extern const fpm_conf_directive fpm_conf_global_directives[];
extern const fpm_conf_directive fpm_conf_pool_directives[];

/* The directive of that name, or NULL. */
const fpm_conf_directive *fpm_conf_directive_find(const fpm_conf_directive *directives,
    const char *name);

/* Read `value` into the field. `key` is NULL without brackets. NULL: done; else what was expected
 * (static text). */
const char *fpm_conf_value_set(const fpm_conf_directive *directive, void *structure,
    const char *key, const char *value) __attribute__((warn_unused_result));
/* What -tt shows of a field that is no pair; `text` has room for FPM_CONF_TEXT_SIZE bytes. */
enum { FPM_CONF_TEXT_SIZE = 64 };
const char *fpm_conf_value_text(const fpm_conf_directive *directive, const void *structure,
    char *text);
/* Free the strings and pairs of a structure. */
void fpm_conf_values_free(const fpm_conf_directive *directives, void *structure);
/* Give every field its default. false: no memory. */
bool fpm_conf_values_default(const fpm_conf_directive *directives, void *structure)
    __attribute__((warn_unused_result));
/* Bytes with K, M or G; false: not that. Also for memory_limit. */
bool fpm_conf_parse_size(const char *text, size_t *size);

/* conf_line.c: one line of a file, taken apart in place. */
typedef enum fpm_conf_line_kind {
    FPM_CONF_LINE_EMPTY,
    FPM_CONF_LINE_SECTION,      /* name */
    FPM_CONF_LINE_ENTRY,        /* name, key (may be NULL), value */
    FPM_CONF_LINE_ERROR,        /* error: static text */
} fpm_conf_line_kind;
typedef struct fpm_conf_line {
    fpm_conf_line_kind kind;
    const char *name;
    const char *key;
    const char *value;
    const char *error;
} fpm_conf_line;
/* `line` is changed; the parts lie in it or in `value`, whose room is `value_size` bytes. `pool` is
 * what $pool stands for; NULL: it stays. */
fpm_conf_line fpm_conf_line_parse(char *line, const char *pool, char *value, size_t value_size);

/* conf_check.c: what can be said of the values only when all are read. false: logged. */
bool fpm_conf_check(fpm_conf *conf) __attribute__((warn_unused_result));

/* conf_pool.c */
fpm_conf_pool *fpm_conf_pool_new(const char *name);
void fpm_conf_pool_free(fpm_conf_pool *pool);

#endif
