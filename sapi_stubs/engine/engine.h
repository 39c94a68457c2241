/* engine.h: what runs inside a request, and what it sees of the request. A SAPI stub knows engines
 * through sapi_engine alone; an engine knows the SAPI through engine_request alone, so that a
 * script does the same in tsrmalloc-cli and in a server.
 *
 *   program     what load() made of a script: read-only, shared by all workers
 *   runner      a worker's own state for one program: made, used and freed in that worker
 *   request     one run: the SAPI fills it in, the engine reads and answers it
 *
 * Life: load (main thread) -> for each worker { runner_new -> for each request of the program, in
 * order { run, then end_request } -> runner_free } -> unload (main thread, after the workers).
 */
#ifndef TSRMALLOC_ENGINE_H
#define TSRMALLOC_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tsrm.h"

/* ---- the request ---------------------------------------------------------------------------- */

/* Counted bytes; a script's may have zero bytes in them. */
typedef struct engine_text {
    const char *data;
    size_t size;
} engine_text;

typedef struct engine_script {
    const char *path;           /* names the script in messages */
    int file;                   /* open for reading at its start; -1: there is only the text */
    engine_text text;           /* if `file` is -1 */
} engine_script;

typedef enum engine_header_mode {
    ENGINE_HEADER_REPLACE,      /* instead of those of the same name */
    ENGINE_HEADER_ADD,
} engine_header_mode;

/* How an engine sees its request. Called in the thread that runs it, with the context. None of them
 * may call zend_bailout(), and so none may allocate but through the recoverable calls: frames of a
 * foreign interpreter lie between them and the nearest zend_try. Any may be NULL but write. */
typedef struct engine_request_functions {
    /* The value of a parameter (SCRIPT_NAME, HTTP_HOST, ...). false: there is none. */
    bool (*param)(void *context, engine_text name, engine_text *value);
    /* Parameter `index`, from 0. false: there are no more. */
    bool (*param_at)(void *context, size_t index, engine_text *name, engine_text *value);
    /* Read up to `size` bytes of the body, waiting for the first; 0: its end. */
    size_t (*read_body)(void *context, char *buffer, size_t size);
    /* Answer with this status, 100 to 599. NULL, or why not (static text). */
    const char *(*set_status)(void *context, unsigned int status);
    /* NULL, or why not (static text): too late, a line break in it, no room. */
    const char *(*set_header)(void *context, engine_text name, engine_text value,
        engine_header_mode mode);
    /* Send bytes of the answer's body. false: the client is gone. */
    bool (*write)(void *context, const char *data, size_t size);
    /* write() holds back what it gets, so the engine may do so, too: to a few KiB, flush() or the
     * end of the run. Else each piece is on its way when the script goes on. */
    bool holds_output;
    /* Push out what is buffered. false: the client is gone. */
    bool (*flush)(void *context);
    /* A line for the log; `priority` as in sapi.h. */
    void (*log)(void *context, int priority, const char *message);
    /* Where the run is, as engine_inspect() asked: a line for each frame, the innermost first. */
    void (*inspected)(void *context, const char *frames);
} engine_request_functions;

/* Why a run was told to stop. */
typedef enum engine_stop {
    ENGINE_GO_ON,
    ENGINE_STOP_TIMEOUT,
    ENGINE_STOP_SHUTDOWN,
    ENGINE_STOP_CLIENT_GONE,
} engine_stop;

/* Lives as long as somebody may call engine_interrupt() on it: with its worker, not in a heap. */
typedef struct engine_request {
    const engine_request_functions *functions;  /* const after init */
    void *context;                              /* const after init */
    engine_script script;       /* owner only; no path: the program has its own */
    char *const *arguments;     /* owner only; of the command line, the script not among them */
    size_t argument_count;
    _Atomic unsigned int inspect_depth; /* atomic: as stop; frames that are asked for, 0: none */
    _Atomic engine_stop stop;   /* atomic: anyone stores (release), the engine loads (acquire) */
} engine_request;

/* The engine that runs `request` shall end the run: see engine_interrupt(). */
static inline engine_stop engine_request_stop(engine_request *request)
{
    return atomic_load_explicit(&request->stop, memory_order_acquire);
}

/* ---- interrupts (interrupt.c) ---------------------------------------------------------------- */

/* Install the handler of the signal that interrupts use (SIGRTMIN + 3). Once, main thread, before
 * the first run; workers must not block that signal. false: errno says why. */
bool engine_interrupt_setup(void) __attribute__((warn_unused_result));

/* Tell the run of `request` in `thread` to end, as soon as it can: run() then gives ENGINE_STOPPED.
 * A system call that blocks in the thread ends with EINTR. The first reason stays. Any thread,
 * while `thread` has not been joined; harmless when the run has ended. Whoever begins a request
 * sets request->stop back to ENGINE_GO_ON, and knows that no interrupt meant for the one before is
 * still on its way. */
void engine_interrupt(engine_request *request, pthread_t thread, engine_stop reason);

/* Ask the run of `request` in `thread` to say where it is, with up to `depth` frames: it calls
 * functions->inspected at its next safe point and goes on. Threads as for engine_interrupt(). */
void engine_inspect(engine_request *request, pthread_t thread, unsigned int depth);

/* For engines: `arm(data)` is called in this thread, from a signal handler, when an interrupt
 * comes. NULL: no run. */
void engine_interrupt_watch(void (*arm)(void *data), void *data);

/* ---- engines --------------------------------------------------------------------------------- */

typedef enum engine_result {
    ENGINE_DONE,                /* exit_status() has what the script said */
    ENGINE_FAILED,              /* the script raised an error */
    ENGINE_NO_FILE,             /* the script cannot be read */
    ENGINE_STOPPED,             /* engine_interrupt(); request->stop says why */
    ENGINE_NO_MEMORY,           /* at the limit, or the system has none */
    ENGINE_CORRUPT,             /* a block's content had changed: trust nothing in this heap */
} engine_result;

/* How a runner works; flags. */
enum {
    ENGINE_CHECK_NOTHING = 0,
    ENGINE_CHECK_CONTENT = 1,   /* fill every block and compare it whenever it is seen again */
    /* The heap is not reset behind each run. A trace frees what its request left; a script is
     * loaded once, and each run calls the function that it gave. */
    ENGINE_KEEP_HEAP = 2,
};

typedef struct sapi_engine {
    const char *name;

    /* Make a program of a script. Traces are read and checked completely; a Lua script is only seen
     * to be readable, since each request reads it into its own heap. A script without a path and
     * text: requests bring their own (not for traces). NULL: `error` (a buffer of `error_size`
     * bytes) says file, line, what was found and what was expected. Closes nothing. */
    void *(*load)(const engine_script *script, char *error, size_t error_size);
    void (*unload)(void *program);

    /* One line about the program, for people. */
    void (*describe)(const void *program, FILE *out);
    /* Requests that make up the program: a trace may have several. */
    size_t (*request_count)(const void *program);

    /* `flags`: ENGINE_CHECK_CONTENT, ENGINE_KEEP_HEAP. NULL: no memory. The runner's memory is not
     * from the request heap: it outlives requests. */
    void *(*runner_new)(const void *program, unsigned int flags);
    void (*runner_free)(void *runner);

    /* The request heap is as its reset has left it, and nothing was allocated yet: the engine may
     * take what must lie at the same place in every request. NULL: needs nothing. Whoever does not
     * call it may still call run(). */
    void (*begin_request)(void *runner);
    /* Run request `request_index` on the calling thread's heap; may leave by zend_bailout(), which
     * counts as ENGINE_NO_MEMORY. `request` may be NULL for traces that nobody interrupts. */
    engine_result (*run)(void *runner, size_t request_index, engine_request *request);
    /* After every run, also one that bailed out: give back what the heap's reset will not. Returns
     * true if the heap must not be reset, since the runner has memory there for its next run (only
     * with ENGINE_KEEP_HEAP, and not behind ENGINE_NO_MEMORY). */
    bool (*end_request)(void *runner);

    /* Operations of the last run that were done: of a trace, the end of the request included; calls
     * of the allocator that gave or moved a block, for a script. */
    uint64_t (*operation_count)(const void *runner);
    /* What a result other than ENGINE_DONE is about, until the next run. */
    const char *(*runner_error)(const void *runner);
    /* The status a script ended with, 0 to 255; 0 for traces. */
    int (*exit_status)(const void *runner);
} sapi_engine;

/* Replays allocation traces (traces/README.md has the format). */
extern const sapi_engine trace_engine;

/* There if config.h's TSRMALLOC_LUA is 1. Runs Lua 5.4 scripts (docs/lua.md has what they find).
 * Every allocation of the interpreter is from the calling thread's request heap. */
extern const sapi_engine lua_engine;

#endif
