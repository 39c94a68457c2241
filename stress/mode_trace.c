/* mode_trace: requests of real programs, the threads out of phase; every block is filled and
 * compared.
 * Owns        the traces, read before the workers begin; a runner per worker.
 * Thread      begin, end: main thread; the rest: the worker itself.
 * Invariants  none of its own
 * Failure     begin: false, said on stderr; later stress_fail().
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "stress/stress.h"

enum { ERROR_SIZE = 1024, MOST_CALLS_BEFORE = 20000 };

typedef struct programs {
    void *list[STRESS_TRACES_MAX];
    size_t count;
} programs;

/* One worker's place in its trace. */
typedef struct player {
    const void *program;
    void *runner;
    size_t next_request;
    size_t request_count;
} player;

void stress_traces_find(stress_options *options)
{
    static glob_t found;        /* the paths in it live as long as the process */
    if (glob(TSRMALLOC_TRACE_DIR "/*.zmt.gz", 0, NULL, &found) != 0) {
        return;
    }
    for (size_t index = 0; index < found.gl_pathc && index < STRESS_TRACES_MAX; index++) {
        options->traces[options->trace_count++] = found.gl_pathv[index];
    }
}

static void end(stress_run *run)
{
    programs *loaded = run->state;
    for (size_t index = 0; index < loaded->count; index++) {
        trace_engine.unload(loaded->list[index]);
    }
    free(loaded);
}

static bool begin(stress_run *run)
{
    char error[ERROR_SIZE];
    programs *loaded = calloc(1, sizeof *loaded);
    if (loaded == NULL) {
        return false;
    }
    run->state = loaded;
    for (size_t index = 0; index < run->options->trace_count; index++) {
        const engine_script script = { .path = run->options->traces[index], .file = -1 };
        void *program = trace_engine.load(&script, error, sizeof error);
        if (program == NULL) {
            fprintf(stderr, "tsrmalloc-stress: %s\n", error);
            end(run);
            return false;
        }
        loaded->list[loaded->count++] = program;
    }
    return true;
}

static bool enter(stress_worker *worker)
{
    const programs *loaded = worker->run->state;
    player *own = malloc(sizeof *own);
    if (!stress_expect(worker, own != NULL, "no memory for a runner")) {
        return false;
    }
    own->program = loaded->list[worker->index % loaded->count];
    own->runner = trace_engine.runner_new(own->program, ENGINE_CHECK_CONTENT);
    own->request_count = trace_engine.request_count(own->program);
    own->next_request = stress_below(&worker->random, own->request_count);
    worker->state = own;
    if (!stress_expect(worker, own->runner != NULL, "no memory for a runner")) {
        free(own);
        return false;
    }
    return true;
}

static void leave(stress_worker *worker)
{
    player *own = worker->state;
    trace_engine.runner_free(own->runner);
    free(own);
}

static void play(stress_worker *worker)
{
    player *own = worker->state;
    if (trace_engine.run(own->runner, own->next_request, NULL) != ENGINE_DONE) {
        stress_fail(worker, "%s", trace_engine.runner_error(own->runner));
    }
}

static void operate(stress_worker *worker)
{
    player *own = worker->state;
    /* Calls before the request keep threads with the same trace apart. */
    stress_mix_steps(worker, stress_below(&worker->random, MOST_CALLS_BEFORE));
    stress_check_everything(worker);
    stress_end_request(worker);
    if (stress_stops(worker)) {
        return;
    }
    if (stress_protected(worker, play)) {
        worker->counters.refusal_count++;
        if (!worker->may_fail) {
            stress_fail(worker, "%s", worker->error.message);
        }
    }
    worker->counters.allocation_count += trace_engine.operation_count(own->runner);
    (void)trace_engine.end_request(own->runner);
    stress_end_request(worker);
    own->next_request = (own->next_request + 1) % own->request_count;
}

const stress_mode stress_mode_trace = {
    .name = "trace",
    .summary = "requests of real programs, threads out of phase, every block compared",
    .need = STRESS_NEEDS_TRACES,
    .begin = begin,
    .end = end,
    .enter = enter,
    .leave = leave,
    .operate = operate,
};
