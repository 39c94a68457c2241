/* scoreboard: a worker's record, written by it, read by anyone.
 * Owns        nothing; a slot lies in its worker.
 * Thread      writers: the worker. fpm_score_read, fpm_score_read_state: any.
 * Invariants  I1  `words` equal `own` as it was at one moment, whenever the sequence is even
 * Failure     none.
 * Tests       tests/fpm/scoreboard.c */
#include "config.h"

#include "fpm/scoreboard.h"

#include <string.h>

/* What __tsan_* cannot see, the words themselves show: they are atomic. */
void fpm_score_publish(fpm_score_slot *slot)
{
    uint64_t words[SCORE_WORD_COUNT];
    memcpy(words, &slot->own, sizeof(words));
    ck_sequence_write_begin(&slot->sequence);
    for (size_t index = 0; index < SCORE_WORD_COUNT; index++) {
        atomic_store_explicit(&slot->words[index], words[index], memory_order_relaxed);
    }
    ck_sequence_write_end(&slot->sequence);
}

enum { STATE_WORD = offsetof(fpm_score, state) / sizeof(uint64_t) };

void fpm_score_state(fpm_score_slot *slot, status_state state)
{
    slot->own.state = state;
    atomic_store_explicit(&slot->words[STATE_WORD], (uint64_t)state, memory_order_relaxed);
}

status_state fpm_score_read_state(const fpm_score_slot *slot)
{
    return (status_state)atomic_load_explicit(&slot->words[STATE_WORD], memory_order_relaxed);
}

void fpm_score_read(const fpm_score_slot *slot, fpm_score *score)
{
    uint64_t words[SCORE_WORD_COUNT];
    unsigned int version;
    do {
        version = ck_sequence_read_begin(&slot->sequence);
        for (size_t index = 0; index < SCORE_WORD_COUNT; index++) {
            words[index] = atomic_load_explicit(&slot->words[index], memory_order_relaxed);
        }
    } while (ck_sequence_read_retry(&slot->sequence, version));
    memcpy(score, words, sizeof(words));
}

/* ---- a request ---- */

static void copy_text(char *to, size_t room, const char *text)
{
    size_t size = text != NULL ? strnlen(text, room - 1) : 0;
    if (size > 0) {
        memcpy(to, text, size);
    }
    to[size] = '\0';
}

void fpm_score_begin(fpm_score_slot *slot, uint64_t now)
{
    fpm_score *own = &slot->own;
    own->state = STATUS_READING_HEADERS;
    own->request_begin = now;
    own->content_length = 0;
    own->method[0] = own->uri[0] = own->query[0] = own->script[0] = own->user[0] = '\0';
    fpm_score_publish(slot);
}

void fpm_score_head(fpm_score_slot *slot, const char *method, const char *uri, const char *query,
    const char *script, const char *user, uint64_t content_length)
{
    fpm_score *own = &slot->own;
    own->state = STATUS_READING_BODY;
    own->content_length = content_length;
    copy_text(own->method, sizeof(own->method), method);
    copy_text(own->uri, sizeof(own->uri), uri);
    copy_text(own->query, sizeof(own->query), query);
    copy_text(own->script, sizeof(own->script), script);
    copy_text(own->user, sizeof(own->user), user);
    fpm_score_publish(slot);
}
