/* mode_fork: the process forks at random moments, while its other threads allocate; the child goes
 * on with the forking thread's heap, and exits clean.
 * Owns        one child process per worker at a time.
 * Thread      the worker itself; in the child: its only thread.
 * Invariants  I1  the child calls nothing that needs another thread to let go of a lock
 * Failure     stress_fail() in the parent; the child says what was wrong by its exit status.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress/stress.h"

/* A child that does not end by itself is ended by the alarm. */
enum { CALLS_PER_OPERATION = 64, OPERATIONS_PER_FORK = 24, CHILD_CALLS = 400, CHILD_SECONDS = 60,
    OPERATIONS_PER_REQUEST = 60 };

static void child_requests(stress_worker *worker)
{
    stress_check_everything(worker);
    stress_check_accounting(worker, 0);
    for (int request = 0; request < 3; request++) {
        for (int call = 0; call < CHILD_CALLS; call++) {
            stress_mix_step(worker);
        }
        stress_check_accounting(worker, 0);
        stress_check_everything(worker);
        stress_end_request(worker);
    }
}

/* The child's whole life. Its stop flag is the parent's copy, which may be set: it does not look. */
static void child_main(stress_worker *worker)
{
    alarm(CHILD_SECONDS);
    atomic_store_explicit(&worker->run->stopping, false, memory_order_relaxed);
    unsigned int faults_before = atomic_load(&worker->run->fault_count);
    bool bailed_out = stress_protected(worker, child_requests);
    bool failed = atomic_load(&worker->run->fault_count) != faults_before
        || (bailed_out && !worker->may_fail);
#ifdef ZTS
    ts_free_thread();
#endif
    _exit(failed ? STRESS_EXIT_FAULT : STRESS_EXIT_OK);
}

static void wait_for(stress_worker *worker, pid_t child)
{
    int status = 0;
    pid_t ended;
    do {
        ended = waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    if (ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        worker->counters.child_count++;
    } else if (ended == child && WIFSIGNALED(status)) {
        stress_fail(worker, "a forked child ended by signal %d", WTERMSIG(status));
    } else {
        stress_fail(worker, "a forked child ended with status %d", WEXITSTATUS(status));
    }
}

static void operate(stress_worker *worker)
{
    stress_mix_steps(worker, CALLS_PER_OPERATION);
    if (stress_once_in(&worker->random, OPERATIONS_PER_REQUEST)) {
        stress_end_request(worker);
    }
    if (!stress_once_in(&worker->random, OPERATIONS_PER_FORK)) {
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        child_main(worker);
    }
    if (child > 0) {
        wait_for(worker, child);
    }
    stress_check_everything(worker);
}

const stress_mode stress_mode_fork = {
    .name = "fork",
    .summary = "the process forks at random moments; the child works on",
    .operate = operate,
};
