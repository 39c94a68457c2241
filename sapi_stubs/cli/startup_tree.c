/* startup_tree: --startup-trace; collects the steps of all threads, prints a tree for each.
 * Owns        the list of steps.
 * Thread      the sink: any thread, while it runs a step; printing: main thread, afterwards.
 * Invariants  I1  a step's line stands in the list before those of the steps it calls
 *             I2  the sink allocates nothing: the list has its full size from the start
 * Failure     steps beyond the list are counted and said, not kept.
 * Tests       tests/cli/startup_trace.sh */
#include "config.h"

#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* A thread runs about 15 steps at its start and end, the main thread about 40. */
#define STEPS_PER_THREAD 64
#define INDENT 2
#define NAME_COLUMN 36

#define MAIN_THREAD (-1)

typedef struct step {
    int worker;                 /* index, or MAIN_THREAD */
    int depth;
    bool finished;
    uint64_t duration;          /* nanoseconds */
    char function[40];
    char decision[160];
} step;

/* All: lock: mutex; const after the workers have ended. */
static struct {
    pthread_mutex_t mutex;
    step *steps;
    size_t count, capacity, lost_count;
} tree = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* Set first thing in a worker thread. */
static _Thread_local int this_worker = MAIN_THREAD;
static _Thread_local bool serving_requests;

void cli_startup_tree_name_thread(unsigned int index)
{
    this_worker = (int)index;
}

void cli_startup_tree_serving(bool serving)
{
    serving_requests = serving;
}

static void begin_step(const tsrm_startup_event *event)
{
    if (tree.count == tree.capacity) {
        tree.lost_count++;
        return;
    }
    step *begun = &tree.steps[tree.count++];
    begun->worker = this_worker;
    begun->depth = event->depth;
    snprintf(begun->function, sizeof(begun->function), "%s", event->function);
}

/* The step that ends is this thread's last one of that depth that has not ended. */
static void end_step(const tsrm_startup_event *event)
{
    for (size_t index = tree.count; index > 0; index--) {
        step *open = &tree.steps[index - 1];
        if (open->worker == this_worker && open->depth == event->depth && !open->finished) {
            open->finished = true;
            open->duration = event->duration_ns;
            snprintf(open->decision, sizeof(open->decision), "%s", event->decision);
            return;
        }
    }
}

static void sink(const tsrm_startup_event *event, void *argument)
{
    (void)argument;
    if (serving_requests) {
        return;
    }
    pthread_mutex_lock(&tree.mutex);
    if (event->leaving) {
        end_step(event);
    } else {
        begin_step(event);
    }
    pthread_mutex_unlock(&tree.mutex);
}

bool cli_startup_tree_begin(unsigned int thread_count)
{
    tree.capacity = ((size_t)thread_count + 1) * STEPS_PER_THREAD;
    tree.steps = calloc(tree.capacity, sizeof(*tree.steps));
    if (tree.steps == NULL) {
        return false;
    }
    tsrm_set_startup_trace(sink, NULL);
    return true;
}

static void print_step(const step *shown, FILE *out)
{
    int indent = (shown->depth + 1) * INDENT;
    if (shown->finished) {
        fprintf(out, "%*s%-*s %9.1f us  %s\n", indent, "", NAME_COLUMN - indent, shown->function,
            (double)shown->duration / 1000, shown->decision);
    } else {
        fprintf(out, "%*s%-*s            (not finished)\n", indent, "", NAME_COLUMN - indent,
            shown->function);
    }
}

static void print_thread(int worker, FILE *out)
{
    if (worker == MAIN_THREAD) {
        fputs("main thread\n", out);
    } else {
        fprintf(out, "worker %d\n", worker);
    }
    for (size_t index = 0; index < tree.count; index++) {
        if (tree.steps[index].worker == worker) {
            print_step(&tree.steps[index], out);
        }
    }
}

void cli_startup_tree_print(FILE *out)
{
    int last_worker = MAIN_THREAD;
    for (size_t index = 0; index < tree.count; index++) {
        if (tree.steps[index].worker > last_worker) {
            last_worker = tree.steps[index].worker;
        }
    }
    for (int worker = MAIN_THREAD; worker <= last_worker; worker++) {
        print_thread(worker, out);
    }
    if (tree.lost_count > 0) {
        fprintf(out, "%zu more steps were not kept\n", tree.lost_count);
    }
    free(tree.steps);
    tree.steps = NULL;
    tree.count = tree.capacity = 0;
}
