/* mode_request: requests of random heap calls, which end at random moments, also while a block is
 * growing.
 * Owns        nothing.
 * Thread      the worker itself.
 * Invariants  none of its own
 * Failure     stress_fail().
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include "stress/stress.h"

enum { CALLS_PER_OPERATION = 16, OPERATIONS_PER_REQUEST = 300, OPERATIONS_PER_GROWTH = 150 };

/* A block doubles until it is too large for the profile; the request may end at every step. */
static void grow(stress_worker *worker)
{
    size_t size = 16 + stress_below(&worker->random, 200);
    size_t most = worker->profile.live_max / 2;
    stress_mix_alloc(worker, size);
    while (size < most && worker->blocks.count > 0 && !stress_stops(worker)) {
        size += size / 2 + stress_below(&worker->random, size);
        stress_mix_realloc(worker, worker->blocks.count - 1, size);
        if (stress_once_in(&worker->random, 20)) {
            stress_end_request(worker);
            return;
        }
    }
    if (worker->blocks.count > 0) {
        stress_mix_free(worker, worker->blocks.count - 1);
    }
    stress_check_accounting(worker, 0);
}

static void operate(stress_worker *worker)
{
    if (stress_once_in(&worker->random, OPERATIONS_PER_REQUEST)) {
        stress_check_everything(worker);
        stress_end_request(worker);
    }
    if (stress_once_in(&worker->random, OPERATIONS_PER_GROWTH)
            && worker->blocks.size < worker->profile.live_max / 2
            && worker->blocks.count < worker->profile.count_max) {
        grow(worker);
    }
    stress_mix_steps(worker, CALLS_PER_OPERATION);
}

const stress_mode stress_mode_request = {
    .name = "request",
    .summary = "random heap calls; requests end at random moments",
    .operate = operate,
};
