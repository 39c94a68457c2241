/* fastcgi_rows: streams of bytes, good, hostile and broken, and what the parser must say. */
#ifndef TSRMALLOC_TESTS_FPM_FASTCGI_ROWS_H
#define TSRMALLOC_TESTS_FPM_FASTCGI_ROWS_H

#include "tests/fpm/fastcgi_transcript.h"

typedef struct row_record {
    uint8_t version;
    uint8_t type;
    uint16_t id;
    uint8_t padding;            /* bytes of 0xee */
    const char *content;
    size_t size;
    size_t repeat;              /* how often this record comes; 0 = once */
} row_record;

typedef struct fastcgi_row {
    const char *sentence;
    const row_record *records;
    size_t count;
    transcript_answer answer;
    const char *expected;       /* the transcript */
} fastcgi_row;

extern const fastcgi_row fastcgi_rows[];
extern const size_t fastcgi_row_count;

/* The bytes of a row, from malloc. */
uint8_t *fastcgi_row_bytes(const fastcgi_row *row, size_t *size);

#endif
