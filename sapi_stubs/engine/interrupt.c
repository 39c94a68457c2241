/* interrupt: how one thread tells an engine that runs in another to stop.
 * Owns        the signal ENGINE_SIGNAL and what each thread's engine wants done when it comes.
 * Thread      setup: main thread. engine_interrupt: any. watch: the thread that runs the engine.
 * Invariants  I1  the reason is stored before the signal is sent: whoever the signal does not reach
 *                 in time sees it when it looks
 *             I2  the handler calls `arm` only between watch(arm) and watch(NULL)
 * Failure     setup: false. A signal that cannot be sent leaves the reason, which is seen later.
 * Tests       tests/unit/lua_interrupt.c, tests/unit/trace_replay.c */
#include "config.h"

#include <errno.h>
#include <signal.h>

#include "engine.h"

/* FrankenPHP's choice for the same purpose; glibc keeps the lowest for itself. */
#define ENGINE_SIGNAL (SIGRTMIN + 3)

/* Owner only, and its signal handler: hence volatile, `data` written first. */
static _Thread_local struct {
    void *volatile data;
    void (*volatile arm)(void *data);
} watched;

static void handle_signal(int number)
{
    (void)number;
    int saved = errno;
    void (*arm)(void *data) = watched.arm;
    if (arm != NULL) {
        arm(watched.data);
    }
    errno = saved;
}

bool engine_interrupt_setup(void)
{
    /* No SA_RESTART: a call that blocks shall end. */
    struct sigaction action = { .sa_handler = handle_signal };
    sigemptyset(&action.sa_mask);
    return sigaction(ENGINE_SIGNAL, &action, NULL) == 0;
}

void engine_interrupt(engine_request *request, pthread_t thread, engine_stop reason)
{
    engine_stop none = ENGINE_GO_ON;
    (void)atomic_compare_exchange_strong_explicit(&request->stop, &none, reason,
        memory_order_release, memory_order_relaxed);
    (void)pthread_kill(thread, ENGINE_SIGNAL);
}

void engine_inspect(engine_request *request, pthread_t thread, unsigned int depth)
{
    atomic_store_explicit(&request->inspect_depth, depth, memory_order_release);
    (void)pthread_kill(thread, ENGINE_SIGNAL);
}

void engine_interrupt_watch(void (*arm)(void *data), void *data)
{
    if (arm == NULL) {
        watched.arm = NULL;
        atomic_signal_fence(memory_order_seq_cst);
        return;
    }
    watched.data = data;
    atomic_signal_fence(memory_order_seq_cst);
    watched.arm = arm;
    atomic_signal_fence(memory_order_seq_cst);
}
