/* progress: one line on a terminal that says how far the workers are.
 * Owns        a thread that has no resources and no heap: it only reads the workers' counters. A
 *             build without ZTS has it too, since its one worker is busy.
 * Thread      start and stop: main thread.
 * Invariants  I1  nothing is drawn in the first second, nor when stderr is no terminal
 * Failure     no line; it is not worth an error.
 * Tests       tests/cli/progress.sh */
#include "config.h"

#include "cli.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define INTERVAL (SECOND / 10)
#define BAR_WIDTH 40

static struct {
    pthread_t thread;                   /* main thread only */
    bool started;                       /* main thread only */
    const cli_worker *workers;          /* const while the thread runs */
    unsigned int count;                 /* const while the thread runs */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping;                      /* lock: mutex */
} progress;

uint64_t cli_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void draw(void)
{
    char bar[BAR_WIDTH + 1];
    double done = 0;
    for (unsigned int index = 0; index < progress.count; index++) {
        done += (double)atomic_load_explicit(&progress.workers[index].request_count,
            memory_order_relaxed);
    }
    double all = (double)cli_job_request_count(progress.workers[0].job) * progress.count;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)(done / all * BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %3.0f %%  %.0f of %.0f requests", bar, done / all * 100, done, all);
}

static void *thread_main(void *argument)
{
    (void)argument;
    uint64_t next = cli_now() + SECOND;
    bool drawn = false;
    pthread_mutex_lock(&progress.mutex);
    while (!progress.stopping) {
        struct timespec until = { (time_t)(next / SECOND), (long)(next % SECOND) };
        pthread_cond_timedwait(&progress.changed, &progress.mutex, &until);
        if (!progress.stopping && cli_now() >= next) {
            draw();
            drawn = true;
            next = cli_now() + INTERVAL;
        }
    }
    pthread_mutex_unlock(&progress.mutex);
    if (drawn) {
        fputs("\r\033[K", stderr);
    }
    return NULL;
}

void cli_progress_start(const cli_worker *workers, unsigned int count)
{
    if (count == 0 || !isatty(STDERR_FILENO)) {
        return;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&progress.mutex, NULL);
    pthread_cond_init(&progress.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    progress.workers = workers;
    progress.count = count;
    progress.stopping = false;
    progress.started = pthread_create(&progress.thread, NULL, thread_main, NULL) == 0;
}

void cli_progress_stop(void)
{
    if (!progress.started) {
        return;
    }
    pthread_mutex_lock(&progress.mutex);
    progress.stopping = true;
    pthread_cond_signal(&progress.changed);
    pthread_mutex_unlock(&progress.mutex);
    pthread_join(progress.thread, NULL);
    pthread_cond_destroy(&progress.changed);
    pthread_mutex_destroy(&progress.mutex);
    progress.started = false;
}
