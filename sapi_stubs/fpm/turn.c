/* turn: whose turn it is to wait for events.
 * Owns        the queue; the waiters belong to their threads.
 * Thread      workers.
 * Invariants  I1  who becomes the first by another's leaving is sent its signal, which is blocked
 *                 but in waits: it is never lost
 *             I2  a waiter in the queue has a living thread: it leaves before it ends
 * Failure     none.
 * Tests       tests/fpm/turn.c, tests/fpm/wake_order.sh */
#include "config.h"

#include "fpm/turn.h"

#include <signal.h>

void fpm_turn_init(fpm_turn *turn)
{
    turn->first = turn->last = NULL;
    pthread_mutex_init(&turn->mutex, NULL);
}

void fpm_turn_free(fpm_turn *turn)
{
    pthread_mutex_destroy(&turn->mutex);
}

bool fpm_turn_take(fpm_turn *turn, fpm_turn_waiter *waiter)
{
    pthread_mutex_lock(&turn->mutex);
    if (!waiter->is_queued) {
        waiter->is_queued = true;
        waiter->next = NULL;
        if (turn->first == NULL) {
            turn->first = waiter;
        } else {
            turn->last->next = waiter;
        }
        turn->last = waiter;
    }
    bool is_first = turn->first == waiter;
    pthread_mutex_unlock(&turn->mutex);
    return is_first;
}

static void unlink_waiter(fpm_turn *turn, fpm_turn_waiter *waiter)
{
    fpm_turn_waiter *before = NULL;
    for (fpm_turn_waiter *at = turn->first; at != waiter; at = at->next) {
        before = at;
    }
    if (before != NULL) {
        before->next = waiter->next;
    } else {
        turn->first = waiter->next;
        if (turn->first != NULL) {
            pthread_kill(turn->first->thread, turn->first->signal);
        }
    }
    if (turn->last == waiter) {
        turn->last = before;
    }
    waiter->is_queued = false;
}

void fpm_turn_leave(fpm_turn *turn, fpm_turn_waiter *waiter)
{
    pthread_mutex_lock(&turn->mutex);
    if (waiter->is_queued) {
        unlink_waiter(turn, waiter);
    }
    pthread_mutex_unlock(&turn->mutex);
}
