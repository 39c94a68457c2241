/* table: cells first, widths later.
 * Owns        the lines of a table between begin and end.
 * Thread      the main thread.
 * Invariants  I1  the last line is being filled
 * Failure     no memory ends the process.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void add_line(bench_table *table)
{
    bench_line *lines = realloc(table->lines, (table->line_count + 1) * sizeof *lines);
    if (lines == NULL) {
        fprintf(stderr, "tsrmalloc-bench: no memory for a table\n");
        exit(1);
    }
    memset(&lines[table->line_count], 0, sizeof *lines);
    table->lines = lines;
    table->line_count++;
    table->next_column = 0;
}

void bench_table_begin(bench_table *table, size_t left_count)
{
    *table = (bench_table){ .left_count = left_count };
    add_line(table);
}

void bench_table_cell(bench_table *table, const char *format, ...)
{
    va_list arguments;
    bool heading = table->line_count == 1;
    size_t limit = heading ? BENCH_COLUMN_MAX : table->column_count;
    if (table->next_column >= limit) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(table->lines[table->line_count - 1].cells[table->next_column++], BENCH_CELL_SIZE,
        format, arguments);
    va_end(arguments);
    if (heading) {
        table->column_count = table->next_column;
    }
}

void bench_table_next_line(bench_table *table)
{
    add_line(table);
}

/* In characters: the dash and the multiplication sign take several bytes. */
static int text_width(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return width;
}

static int column_width(const bench_table *table, size_t column)
{
    int width = 0;
    for (size_t line = 0; line < table->line_count; line++) {
        int here = text_width(table->lines[line].cells[column]);
        width = here > width ? here : width;
    }
    return width;
}

static void print_line(const bench_table *table, size_t line, bench_style style, const int *widths,
    FILE *out)
{
    for (size_t column = 0; column < table->column_count; column++) {
        const char *cell = table->lines[line].cells[column];
        int padding = widths[column] - text_width(cell);
        bool left = column < table->left_count;
        bool last = column + 1 == table->column_count;
        fputs(style == STYLE_MARKDOWN ? "| " : column == 0 ? "" : "  ", out);
        fprintf(out, "%*s%s%*s", left ? 0 : padding, "", cell,
            left && !(last && style == STYLE_TEXT) ? padding : 0, "");
        fputs(style == STYLE_MARKDOWN ? " " : "", out);
    }
    fputs(style == STYLE_MARKDOWN ? "|\n" : "\n", out);
}

static void print_ruler(const bench_table *table, const int *widths, FILE *out)
{
    for (size_t column = 0; column < table->column_count; column++) {
        fputs(column < table->left_count ? "| " : "|-", out);
        for (int dash = 0; dash < widths[column]; dash++) {
            fputc('-', out);
        }
        fputs(column < table->left_count ? " " : ":", out);
    }
    fputs("|\n", out);
}

void bench_table_end(bench_table *table, bench_style style, FILE *out)
{
    int widths[BENCH_COLUMN_MAX];
    for (size_t column = 0; column < table->column_count; column++) {
        widths[column] = column_width(table, column);
    }
    for (size_t line = 0; out != NULL && line < table->line_count; line++) {
        print_line(table, line, style, widths, out);
        if (line == 0 && style == STYLE_MARKDOWN) {
            print_ruler(table, widths, out);
        }
    }
    free(table->lines);
    *table = (bench_table){ 0 };
}
