/* leaks: what a request left behind, reported in the words of Zend MM.
 * Owns        the message handler.
 * Thread      the heap's owner; any thread may set the handler.
 * Invariants  a heap's whole report is one write, so that two threads' reports never mix.
 * Failure     without memory for the report: one line that says how many blocks leaked.
 * Tests       tests/unit/leaks.c
 */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "alloc/debug.h"
#include "alloc/globals.h"
#include "alloc/os_debug.h"
#include "alloc/report.h"

#define TOTAL "=== Total %u memory leaks detected ===\n"

/* atomic: exchanged by zend_mm_set_message_handler, read once per report. */
static _Atomic(zend_mm_message_handler) message_handler;

zend_mm_message_handler zend_mm_set_message_handler(zend_mm_message_handler handler)
{
    return atomic_exchange(&message_handler, handler);
}

void zend_mm_set_script_name(const char *name)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    if (heap != NULL && heap->debug != NULL) {
        snprintf(heap->debug->script_name, sizeof heap->debug->script_name, "%s",
            name != NULL ? name : "");
    }
}

/* ---- the text ---- */

static void print_script_name(zend_mm_report *out, const char *script_name)
{
    char stamp[32] = "null";
    struct tm parts;
    if (zend_mm_os_local_time(&parts)
            && strftime(stamp, sizeof stamp, "%a %b %d %H:%M:%S %Y", &parts) > 8
            && stamp[8] == '0') {
        stamp[8] = ' ';     /* %e, which Windows does not have */
    }
    zend_mm_report_print(out, "[%s]  Script:  '%s'\n", stamp, script_name);
}

static void print_leak(zend_mm_report *out, const zend_leak_info *leak, const char *script_name)
{
    zend_mm_report_print(out, "%s(%u) :  Freeing 0x%016zx (%zu bytes), script=%s\n",
        leak->filename != NULL ? leak->filename : "Unknown", (unsigned int)leak->lineno,
        (size_t)leak->addr, leak->size, script_name);
    zend_mm_report_print_actual(out, leak->orig_filename, leak->orig_lineno);
}

static void print_backtrace(zend_mm_report *out, const zend_mm_backtrace *trace)
{
    for (unsigned int index = 0; index < trace->count; index++) {
        char line[256];
        zend_mm_os_describe_frame(trace->frames[index], line, sizeof line);
        zend_mm_report_print(out, "    #%u %s\n", index, line);
    }
}

/* ---- which leaks are one ---- */

typedef struct leak_group {
    const zend_mm_block_record *first;      /* the lowest address */
    unsigned long repeated;
} leak_group;

static int compare(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size);
}

static int compare_addresses(const void *a, const void *b)
{
    return a < b ? -1 : a > b;
}

/* By where they were allocated: as Zend MM, by the pointer to the file's name and the line; where
 * nobody said, by the backtrace. */
static int compare_origins(const zend_mm_block_record *a, const zend_mm_block_record *b)
{
    if (a->site.filename != b->site.filename) {
        return compare_addresses(a->site.filename, b->site.filename);
    }
    if (a->site.lineno != b->site.lineno) {
        return a->site.lineno < b->site.lineno ? -1 : 1;
    }
    if (a->site.filename != NULL || a->trace == NULL || b->trace == NULL) {
        return 0;
    }
    if (a->trace->count != b->trace->count) {
        return a->trace->count < b->trace->count ? -1 : 1;
    }
    return compare(a->trace->frames, b->trace->frames, a->trace->count * sizeof(void *));
}

static int by_origin(const void *left, const void *right)
{
    const leak_group *a = left, *b = right;
    int order = compare_origins(a->first, b->first);
    return order != 0 ? order : compare_addresses(a->first->block, b->first->block);
}

static int by_address(const void *left, const void *right)
{
    const leak_group *a = left, *b = right;
    return compare_addresses(a->first->block, b->first->block);
}

/* One group per origin, in the order of addresses; returns how many. */
static size_t group(const zend_mm_block_table *table, leak_group *groups)
{
    size_t count = 0, kept = 0;
    for (size_t place = 0; place < table->capacity; place++) {
        if (table->records[place].block != NULL) {
            groups[count++] = (leak_group){ &table->records[place], 0 };
        }
    }
    qsort(groups, count, sizeof groups[0], by_origin);
    for (size_t index = 0; index < count; index++) {
        if (kept > 0 && compare_origins(groups[kept - 1].first, groups[index].first) == 0) {
            groups[kept - 1].repeated++;
        } else {
            groups[kept++] = groups[index];
        }
    }
    qsort(groups, kept, sizeof groups[0], by_address);
    return kept;
}

/* ---- reporting ---- */

static zend_leak_info describe(const zend_mm_block_record *record)
{
    return (zend_leak_info){ record->block, record->size, record->site.filename,
        record->site.orig_filename, record->site.lineno, record->site.orig_lineno };
}

static void tell(zend_mm_message_handler handler, const leak_group *groups, size_t count,
    uint32_t total)
{
    for (size_t index = 0; index < count; index++) {
        zend_leak_info leak = describe(groups[index].first);
        handler(ZMSG_LOG_SCRIPT_NAME, NULL);
        handler(ZMSG_MEMORY_LEAK_DETECTED, &leak);
        if (groups[index].repeated > 0) {
            handler(ZMSG_MEMORY_LEAK_REPEATED, &groups[index].repeated);
        }
    }
    handler(ZMSG_MEMORY_LEAKS_GRAND_TOTAL, &total);
}

static void print_all(const zend_mm_debug *debug, const leak_group *groups, size_t count,
    uint32_t total)
{
    const char *script_name = debug->script_name[0] != '\0' ? debug->script_name : "-";
    zend_mm_report out = { 0 };
    for (size_t index = 0; index < count; index++) {
        zend_leak_info leak = describe(groups[index].first);
        print_script_name(&out, script_name);
        print_leak(&out, &leak, script_name);
        if (groups[index].first->trace != NULL) {
            print_backtrace(&out, groups[index].first->trace);
        }
        if (groups[index].repeated > 0) {
            zend_mm_report_print(&out, "Last leak repeated %lu time%s\n", groups[index].repeated,
                groups[index].repeated > 1 ? "s" : "");
        }
    }
    zend_mm_report_print(&out, TOTAL, (unsigned int)total);
    if (!zend_mm_report_write(&out)) {
        fprintf(stderr, TOTAL, (unsigned int)total);
    }
}

void zend_mm_leaks_report(const zend_mm_debug *debug)
{
    uint32_t total = (uint32_t)debug->blocks.count;
    if (total == 0) {
        return;
    }
    leak_group *groups = malloc(total * sizeof *groups);
    if (groups == NULL) {
        fprintf(stderr, TOTAL, (unsigned int)total);
        return;
    }
    size_t count = group(&debug->blocks, groups);
    zend_mm_message_handler handler = atomic_load(&message_handler);
    if (handler != NULL) {
        tell(handler, groups, count, total);
    } else {
        print_all(debug, groups, count, total);
    }
    free(groups);
}
