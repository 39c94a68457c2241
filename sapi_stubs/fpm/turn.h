/* turn.h: idle workers in the order in which they became idle. The first waits for events, each of
 * the others for its turn: so the one that has been idle longest takes the next connection. Without
 * it all wait in one epoll set, and Linux wakes the one that began to wait last.
 */
#ifndef TSRMALLOC_FPM_TURN_H
#define TSRMALLOC_FPM_TURN_H

#include <pthread.h>
#include <stdbool.h>

typedef struct fpm_turn_waiter {
    pthread_t thread;                   /* const */
    int signal;                         /* const: ends the thread's wait; blocked outside of it */
    struct fpm_turn_waiter *next;       /* lock: the turn's mutex */
    bool is_queued;                     /* lock: the same */
} fpm_turn_waiter;

typedef struct fpm_turn {
    pthread_mutex_t mutex;
    fpm_turn_waiter *first, *last;      /* lock: mutex */
} fpm_turn;

void fpm_turn_init(fpm_turn *turn);
void fpm_turn_free(fpm_turn *turn);

/* Stand in the queue, at its end unless the caller does so already. true: it is the first. false:
 * it gets its signal when it is. */
bool fpm_turn_take(fpm_turn *turn, fpm_turn_waiter *waiter);
/* Leave the queue, wherever the caller stands in it. */
void fpm_turn_leave(fpm_turn *turn, fpm_turn_waiter *waiter);

#endif
