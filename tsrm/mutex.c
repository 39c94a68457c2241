/* mutex: locks for users, and the one around the environment.
 * Owns        the environment's lock.
 * Thread      any.
 * Invariants  I1  TSRM itself never takes these locks
 * Failure     NULL when memory is out.
 * Tests       tests/unit/tsrm_helpers.c, tests/unit/tsrm_fork.c */
#include "config.h"

#include "tsrm/mutex.h"

#include "tsrm/os.h"

struct tsrm_mutex {
    tsrm_os_lock lock;
};

static tsrm_os_lock env_lock = TSRM_OS_LOCK_INIT;

MUTEX_T tsrm_mutex_alloc(void)
{
    struct tsrm_mutex *mutex = tsrm_os_alloc(sizeof(*mutex));

    if (mutex != NULL && !tsrm_os_lock_init(&mutex->lock)) {
        tsrm_os_free(mutex);
        return NULL;
    }
    return mutex;
}

void tsrm_mutex_free(MUTEX_T mutex)
{
    if (mutex != NULL) {
        tsrm_os_lock_destroy(&mutex->lock);
        tsrm_os_free(mutex);
    }
}

int tsrm_mutex_lock(MUTEX_T mutex)
{
    if (mutex == NULL) {
        return -1;
    }
    tsrm_os_lock_acquire(&mutex->lock);
    return 0;
}

int tsrm_mutex_unlock(MUTEX_T mutex)
{
    if (mutex == NULL) {
        return -1;
    }
    tsrm_os_lock_release(&mutex->lock);
    return 0;
}

void tsrm_env_lock(void)
{
    tsrm_os_lock_acquire(&env_lock);
}

void tsrm_env_unlock(void)
{
    tsrm_os_lock_release(&env_lock);
}

void tsrm_env_after_fork(void)
{
    (void)!tsrm_os_lock_init(&env_lock);
}
