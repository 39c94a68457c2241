/* line_reader.h: the lines of a file, plain or gzip-compressed, and errors that name a line. */
#ifndef TSRMALLOC_LINE_READER_H
#define TSRMALLOC_LINE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

/* Also the longest line. */
#define LINE_READER_BUFFER_SIZE ((size_t)64 * 1024)

typedef struct line_reader {
    const char *text;           /* the current line without its newline; NULL at the end */
    size_t size;
    size_t number;              /* of the current line, from 1 */
    const char *path;
    char *error;                /* the caller's buffer; empty as long as all is well */
    size_t error_size;
    gzFile file;
    size_t start, end;          /* what of the buffer was read and not yet used */
    char buffer[LINE_READER_BUFFER_SIZE];
} line_reader;

/* Read `file`, which stays the caller's and open, or the file at `path` if `file` is -1. false: the
 * error is set, nothing is open. `path` and `error` must live as long as the reader. */
bool line_reader_open(line_reader *in, const char *path, int file, char *error, size_t error_size)
    __attribute__((warn_unused_result));
void line_reader_close(line_reader *in);

/* Make the next line current. false: the error is set, or the file ends. */
bool line_reader_next(line_reader *in) __attribute__((warn_unused_result));

/* Set the error to `PATH:LINE: found 'FOUND', expected EXPECTED`. Always false, for `return`. */
bool line_reader_fail_at(line_reader *in, size_t line, const char *found, size_t found_size,
    const char *expected, ...) __attribute__((format(printf, 5, 6)));
/* The same for the current line, all of it. */
bool line_reader_fail(line_reader *in, const char *expected);
bool line_reader_fail_memory(line_reader *in);

#endif
