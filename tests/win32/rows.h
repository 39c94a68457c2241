/* rows: what the files of this program share. Its output is a list of rows, a line each, that is
 * the same on every system and storage: a sentence that holds, or a figure (sizes in bytes).
 */
#ifndef TSRMALLOC_TESTS_WIN32_ROWS_H
#define TSRMALLOC_TESTS_WIN32_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sapi_stubs/sapi.h"

/* The next case; it is printed with its outcome, after its figures. Main thread. */
void row_case(const char *sentence);
/* The case cannot run in this build. Main thread. */
void row_skip(const char *reason);
/* A figure or a text of the case. Main thread. */
void row_figure(const char *name, size_t value);
void row_text(const char *name, const char *text);

/* A condition of the case. Any thread. */
#define ROW_CHECK(condition) row_check((condition), #condition, __FILE__, __LINE__)
bool row_check(bool holds, const char *expression, const char *file, int line);

/* ---- rows_start.c: the process ---- */

enum { ROW_MESSAGE_SIZE = 256 };

/* What the SAPI is told in the request whose SG(server_context) is this. */
typedef struct row_log {
    char message[ROW_MESSAGE_SIZE];     /* the last message */
    int count;
} row_log;

/* Start everything up to php_module_startup(). */
void row_process_begin(void);
/* The same with rows about it, and the end. */
void rows_startup(void);
void rows_shutdown(void);
/* How often the module's globals were made and destroyed. */
int row_globals_made(void);
int row_globals_destroyed(void);

/* One request of the calling thread, whose errors go to `log`. */
void row_request_begin(row_log *log);
void row_request_end(void);

/* ---- rows_heap.c: one heap ---- */

typedef struct row_workload {
    uint64_t seed;
    size_t operation_count;
    size_t size_max;            /* of a block */
    size_t live_count;          /* out: blocks at the end, all freed again if `free_all` */
    size_t size_sum;            /* out: of all blocks that were made */
    size_t damaged_count;       /* out: blocks that had lost their contents */
    bool free_all;
} row_workload;

/* Random operations on the calling thread's heap. */
void row_work(row_workload *workload);

void rows_heap(void);
void rows_limit(void);
void rows_requests(void);

/* ---- rows_handlers.c: who sees the calls ---- */

void rows_observers(void);
void rows_custom(void);

/* ---- rows_threads.c: many heaps ---- */

void rows_threads(void);

/* ---- rows_modes.c: programs that end in their own way ---- */

/* Run the mode; its exit status. -1: there is no mode of that name. */
int row_mode(const char *name);

#endif
