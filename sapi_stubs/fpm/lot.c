/* lot: the connections of a listening socket, in one epoll set.
 * Owns        the connections and their descriptors, the epoll set.
 * Thread      wait, park, close: workers. sweep, stop_listening: control thread.
 * Invariants  I1  a connection is free, held by one thread, or parked; who takes a parked one has
 *                 changed its word by compare-and-swap
 *             I2  an event names the generation it is about; one of a connection that was closed
 *                 since finds another generation
 *             I3  the sweep takes parked connections only when their parking is over, so nobody is
 *                 between setting the state and epoll_ctl(2) when it closes the descriptor
 * Failure     a connection that cannot be watched or kept is closed.
 * Tests       tests/fpm/lot.c, tests/fpm/turn.c, tests/fpm/hostile.sh */
#include "config.h"

#include "fpm/lot.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fpm/clock.h"

/* The low bits of connection->word; the rest is the generation. */
enum { STATE_FREE, STATE_HELD, STATE_PARKING, STATE_PARKED, STATE_MASK = 3, GENERATION = 4 };

enum { REST_PIECES_MAX = 64 };      /* thrown away of what a client still sends */

static const uint64_t listen_event = UINT64_MAX;

static uint64_t event_of(const fpm_lot *lot, const fpm_connection *connection, uint32_t word)
{
    return (uint64_t)(connection - lot->connections) << 32 | (word & ~(uint32_t)STATE_MASK);
}

static bool change(fpm_connection *connection, uint32_t generation, uint32_t from, uint32_t to)
{
    uint32_t expected = generation | from;
    return atomic_compare_exchange_strong_explicit(&connection->word, &expected, generation | to,
        memory_order_acq_rel, memory_order_acquire);
}

static uint32_t generation_of(const fpm_connection *connection)
{
    return atomic_load_explicit(&connection->word, memory_order_relaxed) & ~(uint32_t)STATE_MASK;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* The listening socket gives an event for each connection that comes, and when it is armed again
 * one if connections wait: a worker that is interrupted between its event and its accept holds up
 * nobody. */
static void arm_listening(fpm_lot *lot)
{
    if (atomic_load_explicit(&lot->is_listening, memory_order_relaxed)) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = listen_event };
        (void)epoll_ctl(lot->set, EPOLL_CTL_MOD, lot->listen_file, &event);
    }
}

/* ---- life ---- */

bool fpm_lot_init(fpm_lot *lot, int listen_file, uint32_t capacity)
{
    *lot = (fpm_lot){ .listen_file = listen_file, .capacity = capacity };
    atomic_store(&lot->is_listening, true);
    lot->connections = calloc(capacity, sizeof(*lot->connections));
    if (lot->connections == NULL) {
        return false;
    }
    lot->set = epoll_create1(EPOLL_CLOEXEC);
    if (lot->set < 0) {
        goto fail_set;
    }
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = listen_event };
    if (epoll_ctl(lot->set, EPOLL_CTL_ADD, listen_file, &event) != 0) {
        goto fail_add;
    }
    pthread_mutex_init(&lot->mutex, NULL);
    fpm_turn_init(&lot->turn);
    return true;
fail_add:
    close(lot->set);
fail_set:
    free(lot->connections);
    return false;
}

void fpm_lot_free(fpm_lot *lot)
{
    for (uint32_t index = 0; index < lot->used_count; index++) {
        fpm_connection *connection = &lot->connections[index];
        if ((atomic_load(&connection->word) & STATE_MASK) != STATE_FREE) {
            close(connection->file);
            free(connection->staged);
        }
    }
    pthread_mutex_destroy(&lot->mutex);
    fpm_turn_free(&lot->turn);
    close(lot->set);
    free(lot->connections);
}

/* A connection to be filled in, held; NULL: all are in use. */
static fpm_connection *take_free(fpm_lot *lot)
{
    fpm_connection *connection = NULL;
    pthread_mutex_lock(&lot->mutex);
    if (lot->first_free != 0) {
        connection = &lot->connections[lot->first_free - 1];
        lot->first_free = connection->next_free;
    } else if (lot->used_count < lot->capacity) {
        connection = &lot->connections[lot->used_count++];
    } else {
        lot->is_full = true;
    }
    pthread_mutex_unlock(&lot->mutex);
    if (connection != NULL) {
        atomic_store_explicit(&connection->word, generation_of(connection) | STATE_HELD,
            memory_order_relaxed);
        atomic_fetch_add_explicit(&lot->open_count, 1, memory_order_relaxed);
    }
    return connection;
}

static void give_free(fpm_lot *lot, fpm_connection *connection)
{
    free(connection->staged);
    connection->staged = NULL;
    connection->staged_size = 0;
    atomic_store_explicit(&connection->word,
        (generation_of(connection) + GENERATION) | STATE_FREE, memory_order_relaxed);
    pthread_mutex_lock(&lot->mutex);
    connection->next_free = lot->first_free;
    lot->first_free = (uint32_t)(connection - lot->connections) + 1;
    bool was_full = lot->is_full;
    lot->is_full = false;
    pthread_mutex_unlock(&lot->mutex);
    if (was_full) {
        arm_listening(lot);
    }
    atomic_fetch_sub_explicit(&lot->open_count, 1, memory_order_relaxed);
}

void fpm_lot_close(fpm_lot *lot, fpm_connection *connection)
{
    /* close(2) with unread input makes TCP send a reset, which may overtake the end of the answer:
     * what is there is thrown away first, behind the end of what is said. */
    char rest[4096];
    unsigned int pieces = REST_PIECES_MAX;
    while (pieces > 0 && recv(connection->file, rest, sizeof(rest), MSG_DONTWAIT) > 0) {
        if (pieces == REST_PIECES_MAX) {
            shutdown(connection->file, SHUT_WR);
        }
        pieces--;
    }
    close(connection->file);
    give_free(lot, connection);
}

/* ---- accepting ---- */

static void write_address(const struct sockaddr_storage *peer, char address[INET6_ADDRSTRLEN])
{
    address[0] = '\0';
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)peer;
        inet_ntop(AF_INET, &four->sin_addr, address, INET6_ADDRSTRLEN);
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)peer;
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
            inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], address, INET6_ADDRSTRLEN);
        } else {
            inet_ntop(AF_INET6, &six->sin6_addr, address, INET6_ADDRSTRLEN);
        }
    }
}

static fpm_lot_event accept_one(fpm_lot *lot, fpm_connection **result)
{
    fpm_connection *connection = take_free(lot);
    if (connection == NULL) {
        return FPM_LOT_NOTHING;     /* it stays in the backlog until one is closed */
    }
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    int file = accept4(lot->listen_file, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
    if (file < 0) {
        bool is_over = would_block() || errno == EINTR || errno == ECONNABORTED;
        give_free(lot, connection);
        if (is_over) {
            arm_listening(lot);
        }
        return FPM_LOT_NOTHING;     /* out of descriptors or memory: the sweep arms it again */
    }
    connection->file = file;
    connection->input = NULL;
    connection->input_begin = connection->input_end = 0;
    connection->stop = NULL;
    connection->bytes_sent = 0;
    connection->queue_wait = 0;
    connection->in_set = false;
    connection->is_quick = false;
    connection->waiting_since = 0;
    connection->accepted_at = fpm_clock_ns();
    write_address(&peer, connection->address);
    arm_listening(lot);
    *result = connection;
    return FPM_LOT_ACCEPTED;
}

/* ---- waiting ---- */

/* An event says that it is readable. It may come before its parking is over. */
static bool take_parked(fpm_lot *lot, uint64_t data, fpm_connection **result)
{
    fpm_connection *connection = &lot->connections[data >> 32];
    uint32_t generation = (uint32_t)data;
    /* ThreadSanitizer does not know that EPOLL_CTL_MOD hands the descriptor over: to it the parking
     * thread uses it until it says that parking is over. */
    while (TSRMALLOC_SANITIZE_THREAD
        && atomic_load_explicit(&connection->word, memory_order_acquire)
            == (generation | STATE_PARKING)) {
        sched_yield();
    }
    if (!change(connection, generation, STATE_PARKED, STATE_HELD)
        && !change(connection, generation, STATE_PARKING, STATE_HELD)
        && !change(connection, generation, STATE_PARKED, STATE_HELD)) {
        return false;
    }
    atomic_fetch_sub_explicit(&lot->parked_count, 1, memory_order_relaxed);
    connection->is_quick = fpm_clock_ns() - connection->parked_at < FPM_LINGER_NS;
    *result = connection;
    return true;
}

/* As epoll_pwait(2) for one event. A signal that says that it is the caller's turn ends the wait as
 * any other does: the caller asks again, and keeps its place. */
static int wait_for_event(fpm_lot *lot, fpm_turn_waiter *waiter, const sigset_t *mask,
    struct epoll_event *event)
{
    if (waiter != NULL && !fpm_turn_take(&lot->turn, waiter)) {
        return ppoll(NULL, 0, NULL, mask);
    }
    return epoll_pwait(lot->set, event, 1, -1, mask);
}

fpm_lot_event fpm_lot_wait(fpm_lot *lot, fpm_turn_waiter *waiter, const sigset_t *mask,
    fpm_connection **connection)
{
    struct epoll_event event;
    atomic_fetch_add_explicit(&lot->waiting_count, 1, memory_order_relaxed);
    int count = wait_for_event(lot, waiter, mask, &event);
    atomic_fetch_sub_explicit(&lot->waiting_count, 1, memory_order_relaxed);
    if (count <= 0) {
        return FPM_LOT_NOTHING;
    }
    fpm_lot_event result;
    if (event.data.u64 == listen_event) {
        result = accept_one(lot, connection);
    } else {
        result = take_parked(lot, event.data.u64, connection) ? FPM_LOT_READABLE : FPM_LOT_NOTHING;
    }
    if (waiter != NULL && result != FPM_LOT_NOTHING) {
        fpm_turn_leave(&lot->turn, waiter);
    }
    return result;
}

void fpm_lot_leave(fpm_lot *lot, fpm_turn_waiter *waiter)
{
    fpm_turn_leave(&lot->turn, waiter);
}

/* Keep what was read and not used. */
static bool stage_input(fpm_connection *connection)
{
    size_t size = connection->input_end - connection->input_begin;
    if (size > connection->staged_size || size == 0) {
        free(connection->staged);
        connection->staged = size > 0 ? malloc(size) : NULL;
    }
    if (size > 0) {
        if (connection->staged == NULL) {
            return false;
        }
        memcpy(connection->staged, connection->input + connection->input_begin, size);
    }
    connection->staged_size = size;
    connection->input = NULL;
    connection->stop = NULL;
    return true;
}

/* The connection's input is staged. */
static bool park(fpm_lot *lot, fpm_connection *connection, int64_t deadline)
{
    uint32_t generation = generation_of(connection);
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT,
        .data.u64 = event_of(lot, connection, generation) };
    if (connection->staged_size > 0
        && fpm_head_is_there(connection->staged, connection->staged_size)) {
        /* A request that was read, by a worker that leaves: nothing more may come, so the event
         * must. The socket can be written to. */
        event.events |= EPOLLOUT;
    }
    int operation = connection->in_set ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int file = connection->file;
    connection->in_set = true;
    connection->parked_at = fpm_clock_ns();
    atomic_store_explicit(&connection->deadline, deadline, memory_order_relaxed);
    atomic_fetch_add_explicit(&lot->parked_count, 1, memory_order_relaxed);
    atomic_store_explicit(&connection->word, generation | STATE_PARKING, memory_order_release);
    if (epoll_ctl(lot->set, operation, file, &event) != 0) {
        /* Not watched, so nobody else has taken it. */
        atomic_fetch_sub_explicit(&lot->parked_count, 1, memory_order_relaxed);
        fpm_lot_close(lot, connection);
        return false;
    }
    (void)change(connection, generation, STATE_PARKING, STATE_PARKED);
    return true;
}

bool fpm_lot_park(fpm_lot *lot, fpm_connection *connection, int64_t deadline)
{
    if (!stage_input(connection)) {
        fpm_lot_close(lot, connection);
        return false;
    }
    return park(lot, connection, deadline);
}

/* ---- the control thread's ---- */

/* Close a parked connection whose deadline is past, or (now = 0) one that has nothing to do. */
static bool close_parked(fpm_lot *lot, fpm_connection *connection, int64_t now)
{
    uint32_t word = atomic_load_explicit(&connection->word, memory_order_acquire);
    uint32_t generation = word & ~(uint32_t)STATE_MASK;
    char byte;
    if ((word & STATE_MASK) != STATE_PARKED
        || (now != 0 && atomic_load_explicit(&connection->deadline, memory_order_relaxed) > now)
        || !change(connection, generation, STATE_PARKED, STATE_HELD)) {
        return false;
    }
    /* Without a deadline only those that were answered and ask nothing now. */
    if (now == 0 && (connection->bytes_sent == 0 || connection->staged_size > 0
            || recv(connection->file, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)) {
        atomic_fetch_sub_explicit(&lot->parked_count, 1, memory_order_relaxed);
        (void)park(lot, connection,
            atomic_load_explicit(&connection->deadline, memory_order_relaxed));
        return false;
    }
    atomic_fetch_sub_explicit(&lot->parked_count, 1, memory_order_relaxed);
    fpm_lot_close(lot, connection);
    return true;
}

static unsigned int sweep(fpm_lot *lot, int64_t now)
{
    unsigned int closed = 0;
    pthread_mutex_lock(&lot->mutex);
    uint32_t count = lot->used_count;
    pthread_mutex_unlock(&lot->mutex);
    for (uint32_t index = 0; index < count; index++) {
        closed += close_parked(lot, &lot->connections[index], now);
    }
    arm_listening(lot);
    return closed;
}

unsigned int fpm_lot_sweep(fpm_lot *lot, int64_t now)
{
    return sweep(lot, now);
}

unsigned int fpm_lot_sweep_idle(fpm_lot *lot)
{
    return sweep(lot, 0);
}

void fpm_lot_stop_listening(fpm_lot *lot)
{
    atomic_store_explicit(&lot->is_listening, false, memory_order_relaxed);
    (void)epoll_ctl(lot->set, EPOLL_CTL_DEL, lot->listen_file, NULL);
}

/* Each event that is taken comes again behind those that wait already: their order stays. */
void fpm_lot_note_waiting(fpm_lot *lot, int64_t deadline)
{
    enum { EVENT_COUNT = 64 };
    struct epoll_event events[EVENT_COUNT];
    fpm_connection *connection;
    int count = epoll_wait(lot->set, events, EVENT_COUNT, 0);
    for (int index = 0; index < count; index++) {
        if (events[index].data.u64 == listen_event) {
            while (accept_one(lot, &connection) == FPM_LOT_ACCEPTED) {
                connection->waiting_since = connection->accepted_at;
                (void)fpm_lot_park(lot, connection, deadline);
            }
        } else if (take_parked(lot, events[index].data.u64, &connection)) {
            if (connection->waiting_since == 0) {
                connection->waiting_since = fpm_clock_ns();
            }
            (void)park(lot, connection,
                atomic_load_explicit(&connection->deadline, memory_order_relaxed));
        }
    }
}

bool fpm_lot_has_waiting(const fpm_lot *lot)
{
    struct pollfd file = { .fd = lot->set, .events = POLLIN };
    return poll(&file, 1, 0) > 0;
}

void fpm_lot_accept_all(fpm_lot *lot, int64_t deadline)
{
    fpm_connection *connection;
    while (accept_one(lot, &connection) == FPM_LOT_ACCEPTED) {
        (void)fpm_lot_park(lot, connection, deadline);
    }
}
