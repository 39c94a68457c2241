/* slowlog: one entry for a request that takes long.
 * Owns        nothing.
 * Thread      control thread, the request goes on meanwhile; frames: the worker, between two
 *             instructions of its script.
 * Invariants  I1  an entry is one write, and so are its frames, which follow it
 * Failure     what cannot be written is lost.
 * Tests       tests/fpm/slowlog.sh */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "fpm/log.h"
#include "fpm/pool_internal.h"

const char *fpm_slowlog_state_name(uint64_t state)
{
    static const char *const names[STATUS_STATE_COUNT] = {
        [STATUS_IDLE] = "idle", [STATUS_READING_HEADERS] = "reading headers",
        [STATUS_READING_BODY] = "reading the body", [STATUS_RUNNING] = "running",
        [STATUS_ENDING] = "ending", [STATUS_FINISHING] = "finishing",
        [STATUS_STARTING] = "starting", [STATUS_WRITING] = "writing",
        [STATUS_RESETTING] = "resetting the heap", [STATUS_STUCK] = "stuck",
        [STATUS_WAITING] = "waiting for memory",
    };
    return state < STATUS_STATE_COUNT && names[state] != NULL ? names[state] : "unknown";
}

/* The heap of a thread, as its owner last published it. */
static zend_mm_process_heap find_heap(uint64_t tid)
{
    enum { HEAP_COUNT_MAX = 512 };
    zend_mm_process_heap heaps[HEAP_COUNT_MAX];
    size_t count = zend_mm_process_stats(NULL, heaps, HEAP_COUNT_MAX);
    for (size_t index = 0; index < count && index < HEAP_COUNT_MAX; index++) {
        if (heaps[index].thread == tid) {
            return heaps[index];
        }
    }
    return (zend_mm_process_heap){ 0 };
}

static void write_text(const fpm_pool *pool, const char *text, int size, size_t size_max)
{
    if (size > 0 && pool->slow_file >= 0) {
        size_t length = (size_t)size < size_max ? (size_t)size : size_max - 1;
        ssize_t ignored = write(pool->slow_file, text, length);
        (void)ignored;
    }
}

void fpm_slowlog_write_frames(fpm_pool *pool, const fpm_worker *worker, const char *frames)
{
    char text[8192];
    int size = snprintf(text, sizeof(text), "pid %llu is at\n%s",
        (unsigned long long)worker->score.own.tid, frames);
    write_text(pool, text, size, sizeof(text));
}

void fpm_slowlog_write(fpm_pool *pool, const fpm_worker *worker, const fpm_score *score,
    uint64_t duration)
{
    char text[2048], when[64];
    time_t now = time(NULL);
    struct tm parts;
    localtime_r(&now, &parts);
    strftime(when, sizeof(when), "%d-%b-%Y %H:%M:%S", &parts);
    zend_mm_process_heap heap = find_heap(score->tid);
    int size = snprintf(text, sizeof(text),
        "\n[%s]  [pool %s] pid %llu worker %u\nscript_filename = %s\nrequest = %s %s%s%s\n"
        "state = %s after %llu ms\nheap = %zu bytes in blocks, %zu held, limit %zu\n",
        when, pool->conf->name, (unsigned long long)score->tid, worker->index, score->script,
        score->method, score->uri, score->query[0] != '\0' ? "?" : "", score->query,
        fpm_slowlog_state_name(score->state), (unsigned long long)(duration / 1000000), heap.size,
        heap.real_size, heap.limit);
    write_text(pool, text, size, sizeof(text));
    fpm_log(FPM_LOG_WARNING, pool->conf->name, "child %llu, script '%s' (request: \"%s %s%s%s\") "
        "executing too slow (%llu.%06llu sec), logging", (unsigned long long)score->tid,
        score->script, score->method, score->uri, score->query[0] != '\0' ? "?" : "",
        score->query, (unsigned long long)(duration / 1000000000),
        (unsigned long long)(duration / 1000 % 1000000));
}
