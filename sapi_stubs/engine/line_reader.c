/* line_reader: the lines of a file, plain or gzip-compressed.
 * Owns        the open file and its buffer.
 * Thread      one at a time.
 * Invariants  I1  the current line stands in the buffer until the next one is asked for
 *             I2  the first error stays: nothing is read behind it
 * Failure     false with an error that names file and line; gzip data that is cut off is one.
 * Tests       tests/unit/trace_reader.c */
#include "config.h"

#include "line_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUOTE_SIZE 48
#define GZIP_BUFFER_SIZE (128 * 1024)

/* ---- errors ---- */

/* A piece of the file, safe to print. */
static void quote(const char *text, size_t size, char out[QUOTE_SIZE])
{
    size_t used = 0;
    for (size_t index = 0; index < size; index++) {
        unsigned char byte = (unsigned char)text[index];
        bool printable = byte >= ' ' && byte < 127;
        if (used + 8 > QUOTE_SIZE) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        used += (size_t)snprintf(out + used, 5, printable ? "%c" : "\\x%02x", byte);
    }
    out[used] = '\0';
}

bool line_reader_fail_at(line_reader *in, size_t line, const char *found, size_t found_size,
    const char *expected, ...)
{
    char quoted[QUOTE_SIZE];
    char text[256];
    quote(found, found_size, quoted);
    va_list arguments;
    va_start(arguments, expected);
    vsnprintf(text, sizeof(text), expected, arguments);
    va_end(arguments);
    snprintf(in->error, in->error_size, "%s:%zu: found '%s', expected %s", in->path, line, quoted,
        text);
    return false;
}

bool line_reader_fail(line_reader *in, const char *expected)
{
    return line_reader_fail_at(in, in->number, in->text, in->size, "%s", expected);
}

bool line_reader_fail_memory(line_reader *in)
{
    snprintf(in->error, in->error_size, "%s:%zu: no memory to hold the trace", in->path,
        in->number);
    return false;
}

static bool fail_read(line_reader *in)
{
    int kind = Z_OK;
    const char *text = gzerror(in->file, &kind);
    if (kind == Z_ERRNO) {
        snprintf(in->error, in->error_size, "%s: %s", in->path, strerror(errno));
        return false;
    }
    /* zlib puts the path in front of its text; the message has it already. */
    size_t path_size = strlen(in->path);
    if (strncmp(text, in->path, path_size) == 0 && text[path_size] == ':') {
        text += path_size + 1 + strspn(text + path_size + 1, " ");
    }
    return line_reader_fail_at(in, in->number + 1, text, strlen(text), "intact gzip data");
}

/* ---- reading ---- */

static gzFile open_file(const char *path, int file)
{
    if (file == -1) {
        return gzopen(path, "rb");
    }
    int own = dup(file);
    gzFile opened = own >= 0 ? gzdopen(own, "rb") : NULL;
    if (own >= 0 && opened == NULL) {
        close(own);
    }
    return opened;
}

bool line_reader_open(line_reader *in, const char *path, int file, char *error, size_t error_size)
{
    memset(in, 0, sizeof(*in));
    in->path = path;
    in->error = error;
    in->error_size = error_size;
    error[0] = '\0';
    errno = 0;
    in->file = open_file(path, file);
    if (in->file == NULL) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno != 0 ? errno : ENOMEM));
        return false;
    }
    /* A refused size leaves zlib's own, which only is slower. */
    (void)gzbuffer(in->file, GZIP_BUFFER_SIZE);
    return true;
}

void line_reader_close(line_reader *in)
{
    gzclose_r(in->file);
    in->file = NULL;
}

/* Get more bytes behind those in use. false: error; in->end is as before at the end of the file. */
static bool refill(line_reader *in)
{
    memmove(in->buffer, in->buffer + in->start, in->end - in->start);
    in->end -= in->start;
    in->start = 0;
    if (in->end == sizeof(in->buffer)) {
        return line_reader_fail_at(in, in->number + 1, in->buffer, in->end,
            "lines of less than %zu bytes", sizeof(in->buffer));
    }
    int got = gzread(in->file, in->buffer + in->end, (unsigned int)(sizeof(in->buffer) - in->end));
    int kind = Z_OK;
    if (got >= 0) {
        (void)gzerror(in->file, &kind);
    }
    /* Data cut off in the middle shows only here, behind the last good byte. */
    if (got < 0 || (got == 0 && kind != Z_OK && kind != Z_STREAM_END)) {
        return fail_read(in);
    }
    in->end += (size_t)got;
    return true;
}

bool line_reader_next(line_reader *in)
{
    size_t searched = 0;
    in->text = NULL;
    for (;;) {
        char *begin = in->buffer + in->start;
        char *newline = memchr(begin + searched, '\n', in->end - in->start - searched);
        if (newline != NULL) {
            in->text = begin;
            in->size = (size_t)(newline - begin);
            in->start += in->size + 1;
            in->number++;
            return true;
        }
        searched = in->end - in->start;
        if (!refill(in)) {
            return false;
        }
        if (in->end == searched) {
            break;
        }
    }
    return searched == 0 ? false : line_reader_fail_at(in, in->number + 1, in->buffer, searched,
        "a newline behind the last line");
}
