/* status_writer: a buffer in front of the sink, and escaping.
 * Owns        nothing.
 * Thread      one for each writer.
 * Invariants  I1  what leaves status_put_escaped() is UTF-8 without control characters
 * Failure     none: a sink that fails takes the bytes and drops them.
 * Tests       tests/fpm/status.c
 */
#include "config.h"

#include "fpm/status_writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

void status_flush(status_writer *writer)
{
    if (writer->size > 0) {
        writer->sink->write(writer->sink->context, writer->buffer, writer->size);
        writer->size = 0;
    }
}

void status_put_bytes(status_writer *writer, const char *data, size_t size)
{
    while (size > 0) {
        size_t room = sizeof writer->buffer - writer->size;
        size_t piece = size < room ? size : room;
        memcpy(writer->buffer + writer->size, data, piece);
        writer->size += piece;
        data += piece;
        size -= piece;
        if (writer->size == sizeof writer->buffer) {
            status_flush(writer);
        }
    }
}

void status_put(status_writer *writer, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    status_put_bytes(writer, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

/* ---- escaping ---- */

/* Bytes of the UTF-8 sequence at `text`, 0 if there is none: RFC 3629's table. */
static size_t sequence_size(const unsigned char *text, size_t size)
{
    unsigned char first = text[0];
    size_t wanted = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 :
        first < 0xf5 ? 4 : 0;
    if (wanted == 0 || wanted > size) {
        return 0;
    }
    for (size_t index = 1; index < wanted; index++) {
        if ((text[index] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    bool outside = (first == 0xed && text[1] > 0x9f) || (first == 0xf4 && text[1] > 0x8f);
    return overlong || outside ? 0 : wanted;
}

/* How one printable ASCII character is written; NULL: as it is. */
static const char *entity(status_escape how, char character)
{
    switch (how) {
    case STATUS_ESCAPE_JSON:
    case STATUS_ESCAPE_LABEL:
        return character == '"' ? "\\\"" : character == '\\' ? "\\\\" : NULL;
    case STATUS_ESCAPE_XML:
        return character == '&' ? "&amp;" : character == '<' ? "&lt;" : character == '>' ? "&gt;" :
            character == '"' ? "&quot;" : character == '\'' ? "&#39;" : NULL;
    default:
        return NULL;
    }
}

static void put_control(status_writer *writer, status_escape how, unsigned char byte)
{
    if (how == STATUS_ESCAPE_JSON) {
        status_put(writer, "\\u%04x", byte);
    } else {
        status_put_bytes(writer, "?", 1);
    }
}

void status_put_escaped(status_writer *writer, status_escape how, status_text text)
{
    size_t step;
    for (size_t at = 0; at < text.size; at += step) {
        const char *from = text.text + at;
        unsigned char byte = (unsigned char)*from;
        size_t size = sequence_size((const unsigned char *)from, text.size - at);
        const char *written = size == 1 ? entity(how, *from) : NULL;
        step = size == 0 ? 1 : size;
        if (size == 0) {
            status_put_bytes(writer, REPLACEMENT, strlen(REPLACEMENT));
        } else if (byte < ' ' || byte == 127) {
            put_control(writer, how, byte);
        } else if (written != NULL) {
            status_put_bytes(writer, written, strlen(written));
        } else {
            status_put_bytes(writer, from, size);
        }
    }
}

void status_put_value(status_writer *writer, status_escape how, const status_field *field)
{
    char time[64];
    struct tm local;
    switch (field->kind) {
    case STATUS_FIELD_TEXT:
        status_put_escaped(writer, how, field->text);
        break;
    case STATUS_FIELD_TIME:
        localtime_r(&field->time, &local);
        time[strftime(time, sizeof time - 1, "%d/%b/%Y:%H:%M:%S %z", &local)] = '\0';
        status_put(writer, "%s", time);
        break;
    case STATUS_FIELD_DECIMAL:
        status_put(writer, "%.2f", field->decimal);
        break;
    default:
        status_put(writer, "%llu", (unsigned long long)field->number);
        break;
    }
}
