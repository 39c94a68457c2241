/* engine.h: what runs inside a request. A SAPI stub knows engines through this table alone.
 *
 *   program     what load() made of a file: read-only, shared by all workers
 *   runner      a worker's own state for one program: made, used and freed in that worker
 *
 * Life: load (main thread) -> for each worker { runner_new -> for each request of the program, in
 * order { run, then end_request } -> runner_free } -> unload (main thread, after the workers).
 */
#ifndef TSRMALLOC_ENGINE_H
#define TSRMALLOC_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tsrm.h"

typedef enum engine_check {
    ENGINE_CHECK_NOTHING,       /* touch every block */
    ENGINE_CHECK_CONTENT,       /* fill every block and compare it whenever it is seen again */
} engine_check;

typedef struct sapi_engine {
    const char *name;

    /* Read and check a file completely. NULL: `error` (a buffer of `error_size` bytes) says file,
     * line, what was found and what was expected. */
    void *(*load)(const char *path, char *error, size_t error_size);
    void (*unload)(void *program);

    /* One line about the program, for people. */
    void (*describe)(const void *program, FILE *out);
    size_t (*request_count)(const void *program);

    /* NULL: no memory. The runner's memory is not from the request heap: it outlives requests. */
    void *(*runner_new)(const void *program, engine_check check);
    void (*runner_free)(void *runner);

    /* Run request `request_index` on the calling thread's heap; may leave by zend_bailout().
     * false: a block's content had changed, `runner_error` has the text. */
    bool (*run)(void *runner, size_t request_index);
    /* After every run, also one that bailed out: give back what the heap's reset will not. */
    void (*end_request)(void *runner);

    /* Operations of the last run that were done, the end of the request included. */
    uint64_t (*operation_count)(const void *runner);
    const char *(*runner_error)(const void *runner);
} sapi_engine;

/* Replays allocation traces (traces/README.md has the format). */
extern const sapi_engine trace_engine;

#endif
