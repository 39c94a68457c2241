/* Which requests may run together: the account of a memory budget, alone and with threads. */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "fpm/budget.h"
#include "tests/support/check.h"

enum { WORKERS = 8, TURNS = 2000, SIZE = 100, NEED = 30 };

static fpm_budget budget;
static _Atomic unsigned int running, most_running;

static bool never(void *context)
{
    (void)context;
    return false;
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static bool enter(fpm_budget_part *part, const char *script)
{
    return fpm_budget_enter(&budget, part, script, 1000, never, NULL);
}

static void rules(void)
{
    fpm_budget_part one, two, three, four;
    CHECK_CASE("a script of which nothing is known may need all of it, and begins alone");
    CHECK(enter(&one, "/a") && one.size == SIZE);
    CHECK(!enter(&two, "/a") && two.size == 0);
    CHECK(fpm_budget_used(&budget) == SIZE);
    fpm_budget_leave(&budget, &one, NEED);
    CHECK(fpm_budget_used(&budget) == 0);

    CHECK_CASE("then as many begin as are expected to fit");
    CHECK(enter(&one, "/a") && enter(&two, "/a") && enter(&three, "/a") && !enter(&four, "/a"));
    CHECK(fpm_budget_used(&budget) == 3 * NEED);

    CHECK_CASE("another script is not known by that");
    fpm_budget_leave(&budget, &two, NEED);
    CHECK(!enter(&four, "/b"));
    fpm_budget_leave(&budget, &one, NEED);
    fpm_budget_leave(&budget, &three, NEED);
    CHECK(enter(&four, "/b"));
    fpm_budget_leave(&budget, &four, 1);

    CHECK_CASE("one that holds more than was expected leaves less for others");
    CHECK(enter(&one, "/a"));
    fpm_budget_raise(&budget, &one, 80);
    CHECK(fpm_budget_used(&budget) == 80 && !enter(&two, "/a"));
    fpm_budget_raise(&budget, &one, 10);
    CHECK(fpm_budget_used(&budget) == 80);
    fpm_budget_raise(&budget, &one, 2 * SIZE);
    CHECK(!enter(&two, "/b"));

    CHECK_CASE("a larger need is expected at once, a smaller one by and by");
    fpm_budget_leave(&budget, &one, 80);
    CHECK(enter(&one, "/a") && one.size == 80);
    fpm_budget_leave(&budget, &one, 16);
    CHECK(enter(&one, "/a") && one.size == 76);
    fpm_budget_leave(&budget, &one, 16);
    fpm_budget_leave(&budget, &one, 1000);
    CHECK(fpm_budget_used(&budget) == 0);
}

static void *work(void *argument)
{
    (void)argument;
    for (unsigned int turn = 0; turn < TURNS; turn++) {
        fpm_budget_part part;
        CHECK(fpm_budget_enter(&budget, &part, "/c", NEED, always, NULL));
        unsigned int now = atomic_fetch_add(&running, 1) + 1;
        unsigned int seen = atomic_load(&most_running);
        while (seen < now && !atomic_compare_exchange_weak(&most_running, &seen, now)) {
        }
        sched_yield();
        atomic_fetch_sub(&running, 1);
        fpm_budget_leave(&budget, &part, NEED);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t workers[WORKERS];
    CHECK_CASE("threads never have more together than fits, and all get their turn");
    for (size_t index = 0; index < WORKERS; index++) {
        CHECK(pthread_create(&workers[index], NULL, work, NULL) == 0);
    }
    for (size_t index = 0; index < WORKERS; index++) {
        pthread_join(workers[index], NULL);
    }
    CHECK(atomic_load(&most_running) <= SIZE / NEED);
    CHECK(fpm_budget_used(&budget) == 0 && budget.request_count == 0);
}

int main(void)
{
    fpm_budget_init(&budget, SIZE);
    rules();
    threads();
    fpm_budget_destroy(&budget);
    return check_summary();
}
