/* report: text that grows, and then is one write: the reports of two threads never mix. */
#ifndef TSRMALLOC_REPORT_H
#define TSRMALLOC_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsrm/tsrm.h"

/* Owner only. Zeroed: empty. */
typedef struct zend_mm_report {
    char *text;                 /* C library memory */
    size_t length, capacity;    /* bytes */
    bool is_incomplete;         /* there was no memory for a line */
} zend_mm_report;

/* Append as printf does, at most 1023 bytes at a time. */
void zend_mm_report_print(zend_mm_report *report, const char *format, ...) TSRM_PRINTF(2, 3);
/* Append the line that names the actual place of a relayed call; nothing for filename NULL. */
void zend_mm_report_print_actual(zend_mm_report *report, const char *filename, uint32_t lineno);
/* Write all of it to stderr, and empty it. false: it is incomplete, nothing was written. */
bool zend_mm_report_write(zend_mm_report *report);

#endif
