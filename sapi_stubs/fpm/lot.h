/* lot.h: the connections of one listening socket, and where they wait while no worker holds them.
 *
 * All waiting is in one epoll set, which the workers of the pool share: the listening socket, idle
 * keep-alive connections, and connections whose next request's head is not complete yet. Each event
 * goes to one worker. So ten thousand idle connections cost memory, but no worker.
 */
#ifndef TSRMALLOC_FPM_LOT_H
#define TSRMALLOC_FPM_LOT_H

#include <pthread.h>
#include <signal.h>

#include "fpm/connection.h"
#include "fpm/turn.h"

typedef struct fpm_lot {
    int set;                        /* the epoll set; const after init */
    int listen_file;                /* const until fpm_lot_stop_listening() */
    _Atomic bool is_listening;      /* atomic: relaxed; false: nothing is accepted any more */
    fpm_connection *connections;    /* const after init */
    uint32_t capacity;              /* const after init */
    pthread_mutex_t mutex;
    uint32_t first_free;            /* lock: mutex; index + 1, 0 = none */
    uint32_t used_count;            /* lock: mutex; connections ever used, from the first */
    bool is_full;                   /* lock: mutex; an accept found no free connection */
    _Atomic uint32_t open_count;    /* atomic: relaxed */
    _Atomic uint32_t parked_count;  /* atomic: relaxed */
    _Atomic uint32_t waiting_count; /* atomic: relaxed; workers in fpm_lot_wait() */
    fpm_turn turn;                  /* of workers that wait in the order in which they came */
} fpm_lot;

/* `listen_file` is listening and does not block. false: errno says why. */
bool fpm_lot_init(fpm_lot *lot, int listen_file, uint32_t capacity)
    __attribute__((warn_unused_result));
/* Closes every connection; no worker may be left. The listening socket stays open. */
void fpm_lot_free(fpm_lot *lot);

typedef enum fpm_lot_event {
    FPM_LOT_NOTHING,        /* a signal came, or somebody else was faster */
    FPM_LOT_ACCEPTED,       /* *connection is new and held by the caller */
    FPM_LOT_READABLE,       /* *connection was parked and is now held by the caller */
} fpm_lot_event;

/* Wait for the next connection to be dealt with. `mask` is the thread's signal mask meanwhile: a
 * signal that it lets through ends the wait. With a `waiter` it waits for its turn first, which it
 * has until a connection has come; without (NULL) the last one that came is served first, so a wait
 * that is ended and begun again makes its worker the next. Workers. */
fpm_lot_event fpm_lot_wait(fpm_lot *lot, fpm_turn_waiter *waiter, const sigset_t *mask,
    fpm_connection **connection);
/* A worker that had a `waiter` waits no more. */
void fpm_lot_leave(fpm_lot *lot, fpm_turn_waiter *waiter);

/* Park a held connection until it is readable; unused input is kept. At `deadline` (milliseconds of
 * the monotonic clock) it is closed. false: no memory, it was closed. */
bool fpm_lot_park(fpm_lot *lot, fpm_connection *connection, int64_t deadline);
/* Close a held connection. */
void fpm_lot_close(fpm_lot *lot, fpm_connection *connection);

/* Close parked connections whose deadline is past. Control thread. Returns how many. */
unsigned int fpm_lot_sweep(fpm_lot *lot, int64_t now);
/* Close parked connections that have been answered and ask nothing: for an end without loss.
 * Control thread. */
unsigned int fpm_lot_sweep_idle(fpm_lot *lot);
/* Note of connections that wait for a worker since when they do; those in the backlog are accepted,
 * and have until `deadline`. Control thread, while all workers are busy. */
void fpm_lot_note_waiting(fpm_lot *lot, int64_t deadline);
/* A connection waits for a worker: a new one, or one that is readable. Any thread. */
bool fpm_lot_has_waiting(const fpm_lot *lot);
/* Accept what waits now, and park it. Control thread, before it stops listening. */
void fpm_lot_accept_all(fpm_lot *lot, int64_t deadline);
/* Accept no more. Control thread. */
void fpm_lot_stop_listening(fpm_lot *lot);

#endif
