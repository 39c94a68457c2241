/* lot: many threads take, park and close the connections of one listening socket. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/clock.h"
#include "fpm/lot.h"
#include "tests/support/check.h"

enum { SERVERS = 4, CLIENTS = 8, ROUNDS = 300, FAR = 3600 * 1000 };

static fpm_lot lot;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static atomic_bool is_over;
static atomic_uint echoed;

typedef struct server {
    pthread_t thread;
    uint8_t *input;
    bool in_turn;
} server;

static void ignore(int number)
{
    (void)number;
}

/* A server sends each byte back, and parks the connection between two. */
static void *serve(void *argument)
{
    const server *self = argument;
    uint8_t *input = self->input;
    fpm_turn_waiter waiter = { .thread = pthread_self(), .signal = SIGUSR1 };
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    sigdelset(&mask, SIGUSR1);
    while (!atomic_load(&is_over)) {
        fpm_connection *connection;
        fpm_lot_event event = fpm_lot_wait(&lot, self->in_turn ? &waiter : NULL, &mask,
            &connection);
        if (event == FPM_LOT_NOTHING) {
            continue;
        }
        connection->input = input;
        connection->input_begin = connection->input_end = 0;
        fpm_io result = fpm_connection_read(connection, 0);
        if (result == FPM_IO_CLOSED) {
            fpm_lot_close(&lot, connection);
            continue;
        }
        atomic_fetch_add(&echoed, (unsigned int)connection->input_end);
        (void)fpm_connection_write(connection, input, connection->input_end, 1000);
        connection->input_begin = connection->input_end;
        (void)fpm_lot_park(&lot, connection, fpm_clock_ms() + FAR);
    }
    fpm_lot_leave(&lot, &waiter);
    return NULL;
}

static int connect_to(void)
{
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file >= 0 && connect(file, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(file);
        return -1;
    }
    return file;
}

/* Half of the connections are kept for many bytes, the others are new for each. */
static void *ask(void *argument)
{
    bool keep = argument != NULL;
    int file = -1;
    for (unsigned int round = 0; round < ROUNDS; round++) {
        char sent = (char)round, got = (char)~sent;
        file = file < 0 ? connect_to() : file;
        CHECK(file >= 0 && write(file, &sent, 1) == 1 && read(file, &got, 1) == 1 && got == sent);
        if (!keep) {
            close(file);
            file = -1;
        }
    }
    if (file >= 0) {
        close(file);
    }
    return NULL;
}

static int listen_at(void)
{
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/tsrmalloc-lot-%ld", (long)getpid());
    unlink(address.sun_path);
    if (bind(file, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(file, 64) != 0) {
        return -1;
    }
    return file;
}

/* `in_turn` of the servers wait in turn. */
static void many_threads(unsigned int in_turn)
{
    server servers[SERVERS];
    pthread_t clients[CLIENTS];
    atomic_store(&is_over, false);
    atomic_store(&echoed, 0);
    CHECK_CASE("every byte comes back, whichever thread has the connection");
    for (size_t index = 0; index < SERVERS; index++) {
        server *self = &servers[index];
        *self = (server){ .input = malloc(FPM_INPUT_SIZE), .in_turn = index < in_turn };
        CHECK(pthread_create(&self->thread, NULL, serve, self) == 0);
    }
    for (size_t index = 0; index < CLIENTS; index++) {
        CHECK(pthread_create(&clients[index], NULL, ask, index % 2 == 0 ? &lot : NULL) == 0);
    }
    /* Sweeps that find nothing to close get in the way of nobody. */
    while (atomic_load(&echoed) < CLIENTS * ROUNDS / 2) {
        CHECK(fpm_lot_sweep(&lot, fpm_clock_ms()) == 0);
    }
    for (size_t index = 0; index < CLIENTS; index++) {
        pthread_join(clients[index], NULL);
    }
    CHECK(atomic_load(&echoed) == CLIENTS * ROUNDS);
    /* The servers learn of the closed connections one by one. */
    while (atomic_load(&lot.open_count) > 0) {
        sched_yield();
    }
    atomic_store(&is_over, true);
    for (size_t index = 0; index < SERVERS; index++) {
        pthread_kill(servers[index].thread, SIGUSR1);
        pthread_join(servers[index].thread, NULL);
        free(servers[index].input);
    }
    CHECK(atomic_load(&lot.parked_count) == 0);
}

static void sweeps(void)
{
    static uint8_t input[FPM_INPUT_SIZE];
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    char byte;
    fpm_connection *connection;
    CHECK_CASE("a parked connection is closed behind its deadline, not before");
    int file = connect_to();
    CHECK(fpm_lot_wait(&lot, NULL, &mask, &connection) == FPM_LOT_ACCEPTED);
    connection->input = input;
    CHECK(fpm_lot_park(&lot, connection, 1000));
    CHECK(fpm_lot_sweep(&lot, 999) == 0 && atomic_load(&lot.open_count) == 1);
    CHECK(fpm_lot_sweep(&lot, 1000) == 1 && atomic_load(&lot.open_count) == 0);
    CHECK(read(file, &byte, 1) == 0);
    close(file);

    CHECK_CASE("half a request is kept while the connection is parked");
    file = connect_to();
    CHECK(write(file, "\1\1", 2) == 2);
    CHECK(fpm_lot_wait(&lot, NULL, &mask, &connection) == FPM_LOT_ACCEPTED);
    connection->input = input;
    CHECK(fpm_connection_read(connection, 0) == FPM_IO_DONE);
    CHECK(fpm_lot_park(&lot, connection, 1000));
    CHECK(fpm_lot_sweep_idle(&lot) == 0);
    CHECK(write(file, "c", 1) == 1);
    CHECK(fpm_lot_wait(&lot, NULL, &mask, &connection) == FPM_LOT_READABLE);
    CHECK(connection->staged_size == 2 && memcmp(connection->staged, "\1\1", 2) == 0);
    fpm_lot_close(&lot, connection);
    close(file);

    CHECK_CASE("a whole request that was read already is an event of its own");
    file = connect_to();
    CHECK(write(file, "\1\11\0\0\0\0\0\0", 8) == 8);     /* GET_VALUES */
    CHECK(fpm_lot_wait(&lot, NULL, &mask, &connection) == FPM_LOT_ACCEPTED);
    connection->input = input;
    CHECK(fpm_connection_read(connection, 0) == FPM_IO_DONE);
    CHECK(fpm_lot_park(&lot, connection, INT64_MAX));
    CHECK(fpm_lot_has_waiting(&lot));
    CHECK(fpm_lot_wait(&lot, NULL, &mask, &connection) == FPM_LOT_READABLE);
    CHECK(connection->staged_size == 8);
    fpm_lot_close(&lot, connection);
    close(file);

    CHECK_CASE("what waits when listening ends is accepted first");
    file = connect_to();
    CHECK(fpm_lot_has_waiting(&lot));
    fpm_lot_accept_all(&lot, 1000);
    fpm_lot_stop_listening(&lot);
    CHECK(atomic_load(&lot.open_count) == 1 && !fpm_lot_has_waiting(&lot));
    close(file);
}

static bool head(const char *text, size_t size)
{
    return fpm_head_is_there((const uint8_t *)text, size);
}

static void heads(void)
{
    static const char request[] = "\1\1\0\1\0\10\0\0\0\1\1\0\0\0\0\0"   /* BEGIN */
        "\1\4\0\1\0\4\3\0\1\1ab\0\0\0"                                    /* PARAMS, padded */
        "\1\4\0\1\0\0\0\0";                                               /* their end */
    CHECK_CASE("a head is there with the end of its PARAMS, whole, and not one byte before");
    for (size_t size = 0; size < sizeof(request) - 1; size++) {
        CHECK(!head(request, size));
    }
    CHECK(head(request, sizeof(request) - 1));

    CHECK_CASE("what only a parser can judge is there at once");
    CHECK(head("G", 1));
    CHECK(head("\1\11\0\0\0\0\0\0", 8));    /* GET_VALUES */
    CHECK(head("\1\2\0\1\0\0\0\0", 8));     /* ABORT */
}

int main(void)
{
    signal(SIGUSR1, ignore);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    heads();
    int file = listen_at();
    CHECK_CASE("a lot begins with its listening socket");
    if (CHECK(file >= 0) && CHECK(fpm_lot_init(&lot, file, 64))) {
        /* As with pm.wake_order = lifo, while a reload changes it, and = fifo. */
        many_threads(0);
        many_threads(SERVERS / 2);
        many_threads(SERVERS);
        sweeps();
        fpm_lot_free(&lot);
        close(file);
    }
    unlink(address.sun_path);
    return check_summary();
}
