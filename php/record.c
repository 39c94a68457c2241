/* record: an observer of each heap that writes what it hears as a trace.
 * Owns        one recorder per heap, in C library memory; the trace files.
 * Thread      start: before any heap. A recorder: its heap's owner, or who ends the heap.
 * Invariants  I1  an id is dense, and belongs to one live block: traces/README.md
 *             I2  a request is written when it has ended, so that a file holds whole requests only
 * Failure     no memory, or a file that cannot be written: one line, and no more of that heap.
 * Tests       tests/php/options.sh
 */
#include "config.h"

#include "php/record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc/block_table.h"
#include "php/host.h"
#include "php/record_file.h"

#define EXIT_CANNOT_CREATE 73
#define LINE_MAX_LENGTH 64      /* of an operation: a letter and two numbers of 20 digits */

typedef struct recorder {
    php_record_file *file;      /* NULL: given up */
    unsigned int number;        /* 1 for the first heap of the process */
    pid_t process;              /* whose file this is: a child gets its own */
    bool is_starting;           /* the host's start-up, which is no request, still runs */
    zend_mm_block_table live;   /* front: the id */
    uint32_t *free_ids;         /* room for every id that is in use */
    size_t free_count, free_capacity;
    size_t next_id;             /* the lowest one not yet used in this request */
    char *text;                 /* of this request */
    size_t length, capacity;
    size_t request_op_count;
    uint64_t live_size, request_peak;
    /* for the header */
    size_t id_count, op_count, request_count;
    uint64_t peak_size;
} recorder;

static char *record_path;               /* const after php_record_start(); NULL: off */
static atomic_uint recorder_count;      /* atomic: relaxed counter */

/* ---- names ---- */

/* NAME.SUFFIX becomes NAME.PROCESS.NUMBER.SUFFIX, without what says nothing. */
static char *path_of(const recorder *rec, bool is_child)
{
    static const char *const suffixes[] = { ".zmt.gz", ".zmt", ".gz", "" };
    size_t length = strlen(record_path), which = 0;
    while (length < strlen(suffixes[which])
            || strcmp(record_path + length - strlen(suffixes[which]), suffixes[which]) != 0) {
        which++;
    }
    char process[24] = "", number[24] = "";
    if (is_child) {
        snprintf(process, sizeof process, ".%ld", (long)getpid());
    }
    if (rec->number > 1) {
        snprintf(number, sizeof number, ".%u", rec->number);
    }
    size_t size = length + sizeof process + sizeof number;
    char *path = malloc(size);
    if (path != NULL) {
        snprintf(path, size, "%.*s%s%s%s", (int)(length - strlen(suffixes[which])), record_path,
            process, number, suffixes[which]);
    }
    return path;
}

/* ---- giving up ---- */

static void give_up(recorder *rec, const char *why)
{
    fprintf(stderr, "tsrmalloc: TSRMALLOC_RECORD=%s: %s; heap %u is recorded no more\n",
        record_path, why, rec->number);
    if (rec->file != NULL) {
        php_record_file_forget(rec->file);
        rec->file = NULL;
    }
}

static void open_file(recorder *rec, bool is_child)
{
    char *path = path_of(rec, is_child);
    rec->process = getpid();
    rec->file = path != NULL ? php_record_file_open(path) : NULL;
    if (rec->file == NULL) {
        give_up(rec, strerror(errno));
    }
    free(path);
}

/* Is this recorder to go on? A child that was forked meanwhile begins a file of its own, with the
 * request that it was forked in. */
static bool goes_on(recorder *rec)
{
    if (rec->file != NULL && rec->process != getpid()) {
        php_record_file_forget(rec->file);
        rec->id_count = rec->op_count = rec->request_count = 0;
        rec->peak_size = 0;
        open_file(rec, true);
    }
    return rec->file != NULL;
}

/* ---- lines ---- */

static bool has_room(recorder *rec)
{
    if (rec->capacity - rec->length >= LINE_MAX_LENGTH) {
        return true;
    }
    size_t capacity = rec->capacity != 0 ? rec->capacity * 2 : 65536;
    char *text = realloc(rec->text, capacity);
    if (text == NULL) {
        give_up(rec, "out of memory");
        return false;
    }
    rec->text = text;
    rec->capacity = capacity;
    return true;
}

static void add_line(recorder *rec, const char *format, ...) TSRM_PRINTF(2, 3);

static void add_line(recorder *rec, const char *format, ...)
{
    if (has_room(rec)) {
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(rec->text + rec->length, LINE_MAX_LENGTH, format, arguments);
        va_end(arguments);
        rec->length += (size_t)length;
        rec->request_op_count++;
    }
}

/* ---- ids ---- */

static size_t take_id(recorder *rec)
{
    return rec->free_count > 0 ? rec->free_ids[--rec->free_count] : rec->next_id++;
}

/* Every id that exists may be free at once. */
static bool has_room_for_ids(recorder *rec)
{
    if (rec->next_id < rec->free_capacity) {
        return true;
    }
    size_t capacity = rec->free_capacity != 0 ? rec->free_capacity * 2 : 1024;
    uint32_t *ids = realloc(rec->free_ids, capacity * sizeof *ids);
    if (ids == NULL) {
        give_up(rec, "out of memory");
        return false;
    }
    rec->free_ids = ids;
    rec->free_capacity = capacity;
    return true;
}

static void resized(recorder *rec, size_t old_size, size_t size)
{
    rec->live_size += size - old_size;
    if (rec->live_size > rec->request_peak) {
        rec->request_peak = rec->live_size;
    }
}

/* ---- what is heard ---- */

static void on_malloc(void *data, void *block, size_t size)
{
    recorder *rec = data;
    if (!goes_on(rec) || !has_room_for_ids(rec)) {
        return;
    }
    zend_mm_block_record *record = zend_mm_block_table_insert(&rec->live, block);
    if (record == NULL) {
        give_up(rec, "out of memory");
        return;
    }
    record->front = take_id(rec);
    record->size = size;
    resized(rec, 0, size);
    add_line(rec, "a %zu %zu\n", record->front, size);
}

static void on_free(void *data, void *block, size_t size)
{
    recorder *rec = data;
    (void)size;
    zend_mm_block_record *record =
        goes_on(rec) ? zend_mm_block_table_find(&rec->live, block) : NULL;
    if (record != NULL) {
        add_line(rec, "f %zu\n", record->front);
        rec->free_ids[rec->free_count++] = (uint32_t)record->front;
        resized(rec, record->size, 0);
        zend_mm_block_table_remove(&rec->live, record);
    }
}

static void on_realloc(void *data, void *old_block, size_t old_size, void *block, size_t size)
{
    recorder *rec = data;
    (void)old_size;
    zend_mm_block_record *record = !goes_on(rec) || old_block == NULL
        ? NULL : zend_mm_block_table_find(&rec->live, old_block);
    if (record == NULL) {
        on_malloc(data, block, size);
        return;
    }
    size_t id = record->front;
    resized(rec, record->size, size);
    /* The place of the old record is room for the new one. */
    zend_mm_block_table_remove(&rec->live, record);
    record = zend_mm_block_table_insert(&rec->live, block);
    record->front = id;
    record->size = size;
    add_line(rec, "r %zu %zu\n", id, size);
}

static void end_request(recorder *rec)
{
    if (!rec->is_starting) {
        add_line(rec, "q\n");
        rec->request_count++;
        rec->op_count += rec->request_op_count;
        rec->id_count = rec->next_id > rec->id_count ? rec->next_id : rec->id_count;
        rec->peak_size = rec->request_peak > rec->peak_size ? rec->request_peak : rec->peak_size;
        if (rec->file != NULL && !php_record_file_write(rec->file, rec->text, rec->length)) {
            give_up(rec, strerror(errno));
        }
    }
    rec->is_starting = false;
    zend_mm_block_table_clear(&rec->live);
    rec->free_count = rec->next_id = rec->length = rec->request_op_count = 0;
    rec->live_size = rec->request_peak = 0;
}

/* What came after the last request's end belongs to no request. */
static void end_file(recorder *rec)
{
    if (rec->request_count == 0) {
        php_record_file_discard(rec->file);
        return;
    }
    char header[320];
    int length = snprintf(header, sizeof header,
        "#zmtrace 1\n# source: PHP %s, process %ld, heap %u\n# ids: %zu\n"
        "# ops: %zu\n# requests: %zu\n# peak-bytes: %llu\n", php_host.version,
        (long)getpid(), rec->number, rec->id_count, rec->op_count, rec->request_count,
        (unsigned long long)rec->peak_size);
    if (!php_record_file_close(rec->file, header, (size_t)length)) {
        rec->file = NULL;
        give_up(rec, strerror(errno));
    }
}

static void on_reset(void *data, bool full)
{
    recorder *rec = data;
    bool is_recording = goes_on(rec);
    if (!full) {
        if (is_recording) {
            end_request(rec);
        }
        return;
    }
    if (is_recording) {
        end_file(rec);
    }
    zend_mm_block_table_clear(&rec->live);
    free(rec->free_ids);
    free(rec->text);
    free(rec);
}

/* ---- start ---- */

void php_record_start(const char *path)
{
    if (!php_record_file_is_possible(path)) {
        fprintf(stderr, "tsrmalloc: TSRMALLOC_RECORD=%s: libz.so.1 is not there to compress it\n",
            path);
        exit(EXIT_CANNOT_CREATE);
    }
    record_path = strdup(path);
}

void php_record_heap_begins(zend_mm_heap *heap)
{
    static const zend_mm_observer_handlers handlers = { .on_malloc = on_malloc,
        .on_realloc = on_realloc, .on_free = on_free, .on_reset = on_reset };
    recorder *rec = record_path != NULL ? calloc(1, sizeof *rec) : NULL;
    if (rec == NULL) {
        return;
    }
    rec->number = atomic_fetch_add_explicit(&recorder_count, 1, memory_order_relaxed) + 1;
    rec->is_starting = rec->number == 1;
    open_file(rec, false);
    if (zend_mm_observer_register(heap, &handlers, rec) == NULL) {
        give_up(rec, "out of memory");
        free(rec);
    }
}
