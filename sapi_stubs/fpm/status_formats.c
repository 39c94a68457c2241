/* status_formats: text, json, xml and the plain table, in php-fpm's layouts.
 * Owns        nothing.
 * Thread      any.
 * Invariants  I1  byte for byte what php-fpm 8.2 writes, but for fields it does not have
 * Failure     none.
 * Tests       tests/fpm/status.c, tests/fpm/status_formats.sh
 */
#include "config.h"

#include <string.h>

#include "fpm/status_writer.h"

/* ---- text ---- */

static void put_text_fields(status_writer *writer, const status_field *fields, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        int gap = 22 - (int)strlen(fields[index].name) - 1;
        status_put(writer, "%s:%*s", fields[index].name, gap > 1 ? gap : 1, "");
        status_put_value(writer, STATUS_ESCAPE_TEXT, &fields[index]);
        status_put(writer, "\n");
    }
}

void status_write_text(status_writer *writer, const status_pool *pool, bool full)
{
    status_field fields[STATUS_FIELD_COUNT_MAX];
    put_text_fields(writer, fields, status_pool_fields(pool, full, fields));
    for (size_t index = 0; full && index < pool->worker_count; index++) {
        status_put(writer, "\n************************\n");
        put_text_fields(writer, fields,
            status_worker_fields(pool, &pool->workers[index], fields));
    }
}

/* ---- json ---- */

/* A name as json and xml have it: in small letters, and in xml without spaces. */
static void put_name(status_writer *writer, const char *name, char space)
{
    for (; *name != '\0'; name++) {
        char letter = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') :
            *name == ' ' ? space : *name;
        status_put_bytes(writer, &letter, 1);
    }
}

static void put_seconds(status_writer *writer, const status_field *field)
{
    status_put(writer, "%lld", (long long)field->time);
}

static void put_json_fields(status_writer *writer, const status_field *fields, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        const char *quote = fields[index].kind == STATUS_FIELD_TEXT ? "\"" : "";
        status_put(writer, index == 0 ? "\"" : ",\"");
        put_name(writer, fields[index].name, ' ');
        status_put(writer, "\":%s", quote);
        if (fields[index].kind == STATUS_FIELD_TIME) {
            put_seconds(writer, &fields[index]);
        } else {
            status_put_value(writer, STATUS_ESCAPE_JSON, &fields[index]);
        }
        status_put(writer, "%s", quote);
    }
}

void status_write_json(status_writer *writer, const status_pool *pool, bool full)
{
    status_field fields[STATUS_FIELD_COUNT_MAX];
    status_put(writer, "{");
    put_json_fields(writer, fields, status_pool_fields(pool, full, fields));
    if (full) {
        status_put(writer, ", \"processes\":[");
        for (size_t index = 0; index < pool->worker_count; index++) {
            status_put(writer, index == 0 ? "{" : ",{");
            put_json_fields(writer, fields,
                status_worker_fields(pool, &pool->workers[index], fields));
            status_put(writer, "}");
        }
        status_put(writer, "]");
    }
    status_put(writer, "}");
}

/* ---- xml ---- */

static void put_xml_fields(status_writer *writer, const status_field *fields, size_t count,
    const char *line_end)
{
    for (size_t index = 0; index < count; index++) {
        status_put(writer, "<");
        put_name(writer, fields[index].name, '-');
        status_put(writer, ">");
        if (fields[index].kind == STATUS_FIELD_TIME) {
            put_seconds(writer, &fields[index]);
        } else {
            status_put_value(writer, STATUS_ESCAPE_XML, &fields[index]);
        }
        status_put(writer, "</");
        put_name(writer, fields[index].name, '-');
        status_put(writer, ">%s", line_end);
    }
}

void status_write_xml(status_writer *writer, const status_pool *pool, bool full)
{
    status_field fields[STATUS_FIELD_COUNT_MAX];
    status_put(writer, "<?xml version=\"1.0\" ?>\n<status>\n");
    put_xml_fields(writer, fields, status_pool_fields(pool, full, fields), "\n");
    if (full) {
        status_put(writer, "<processes>\n");
        for (size_t index = 0; index < pool->worker_count; index++) {
            status_put(writer, "<process>");
            put_xml_fields(writer, fields,
                status_worker_fields(pool, &pool->workers[index], fields), "");
            status_put(writer, "</process>\n");
        }
        status_put(writer, "</processes>\n");
    }
    status_put(writer, "</status>");
}

/* ---- html ---- */

void status_write_table(status_writer *writer, const status_pool *pool)
{
    status_field fields[STATUS_FIELD_COUNT_MAX];
    size_t count = status_pool_fields(pool, false, fields);
    /* php-fpm's tests look for just this head, its title included. */
    status_put(writer, "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" "
        "\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\n"
        "<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n"
        "<head><title>PHP-FPM Status Page</title></head>\n<body>\n<table>\n");
    for (size_t index = 0; index < count; index++) {
        status_put(writer, "<tr><th>%s</th><td>", fields[index].name);
        status_put_value(writer, STATUS_ESCAPE_XML, &fields[index]);
        status_put(writer, "</td></tr>\n");
    }
    status_put(writer, "</table>\n</body></html>");
}
