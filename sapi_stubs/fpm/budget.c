/* budget: which requests of a pool may run together, by the memory they are expected to need.
 * Owns        the account of a pool.
 * Thread      enter, leave: workers. raise: control thread.
 * Invariants  I1  used is the sum of the parts; request_count is how many are not 0
 *             I2  used + a part that is let in <= size, unless it is the only one
 * Failure     false: whoever waits has given up.
 * Tests       tests/fpm/budget.c, tests/fpm/limits.sh */
#include "config.h"

#include "fpm/budget.h"

#include <string.h>
#include <time.h>

enum {
    LOOK_EVERY = 20000000,      /* nanoseconds between two looks at whether to wait on */
    FORGET = 16,                /* a smaller need moves what is expected by so small a part */
};

void fpm_budget_init(fpm_budget *budget, size_t size)
{
    pthread_condattr_t attributes;
    *budget = (fpm_budget){ .size = size };
    pthread_mutex_init(&budget->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&budget->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void fpm_budget_destroy(fpm_budget *budget)
{
    pthread_cond_destroy(&budget->changed);
    pthread_mutex_destroy(&budget->mutex);
}

/* Scripts that share a number share what is expected, the larger of both. */
static unsigned int number_of(const char *script)
{
    unsigned int hash = 2166136261u;
    for (; *script != '\0'; script++) {
        hash = (hash ^ (unsigned char)*script) * 16777619u;
    }
    return (hash ^ hash >> 16) % FPM_BUDGET_SCRIPT_COUNT;
}

static size_t needed(const fpm_budget *budget, unsigned int script, size_t most)
{
    size_t expected = budget->expected[script];
    expected = expected == 0 || expected > most ? most : expected;
    return expected < budget->size ? expected : budget->size;
}

static void wait_a_little(fpm_budget *budget)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_EVERY;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&budget->changed, &budget->mutex, &until);
}

bool fpm_budget_enter(fpm_budget *budget, fpm_budget_part *part, const char *script, size_t most,
    bool (*go_on)(void *context), void *context)
{
    bool is_in = true;
    *part = (fpm_budget_part){ .script = number_of(script) };
    pthread_mutex_lock(&budget->mutex);
    /* What is known of the script may change meanwhile. */
    while (budget->request_count > 0
        && (budget->used > budget->size
            || needed(budget, part->script, most) > budget->size - budget->used)) {
        if (!go_on(context)) {
            is_in = false;
            break;
        }
        wait_a_little(budget);
    }
    if (is_in) {
        part->size = needed(budget, part->script, most);
        budget->used += part->size;
        budget->request_count++;
    }
    pthread_mutex_unlock(&budget->mutex);
    return is_in;
}

void fpm_budget_leave(fpm_budget *budget, fpm_budget_part *part, size_t peak)
{
    pthread_mutex_lock(&budget->mutex);
    if (part->size > 0) {
        size_t *expected = &budget->expected[part->script];
        *expected = peak >= *expected ? peak : *expected - (*expected - peak) / FORGET;
        budget->used -= part->size;
        budget->request_count--;
        part->size = 0;
        pthread_cond_broadcast(&budget->changed);
    }
    pthread_mutex_unlock(&budget->mutex);
}

void fpm_budget_raise(fpm_budget *budget, fpm_budget_part *part, size_t held)
{
    pthread_mutex_lock(&budget->mutex);
    if (part->size > 0 && held > part->size) {
        budget->used += held - part->size;
        part->size = held;
    }
    pthread_mutex_unlock(&budget->mutex);
}

size_t fpm_budget_used(fpm_budget *budget)
{
    pthread_mutex_lock(&budget->mutex);
    size_t used = budget->used;
    pthread_mutex_unlock(&budget->mutex);
    return used;
}
