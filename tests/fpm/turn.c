/* turn: which of the idle workers takes the next connection. */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/clock.h"
#include "fpm/lot.h"
#include "tests/support/check.h"

enum { SERVERS = 4, LIMIT_MS = 20000 };

typedef struct server {
    pthread_t thread;
    bool in_turn;
    _Atomic long tid;               /* 0: it has not begun */
    atomic_bool leave;
    atomic_uint served;
} server;

static fpm_lot lot;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static server servers[SERVERS];

static void ignore(int number)
{
    (void)number;
}

static void *serve(void *argument)
{
    server *self = argument;
    fpm_turn_waiter waiter = { .thread = pthread_self(), .signal = SIGUSR1 };
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    sigdelset(&mask, SIGUSR1);
    atomic_store(&self->tid, syscall(SYS_gettid));
    while (!atomic_load(&self->leave)) {
        fpm_connection *connection;
        if (fpm_lot_wait(&lot, self->in_turn ? &waiter : NULL, &mask, &connection)
            == FPM_LOT_ACCEPTED) {
            fpm_lot_close(&lot, connection);
            atomic_fetch_add(&self->served, 1);
        }
    }
    fpm_lot_leave(&lot, &waiter);
    return NULL;
}

static bool is_asleep(long tid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", tid);
    FILE *file = fopen(path, "r");
    bool is_read = file != NULL && fgets(text, sizeof(text), file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    const char *state = strrchr(text, ')');
    return is_read && state != NULL && state[1] == ' ' && state[2] == 'S';
}

/* Nothing but the wait itself makes a thread sleep that the lot counts as waiting: the others,
 * which might hold a lock, sleep too. */
static bool all_wait(unsigned int first, unsigned int count)
{
    bool result = atomic_load(&lot.waiting_count) == count;
    for (unsigned int index = first; result && index < first + count; index++) {
        long tid = atomic_load(&servers[index].tid);
        result = tid != 0 && is_asleep(tid);
    }
    return result;
}

static bool settle(unsigned int first, unsigned int count)
{
    int64_t deadline = fpm_clock_ms() + LIMIT_MS;
    while (!all_wait(first, count)) {
        if (fpm_clock_ms() > deadline) {
            return false;
        }
        sched_yield();
    }
    return true;
}

static bool start(bool in_turn)
{
    for (unsigned int index = 0; index < SERVERS; index++) {
        server *self = &servers[index];
        *self = (server){ .in_turn = in_turn };
        if (pthread_create(&self->thread, NULL, serve, self) != 0 || !settle(0, index + 1)) {
            return false;
        }
    }
    return true;
}

static void stop(server *self)
{
    atomic_store(&self->leave, true);
    pthread_kill(self->thread, SIGUSR1);
    pthread_join(self->thread, NULL);
}

static void ask(void)
{
    char byte;
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(file >= 0 && connect(file, (struct sockaddr *)&address, sizeof(address)) == 0
        && read(file, &byte, 1) == 0);
    close(file);
}

static unsigned int served(unsigned int index)
{
    return atomic_load(&servers[index].served);
}

static void last_first(void)
{
    CHECK_CASE("without turns the one that began to wait last takes every connection");
    if (CHECK(start(false))) {
        for (unsigned int round = 1; round <= 6; round++) {
            ask();
            CHECK(settle(0, SERVERS) && served(SERVERS - 1) == round);
        }
    }
    for (unsigned int index = 0; index < SERVERS; index++) {
        stop(&servers[index]);
    }
}

static void longest_first(void)
{
    CHECK_CASE("in turn each takes a connection before any takes a second one");
    if (CHECK(start(true))) {
        for (unsigned int round = 0; round < 3 * SERVERS; round++) {
            ask();
            CHECK(settle(0, SERVERS) && served(round % SERVERS) == round / SERVERS + 1);
        }
    }
    CHECK_CASE("one that leaves at its turn passes it on, and others are skipped");
    stop(&servers[0]);
    CHECK(settle(1, SERVERS - 1));
    ask();
    CHECK(settle(1, SERVERS - 1) && served(1) == 4);
    stop(&servers[3]);
    ask();
    CHECK(settle(1, SERVERS - 2) && served(2) == 4);
    ask();
    CHECK(settle(1, SERVERS - 2) && served(1) == 5);
    stop(&servers[1]);
    stop(&servers[2]);
}

int main(void)
{
    signal(SIGUSR1, ignore);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/tsrmalloc-turn-%ld",
        (long)getpid());
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_CASE("a lot begins with its listening socket");
    if (CHECK(file >= 0 && bind(file, (struct sockaddr *)&address, sizeof(address)) == 0
            && listen(file, 64) == 0 && fpm_lot_init(&lot, file, 64))) {
        last_first();
        longest_first();
        fpm_lot_free(&lot);
        close(file);
    }
    unlink(address.sun_path);
    return check_summary();
}
