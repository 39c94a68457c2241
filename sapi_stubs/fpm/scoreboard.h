/* scoreboard.h: what each worker is doing, readable by any thread while it runs.
 *
 * One record per worker, which only that worker writes: a sequence lock around plain words. Readers
 * copy and try again when the worker wrote meanwhile; they never stop it. How many are idle or
 * active is counted from the records each time, so it cannot drift.
 */
#ifndef TSRMALLOC_FPM_SCOREBOARD_H
#define TSRMALLOC_FPM_SCOREBOARD_H

#include <ck_sequence.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "fpm/status.h"

enum {
    SCORE_METHOD_SIZE = 16, SCORE_URI_SIZE = 128, SCORE_QUERY_SIZE = 512,
    SCORE_SCRIPT_SIZE = 256, SCORE_USER_SIZE = 32,
};

/* Texts are cut to their room and end with a NUL. Times: nanoseconds of CLOCK_MONOTONIC. */
typedef struct fpm_score {
    uint64_t state;                 /* status_state */
    uint64_t tid;
    uint64_t start_time;            /* of the thread, seconds since 1970 */
    uint64_t request_count;
    uint64_t request_begin;         /* of the current request or the last */
    uint64_t request_duration;      /* of the last, nanoseconds */
    uint64_t idle_since;            /* when it last became idle */
    uint64_t content_length;
    uint64_t last_memory;           /* bytes: peak of real size of the last request */
    uint64_t last_cpu;              /* nanoseconds of CPU in the last request */
    /* Bytes, at the last request's end. */
    uint64_t heap_size, heap_real_size, heap_cached, heap_limit;
    uint64_t reset_duration;        /* nanoseconds */
    char method[SCORE_METHOD_SIZE];
    char uri[SCORE_URI_SIZE];       /* without query */
    char query[SCORE_QUERY_SIZE];
    char script[SCORE_SCRIPT_SIZE];
    char user[SCORE_USER_SIZE];
    char full_uri[SCORE_URI_SIZE + SCORE_QUERY_SIZE];   /* the reader's: uri?query */
} fpm_score;

/* What is copied from the owner to readers. */
enum { SCORE_WORD_COUNT = offsetof(fpm_score, full_uri) / sizeof(uint64_t) };

/* The state of a slot whose worker does not exist. */
#define FPM_SCORE_NO_WORKER STATUS_STATE_COUNT

typedef struct fpm_score_slot {
    ck_sequence_t sequence;                         /* one writer: the worker */
    _Atomic uint64_t words[SCORE_WORD_COUNT];       /* atomic: relaxed, ordered by `sequence` */
    fpm_score own;                                  /* owner only: what `words` will be */
} fpm_score_slot;

/* Owner: change slot->own, then publish it. */
void fpm_score_publish(fpm_score_slot *slot);
/* Owner: the same for the state alone, which is one word. */
void fpm_score_state(fpm_score_slot *slot, status_state state);
/* Any thread. */
void fpm_score_read(const fpm_score_slot *slot, fpm_score *score);
/* Any thread: the state alone. */
status_state fpm_score_read_state(const fpm_score_slot *slot);

/* Owner: a request began / its head was read / it is over; publishes. Texts may be NULL. */
void fpm_score_begin(fpm_score_slot *slot, uint64_t now);
void fpm_score_head(fpm_score_slot *slot, const char *method, const char *uri, const char *query,
    const char *script, const char *user, uint64_t content_length);

#endif
