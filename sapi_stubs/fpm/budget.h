/* budget.h: what the requests of a pool may hold together, and which may begin.
 *
 * A request begins when what it is expected to need fits beside what the others hold or are
 * expected to need. Until something is known of its script, that is its memory limit.
 */
#ifndef TSRMALLOC_FPM_BUDGET_H
#define TSRMALLOC_FPM_BUDGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { FPM_BUDGET_SCRIPT_COUNT = 256 };

typedef struct fpm_budget {
    size_t size;                    /* const after init: bytes; 0 = no budget */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t used;                    /* lock: mutex; sum of what was reserved */
    unsigned int request_count;     /* lock: mutex; that are in it */
    /* lock: mutex; bytes that requests of the scripts with this hash needed lately; 0: not known */
    size_t expected[FPM_BUDGET_SCRIPT_COUNT];
} fpm_budget;

/* One request's part. Its worker's; `size` is under the budget's mutex. */
typedef struct fpm_budget_part {
    size_t size;                    /* bytes; 0: it is not in the budget */
    unsigned int script;
} fpm_budget_part;

void fpm_budget_init(fpm_budget *budget, size_t size);
void fpm_budget_destroy(fpm_budget *budget);

/* Wait until the request of `script` may begin, which needs at most `most` bytes. go_on() is asked
 * about fifty times a second whether to wait on. A request alone begins always. false: it did not
 * begin. */
bool fpm_budget_enter(fpm_budget *budget, fpm_budget_part *part, const char *script, size_t most,
    bool (*go_on)(void *context), void *context);
/* The request is over; it has held up to `peak` bytes. */
void fpm_budget_leave(fpm_budget *budget, fpm_budget_part *part, size_t peak);
/* The request holds more than was expected. Any thread. */
void fpm_budget_raise(fpm_budget *budget, fpm_budget_part *part, size_t held);
size_t fpm_budget_used(fpm_budget *budget);

#endif
