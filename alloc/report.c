/* report: text that grows, and then is one write.
 * Owns        its text, until it is written.
 * Thread      the report's owner.
 * Invariants  stderr is locked by the C library while a report is written.
 * Failure     a line without memory for it is missing, and the report says so when it is written.
 * Tests       tests/unit/leaks.c, tests/unit/debug_check.c, tests/stress/debug_threads.c
 */
#include "config.h"

#include "alloc/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void zend_mm_report_print(zend_mm_report *report, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int printed = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t length = printed < 0 ? 0 : (size_t)printed < sizeof line ? (size_t)printed
                                                                     : sizeof line - 1;
    if (printed >= (int)sizeof line) {
        line[length - 1] = '\n';        /* cut short, and a line all the same */
    }
    if (report->length + length > report->capacity) {
        size_t capacity = report->capacity * 2 + sizeof line;
        char *larger = realloc(report->text, capacity);
        if (larger == NULL) {
            report->is_incomplete = true;
            return;
        }
        report->text = larger;
        report->capacity = capacity;
    }
    memcpy(report->text + report->length, line, length);
    report->length += length;
}

void zend_mm_report_print_actual(zend_mm_report *report, const char *filename, uint32_t lineno)
{
    if (filename != NULL) {
        zend_mm_report_print(report, "%s(%u) : Actual location (location was relayed)\n", filename,
            (unsigned int)lineno);
    }
}

bool zend_mm_report_write(zend_mm_report *report)
{
    bool is_complete = !report->is_incomplete;
    if (is_complete && report->length > 0) {
        (void)fwrite(report->text, 1, report->length, stderr);
    }
    free(report->text);
    *report = (zend_mm_report){ 0 };
    return is_complete;
}
