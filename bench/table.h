/* table.h: rows and columns of text, for people: aligned, or as Markdown. */
#ifndef TSRMALLOC_BENCH_TABLE_H
#define TSRMALLOC_BENCH_TABLE_H

#include <stdio.h>

#define BENCH_COLUMN_MAX 16
#define BENCH_CELL_SIZE 120

typedef enum bench_style { STYLE_TEXT, STYLE_MARKDOWN } bench_style;

typedef struct bench_line {
    char cells[BENCH_COLUMN_MAX][BENCH_CELL_SIZE];
} bench_line;

/* lines[0] are the headings. */
typedef struct bench_table {
    size_t column_count, left_count;    /* the first left_count columns are text, set left */
    bench_line *lines;
    size_t line_count;
    size_t next_column;
} bench_table;

void bench_table_begin(bench_table *table, size_t left_count);
/* The next cell of the last line; cells beyond the headings are dropped. */
void bench_table_cell(bench_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bench_table_next_line(bench_table *table);
/* Print it, if `out` is not NULL, and give its memory back. */
void bench_table_end(bench_table *table, bench_style style, FILE *out);

#endif
