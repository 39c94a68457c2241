/* fastcgi_load: the clients and their loop.
 * Owns        the connections, the epoll set, the request's bytes.
 * Thread      one.
 * Invariants  I1  a client has one request on its way, or none
 *             I2  requests begun = good answers + errors, when the run is over
 * Failure     an answer that is not good is counted, and its connection made anew.
 * Tests       tests/fpm/load.sh
 */
#include "config.h"

#include "bench/fastcgi_load.h"

#include <errno.h>
#include <sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/clock.h"

enum { EVENT_COUNT = 256, READ_SIZE = 64 * 1024, TICK_MS = 100, EXIT_USAGE = 64,
       EXIT_SYSTEM = 71 };
enum { PAUSE_REST = 16 };       /* behind the pause: bytes of the body, or padding; its end */

typedef enum client_state {
    CLIENT_OFF,                 /* begins anew with the next tick */
    CLIENT_SENDING,
    CLIENT_READING,
    CLIENT_RESTING,             /* nothing is asked; a connection may be open */
} client_state;

typedef struct client {
    int connection;             /* -1: none */
    client_state state;
    size_t sent;
    double begin;               /* nanoseconds */
    double resume;              /* when the rest is sent; 0: all may be */
    load_answer answer;
} client;

typedef struct load {
    const load_options *options;
    load_result *result;
    client *clients;            /* the idle ones stand behind the others */
    size_t client_count;
    int events;
    uint8_t *request;
    size_t request_size;
    uint64_t begun;
    unsigned int busy;
    double begin;               /* nanoseconds */
    bool is_warming_up;         /* the idle connections are made: nothing is counted but errors */
    bool any_answer;
    uint64_t body_size, body_hash;      /* of every answer */
} load;

const char *const load_error_names[LOAD_ERROR_COUNT] = { "good", "connect", "closed", "protocol",
    "status", "body", "timeout" };

static void start(load *load, client *own);

/* ---- connections ---- */

static void disconnect(client *own)
{
    if (own->connection >= 0) {
        close(own->connection);
        own->connection = -1;
    }
}

static bool watch(load *load, client *own, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = own };
    return epoll_ctl(load->events, operation, own->connection, &event) == 0;
}

/* A Unix socket connects while this waits, since it cannot do so later; TCP goes on by itself. */
static bool connect_client(load *load, client *own)
{
    int family = load->options->address.ss_family, on = 1;
    int flags = family == AF_UNIX ? SOCK_CLOEXEC : SOCK_CLOEXEC | SOCK_NONBLOCK;
    own->connection = socket(family, SOCK_STREAM | flags, 0);
    if (own->connection < 0) {
        return false;
    }
    if (family != AF_UNIX) {
        (void)setsockopt(own->connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return (connect(own->connection, (const struct sockaddr *)&load->options->address,
        load->options->address_size) == 0 || errno == EINPROGRESS) &&
        watch(load, own, EPOLL_CTL_ADD, EPOLLIN);
}

/* ---- requests ---- */

/* All is asked, or nobody is there to be asked. */
static bool is_over(const load *load)
{
    const load_options *options = load->options;
    const uint64_t *errors = load->result->errors;
    bool nobody = errors[LOAD_GOOD] == 0 && errors[LOAD_CONNECT] >= options->clients;
    return nobody || (options->requests > 0 ? load->begun >= options->requests :
        bench_wall_time() - load->begin >= options->seconds * 1e9);
}

/* A request has failed. Its client rests until the next tick: a server that refuses everything at
 * once would keep an eager one from ever returning. */
static void fail(load *load, client *own, load_error error)
{
    load->busy--;
    load->result->errors[error]++;
    disconnect(own);
    own->state = CLIENT_OFF;
}

/* A request has its answer. The client goes on unless all is asked. */
static void finish(load *load, client *own)
{
    load->busy--;
    own->state = CLIENT_RESTING;
    if (!load->is_warming_up) {
        load->result->errors[LOAD_GOOD]++;
        load_latency_add(&load->result->latency, (uint64_t)(bench_wall_time() - own->begin));
        load->result->body_bytes += own->answer.body_size;
        if (!load->options->keep_alive) {
            disconnect(own);
        }
    }
    if (!load->is_warming_up && !is_over(load)) {
        start(load, own);
    }
}

static load_error check_answer(load *load, const load_answer *answer)
{
    if (load_answer_status(answer) != load->options->status) {
        return LOAD_STATUS;
    }
    if (load->options->may_differ) {
        return LOAD_GOOD;
    }
    if (!load->any_answer) {
        load->any_answer = true;
        load->body_size = answer->body_size;
        load->body_hash = answer->body_hash;
    }
    return answer->body_size == load->body_size && answer->body_hash == load->body_hash ?
        LOAD_GOOD : LOAD_BODY;
}

/* Send what is left of the request. */
static void send_some(load *load, client *own)
{
    size_t end = load->request_size - (own->resume > 0 ? PAUSE_REST : 0);
    while (own->sent < end) {
        ssize_t size = send(own->connection, load->request + own->sent, end - own->sent,
            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINTR)) {
            if (own->state != CLIENT_SENDING) {
                own->state = CLIENT_SENDING;
                (void)watch(load, own, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            }
            return;
        }
        if (size < 0) {
            fail(load, own, own->sent == 0 ? LOAD_CONNECT : LOAD_CLOSED);
            return;
        }
        own->sent += (size_t)size;
    }
    if (own->state == CLIENT_SENDING) {
        (void)watch(load, own, EPOLL_CTL_MOD, EPOLLIN);
    }
    own->state = CLIENT_READING;
}

static void start(load *load, client *own)
{
    load->begun++;
    load->busy++;
    own->begin = bench_wall_time();
    own->resume = load->options->pause > 0 ? own->begin + load->options->pause * 1e6 : 0;
    own->sent = 0;
    own->state = CLIENT_READING;
    load_answer_begin(&own->answer);
    if (own->connection < 0 && !connect_client(load, own)) {
        fail(load, own, LOAD_CONNECT);
        return;
    }
    send_some(load, own);
}

static void read_some(load *load, client *own)
{
    static uint8_t buffer[READ_SIZE];
    ssize_t size = recv(own->connection, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (own->state == CLIENT_RESTING) {
        disconnect(own);
        return;
    }
    if (size <= 0) {
        fail(load, own, size < 0 && errno == ECONNREFUSED ? LOAD_CONNECT : LOAD_CLOSED);
        return;
    }
    load_error error = load_answer_take(&own->answer, buffer, (size_t)size);
    if (error == LOAD_GOOD && own->answer.is_complete) {
        error = check_answer(load, &own->answer);
    }
    if (error != LOAD_GOOD) {
        fail(load, own, error);
    } else if (own->answer.is_complete) {
        finish(load, own);
    }
}

/* ---- the loop ---- */

/* Clients that could not connect try again; those that wait too long give up. */
static void tick(load *load)
{
    double now = bench_wall_time();
    for (size_t index = 0; index < load->client_count; index++) {
        client *own = &load->clients[index];
        bool is_busy = own->state == CLIENT_SENDING || own->state == CLIENT_READING;
        if (is_busy && now - own->begin > load->options->timeout * 1e9) {
            fail(load, own, LOAD_TIMEOUT);
        } else if (own->state == CLIENT_OFF && index < load->options->clients &&
            !load->is_warming_up && !is_over(load)) {
            start(load, own);
        }
    }
}

/* Clients whose pause is over send the rest. */
static void resume(load *load)
{
    double now = bench_wall_time();
    for (size_t index = 0; index < load->client_count; index++) {
        client *own = &load->clients[index];
        if (own->state == CLIENT_READING && own->resume > 0 && own->resume <= now) {
            own->resume = 0;
            send_some(load, own);
        }
    }
}

static void wait_for_events(load *load)
{
    struct epoll_event events[EVENT_COUNT];
    /* One client alone looks again and again: being woken would take longer than the answer. */
    int patience = load->options->clients == 1 && load->options->idle == 0 ? 0 :
        load->options->pause > 0 ? 1 : TICK_MS;
    int count = epoll_wait(load->events, events, EVENT_COUNT, patience);
    if (count == 0 && patience == 0) {
        sched_yield();
    }
    if (load->options->pause > 0) {
        resume(load);
    }
    for (int index = 0; index < count; index++) {
        client *own = events[index].data.ptr;
        if (own->state == CLIENT_SENDING && (events[index].events & EPOLLOUT) != 0) {
            send_some(load, own);
        }
        if ((events[index].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 &&
            own->connection >= 0) {
            read_some(load, own);
        }
    }
}

/* Until nothing is asked any more. */
static void run_clients(load *load, size_t first, size_t count, size_t together)
{
    size_t next = first;
    double last_tick = load->begin = bench_wall_time();
    load->begun = 0;
    for (;;) {
        while (next < first + count && load->busy < together &&
            (load->is_warming_up || !is_over(load))) {
            start(load, &load->clients[next++]);
        }
        bool may_start = !load->is_warming_up && !is_over(load);
        if (load->busy == 0 && !may_start && (next == first + count || !load->is_warming_up)) {
            break;
        }
        wait_for_events(load);
        if (bench_wall_time() - last_tick > TICK_MS * 1e6) {
            tick(load);
            last_tick = bench_wall_time();
        }
    }
}

static bool make_clients(load *load)
{
    struct rlimit files;
    load->client_count = (size_t)load->options->clients + load->options->idle;
    load->clients = calloc(load->client_count, sizeof *load->clients);
    load->events = epoll_create1(EPOLL_CLOEXEC);
    load->request = load_request_make(load->options, &load->request_size);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    for (size_t index = 0; load->clients != NULL && index < load->client_count; index++) {
        load->clients[index].connection = -1;
        load->clients[index].answer.head = malloc(LOAD_HEADER_SIZE_MAX);
        if (load->clients[index].answer.head == NULL) {
            return false;
        }
    }
    return load->clients != NULL && load->events >= 0 && load->request != NULL;
}

static void free_clients(load *load)
{
    for (size_t index = 0; load->clients != NULL && index < load->client_count; index++) {
        disconnect(&load->clients[index]);
        free(load->clients[index].answer.head);
    }
    free(load->clients);
    free(load->request);
    if (load->events >= 0) {
        close(load->events);
    }
}

bool load_run(const load_options *options, load_result *result)
{
    enum { WARMING_UP_TOGETHER = 32 };
    load load = { .options = options, .result = result, .events = -1 };
    *result = (load_result){ 0 };
    if (options->expected != NULL) {
        load.any_answer = true;
        load.body_size = strlen(options->expected);
        load.body_hash = load_hash(LOAD_HASH_SEED, options->expected, load.body_size);
    }
    bool good = make_clients(&load);
    if (good) {
        load.is_warming_up = true;
        run_clients(&load, options->clients, options->idle, WARMING_UP_TOGETHER);
        load.is_warming_up = false;
        run_clients(&load, 0, options->clients, options->clients);
        result->seconds = (bench_wall_time() - load.begin) / 1e9;
        /* A connection that the server closed meanwhile tells so now. */
        tick(&load);
        wait_for_events(&load);
        for (size_t index = options->clients; index < load.client_count; index++) {
            result->idle_open += load.clients[index].connection >= 0;
        }
        good = result->latency.count > 0 || result->errors[LOAD_CONNECT] == 0;
    }
    free_clients(&load);
    return good;
}

int main(int argc, char **argv)
{
    static load_result result;
    load_options options;
    bool only_help;
    if (!load_options_parse(argc, argv, &options, &only_help)) {
        return EXIT_USAGE;
    }
    if (only_help) {
        return 0;
    }
    if (!load_run(&options, &result)) {
        fprintf(stderr, "tsrmalloc-fcgi-load: %s: no connection, or no memory\n",
            options.address_text);
        return EXIT_SYSTEM;
    }
    load_report(&options, &result, stdout);
    uint64_t failed = options.idle - result.idle_open;
    for (unsigned int error = 1; error < LOAD_ERROR_COUNT; error++) {
        failed += result.errors[error];
    }
    return failed > 0 || result.latency.count == 0;
}
