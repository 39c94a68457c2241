/* mode_huge: huge blocks that come, grow, shrink and go.
 * Owns        nothing.
 * Thread      the worker itself.
 * Invariants  none of its own
 * Failure     stress_fail().
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include "stress/stress.h"

enum { BLOCK_COUNT = 12, OPERATIONS_PER_REQUEST = 500, SMALL_CALLS = 4 };

static bool enter(stress_worker *worker)
{
    const size_t mib = 1024 * 1024;
    size_t share = 1024 * mib / worker->run->thread_count;
    worker->profile.count_max = BLOCK_COUNT;
    worker->profile.live_max = share < 24 * mib ? 24 * mib : share > 192 * mib ? 192 * mib : share;
    worker->profile.size_max = 16 * mib;
    worker->profile.huge_share = 9000;
    return true;
}

/* Small calls on a few blocks of their own between the huge ones. */
static void small_calls(stress_worker *worker)
{
    for (int call = 0; call < SMALL_CALLS; call++) {
        size_t index = worker->blocks.count;
        stress_mix_alloc(worker, stress_below(&worker->random, 5000));
        if (worker->blocks.count > index) {
            stress_mix_free(worker, index);
        }
    }
}

static void operate(stress_worker *worker)
{
    if (stress_once_in(&worker->random, OPERATIONS_PER_REQUEST)) {
        stress_check_everything(worker);
        stress_end_request(worker);
    }
    stress_mix_steps(worker, 1);
    small_calls(worker);
    stress_check_accounting(worker, 0);
}

const stress_mode stress_mode_huge = {
    .name = "huge",
    .summary = "blocks of 2 to 16 MiB that come, grow, shrink and go",
    .enter = enter,
    .operate = operate,
};
