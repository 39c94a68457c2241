/* status_writer.h: what the formats of the status page share. Private to status*.c. */
#ifndef TSRMALLOC_FPM_STATUS_WRITER_H
#define TSRMALLOC_FPM_STATUS_WRITER_H

#include "fpm/status.h"

enum { STATUS_POOL_FIELD_COUNT = 14, STATUS_POOL_EXTRA_COUNT = 12, STATUS_WORKER_FIELD_COUNT = 13,
       STATUS_WORKER_EXTRA_COUNT = 7, STATUS_FIELD_COUNT_MAX = 26 };

typedef struct status_writer {
    const status_sink *sink;
    size_t size;
    char buffer[4096];
} status_writer;

typedef enum status_escape {
    STATUS_ESCAPE_TEXT,         /* control characters become '?' */
    STATUS_ESCAPE_JSON,
    STATUS_ESCAPE_XML,          /* also for HTML, also inside quotes */
    STATUS_ESCAPE_LABEL,        /* of a metric */
} status_escape;

/* One line of the page; `kind` says which member counts. */
typedef struct status_field {
    const char *name;           /* "start time": with spaces, as in the text format */
    enum { STATUS_FIELD_TEXT, STATUS_FIELD_NUMBER, STATUS_FIELD_TIME, STATUS_FIELD_DECIMAL } kind;
    status_text text;
    uint64_t number;
    time_t time;
    double decimal;
} status_field;

void status_put(status_writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void status_put_bytes(status_writer *writer, const char *data, size_t size);
/* What is not UTF-8 is replaced, so that a page is what its Content-Type says. */
void status_put_escaped(status_writer *writer, status_escape how, status_text text);
/* A field's value; times as in an access log. */
void status_put_value(status_writer *writer, status_escape how, const status_field *field);
void status_flush(status_writer *writer);

/* php-fpm's fields and, for full pages, ours behind them. Return the number. */
size_t status_pool_fields(const status_pool *pool, bool full,
    status_field fields[STATUS_FIELD_COUNT_MAX]);
size_t status_worker_fields(const status_pool *pool, const status_worker *worker,
    status_field fields[STATUS_FIELD_COUNT_MAX]);
const char *status_state_name(status_state state);
/* Upper bound of a bucket but the last, nanoseconds. */
uint64_t status_bucket_bound(unsigned int bucket);

void status_write_text(status_writer *writer, const status_pool *pool, bool full);
void status_write_json(status_writer *writer, const status_pool *pool, bool full);
void status_write_xml(status_writer *writer, const status_pool *pool, bool full);
/* php-fpm's table, and the live page. */
void status_write_table(status_writer *writer, const status_pool *pool);
void status_write_live(status_writer *writer, const status_pool *pool);
/* php-fpm's metrics, and ours. */
void status_write_phpfpm(status_writer *writer, const status_pool *pool);
void status_write_ours(status_writer *writer, const status_pool *pools, size_t pool_count);

#endif
