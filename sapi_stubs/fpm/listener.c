/* listener: listening sockets.
 * Owns        the sockets it made, and the paths of unix ones.
 * Thread      main thread; control thread for a reload.
 * Invariants  I1  a path on which somebody answers is never taken from them
 *             I2  a unix socket has its owner and mode before anybody can connect to it
 * Failure     NULL, logged, nothing is left open.
 * Tests       tests/fpm/sockets.sh */
#include "config.h"

#include "fpm/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/listener_acl.h"
#include "fpm/log.h"
#include "fpm/queue_length.h"

enum { SOCKETS_BEGIN = 3 };     /* SD_LISTEN_FDS_START of sd_listen_fds(3) */

typedef struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
        struct sockaddr_un local;
    } socket;
    socklen_t size;
    bool is_port_only;          /* every address of both families, or of IPv4 alone */
} address;

typedef struct ownership {
    uid_t user;                 /* -1: as it is made */
    gid_t group;
    mode_t mode;
} ownership;

/* ---- the text of an address ---- */

static bool parse_port(const char *text, in_port_t *port)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || number < 1 || number > 65535) {
        fpm_log(FPM_LOG_ERROR, NULL, "invalid port value '%s'", text);
        return false;
    }
    *port = htons((uint16_t)number);
    return true;
}

static bool parse_local(const fpm_conf_pool *conf, address *result)
{
    size_t size = strlen(conf->listen);
    if (size >= sizeof(result->socket.local.sun_path)) {
        fpm_log(FPM_LOG_ERROR, conf->name, "listen = %s: a socket's path has at most %zu bytes",
            conf->listen, sizeof(result->socket.local.sun_path) - 1);
        return false;
    }
    result->socket.local.sun_family = AF_UNIX;
    memcpy(result->socket.local.sun_path, conf->listen, size + 1);
    result->size = sizeof(result->socket.local);
    return true;
}

static bool resolve(const fpm_conf_pool *conf, const char *host, address *result)
{
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;
    int error = getaddrinfo(host, NULL, &wanted, &found);
    if (error != 0) {
        fpm_log(FPM_LOG_ERROR, conf->name, "getaddrinfo: %s: listen = %s", gai_strerror(error),
            conf->listen);
        return false;
    }
    memcpy(&result->socket, found->ai_addr, found->ai_addrlen);
    result->size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static void set_any_six(address *result)
{
    result->socket.six.sin6_family = AF_INET6;
    result->socket.six.sin6_addr = in6addr_any;
    result->size = sizeof(result->socket.six);
}

/* /path, port, host:port, [address]:port. */
static bool parse_address(const fpm_conf_pool *conf, address *result)
{
    char host[NI_MAXHOST];
    in_port_t port;
    *result = (address){ 0 };
    if (*conf->listen == '/') {
        return parse_local(conf, result);
    }
    const char *colon = strrchr(conf->listen, ':');
    if (!parse_port(colon != NULL ? colon + 1 : conf->listen, &port)) {
        return false;
    }
    if (colon == NULL || colon == conf->listen) {
        result->is_port_only = true;
        set_any_six(result);
    } else {
        bool brackets = *conf->listen == '[' && colon[-1] == ']';
        size_t size = (size_t)(colon - conf->listen) - 2 * brackets;
        if (size >= sizeof(host)) {
            fpm_log(FPM_LOG_ERROR, conf->name, "listen = %s: the host is too long", conf->listen);
            return false;
        }
        memcpy(host, conf->listen + brackets, size);
        host[size] = '\0';
        if (!resolve(conf, host, result)) {
            return false;
        }
    }
    /* The port is at the same place in both families. */
    result->socket.four.sin_port = port;
    return true;
}

/* ---- owner and mode ---- */

static bool is_number(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static bool find_owner(const fpm_conf_pool *conf, ownership *result)
{
    *result = (ownership){ .user = (uid_t)-1, .group = (gid_t)-1, .mode = 0660 };
    if (conf->listen_owner != NULL && is_number(conf->listen_owner)) {
        result->user = (uid_t)strtoul(conf->listen_owner, NULL, 10);
    } else if (conf->listen_owner != NULL) {
        errno = 0;
        const struct passwd *user = getpwnam(conf->listen_owner);
        if (user == NULL) {
            fpm_log_errno(FPM_LOG_ERROR, conf->name, "cannot get uid for user '%s'",
                conf->listen_owner);
            return false;
        }
        result->user = user->pw_uid;
        result->group = user->pw_gid;
    }
    if (conf->listen_group != NULL && is_number(conf->listen_group)) {
        result->group = (gid_t)strtoul(conf->listen_group, NULL, 10);
    } else if (conf->listen_group != NULL) {
        errno = 0;
        const struct group *group = getgrnam(conf->listen_group);
        if (group == NULL) {
            fpm_log_errno(FPM_LOG_ERROR, conf->name, "cannot get gid for group '%s'",
                conf->listen_group);
            return false;
        }
        result->group = group->gr_gid;
    }
    return true;
}

static bool find_mode(const fpm_conf_pool *conf, ownership *result)
{
    char *end;
    if (conf->listen_mode == NULL) {
        return true;
    }
    unsigned long mode = strtoul(conf->listen_mode, &end, 8);
    if (end == conf->listen_mode || *end != '\0' || mode > 0777) {
        fpm_log(FPM_LOG_ERROR, conf->name, "listen.mode = %s: an octal number up to 0777 was "
            "expected", conf->listen_mode);
        return false;
    }
    result->mode = (mode_t)mode;
    return true;
}

bool fpm_listener_check(const fpm_conf_pool *conf)
{
    address where;
    ownership owner;
    return parse_address(conf, &where) && find_owner(conf, &owner) && find_mode(conf, &owner)
        && fpm_listener_check_acl(conf);
}

/* ---- making the socket ---- */

/* A path that nobody answers on is left from a server that died. */
static bool remove_dead(const fpm_conf_pool *conf, const address *where)
{
    struct stat status;
    if (lstat(conf->listen, &status) != 0) {
        return true;
    }
    if (!S_ISSOCK(status.st_mode)) {
        fpm_log(FPM_LOG_ERROR, conf->name, "listen = %s: something that is no socket is there",
            conf->listen);
        return false;
    }
    int test = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = test >= 0 && connect(test, &where->socket.any, where->size) == 0;
    if (test >= 0) {
        close(test);
    }
    if (answers) {
        fpm_log(FPM_LOG_ERROR, conf->name,
            "An another FPM instance seems to already listen on %s", conf->listen);
        return false;
    }
    return unlink(conf->listen) == 0;
}

/* The umask gives the mode, so that the socket never has more rights than that. */
static bool bind_local(const fpm_conf_pool *conf, int file, const address *where,
    const ownership *owner)
{
    mode_t before = umask(0777 & ~owner->mode);
    bool done = bind(file, &where->socket.any, where->size) == 0;
    umask(before);
    bool has_owner = !fpm_listener_has_acl(conf)
        && (owner->user != (uid_t)-1 || owner->group != (gid_t)-1);
    if (done && has_owner && chown(conf->listen, owner->user, owner->group) != 0) {
        fpm_log_errno(FPM_LOG_ERROR, conf->name, "failed to chown() the socket '%s'",
            conf->listen);
        unlink(conf->listen);
        return false;
    }
    if (done && !fpm_listener_apply_acl(conf)) {
        unlink(conf->listen);
        return false;
    }
    if (!done) {
        fpm_log_errno(FPM_LOG_ERROR, conf->name, "unable to bind listening socket for address "
            "'%s'", conf->listen);
    }
    return done;
}

static int bind_port(const fpm_conf_pool *conf, const address *where)
{
    int file = socket(where->socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, off = 0;
    if (file < 0) {
        return -1;
    }
    (void)setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  /* inherited by accept */
    if (where->socket.any.sa_family == AF_INET6) {
        (void)setsockopt(file, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(file, &where->socket.any, where->size) != 0) {
        int error = errno;
        if (!where->is_port_only || where->socket.any.sa_family == AF_INET) {
            fpm_log_errno(FPM_LOG_ERROR, NULL, "unable to bind listening socket for address '%s'",
                conf->listen);
        }
        close(file);
        errno = error;
        return -1;
    }
    return file;
}

/* A port alone means every address; where :: cannot be had, those of IPv4. */
static int open_port(const fpm_conf_pool *conf, address *where)
{
    int file = bind_port(conf, where);
    if (file >= 0 || !where->is_port_only) {
        return file;
    }
    in_port_t port = where->socket.six.sin6_port;
    fpm_log(FPM_LOG_NOTICE, NULL, "Failed implicitly binding to ::, retrying with 0.0.0.0");
    where->socket.four = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
    where->size = sizeof(where->socket.four);
    return bind_port(conf, where);
}

static int open_local(const fpm_conf_pool *conf, const address *where)
{
    ownership owner;
    if (!find_owner(conf, &owner) || !find_mode(conf, &owner) || !remove_dead(conf, where)) {
        return -1;
    }
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file >= 0 && !bind_local(conf, file, where, &owner)) {
        close(file);
        return -1;
    }
    return file;
}

/* ---- sockets of the service manager ---- */

static bool same_address(const address *one, const address *other)
{
    if (one->socket.any.sa_family != other->socket.any.sa_family) {
        return false;
    }
    if (one->socket.any.sa_family == AF_UNIX) {
        return strcmp(one->socket.local.sun_path, other->socket.local.sun_path) == 0;
    }
    return one->size == other->size
        && memcmp(&one->socket, &other->socket, one->size) == 0;
}

static bool is_passed(int file, const address *where)
{
    address passed = { .size = sizeof(passed.socket) };
    int listens = 0;
    socklen_t size = sizeof(listens);
    return getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens
        && getsockname(file, &passed.socket.any, &passed.size) == 0
        && same_address(where, &passed);
}

/* The passed socket of that address, or -1: standard input, as web servers and spawn-fcgi(1) start
 * a FastCGI program, or as in sd_listen_fds(3). */
static int find_passed(const address *where)
{
    if (is_passed(STDIN_FILENO, where)) {
        /* A server in the background has another standard input. */
        return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, SOCKETS_BEGIN);
    }
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid()) {
        return -1;
    }
    int end = SOCKETS_BEGIN + atoi(count);
    for (int file = SOCKETS_BEGIN; file < end; file++) {
        if (is_passed(file, where)) {
            return file;
        }
    }
    return -1;
}

/* It may come blocking, with which an accept(2) that somebody else was faster for would wait. */
static bool adopt(int file)
{
    int flags = fcntl(file, F_GETFL);
    return flags >= 0 && fcntl(file, F_SETFL, flags | O_NONBLOCK) == 0
        && fcntl(file, F_SETFD, FD_CLOEXEC) == 0;
}

/* ---- the listener ---- */

static int open_socket(const fpm_conf_pool *conf, bool *is_inherited)
{
    address where;
    if (!parse_address(conf, &where)) {
        return -1;
    }
    int file = find_passed(&where);
    *is_inherited = file >= 0;
    if (*is_inherited && !adopt(file)) {
        fpm_log_errno(FPM_LOG_ERROR, conf->name, "the passed socket cannot be used");
        return -1;
    }
    if (file < 0) {
        file = where.socket.any.sa_family == AF_UNIX ? open_local(conf, &where)
                                                     : open_port(conf, &where);
    }
    if (file < 0) {
        return -1;
    }
    int backlog = conf->listen_backlog >= 0 ? conf->listen_backlog : INT_MAX;
    if (listen(file, backlog) != 0) {
        fpm_log_errno(FPM_LOG_ERROR, conf->name, "failed to listen to address '%s'",
            conf->listen);
        close(file);
        return -1;
    }
    return file;
}

fpm_listener *fpm_listener_open(const fpm_conf_pool *conf)
{
    fpm_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL || (listener->address = strdup(conf->listen)) == NULL) {
        fpm_log(FPM_LOG_ERROR, conf->name, "no memory for its socket");
        goto fail_memory;
    }
    listener->file = open_socket(conf, &listener->is_inherited);
    if (listener->file < 0) {
        goto fail_open;
    }
    if (!fpm_lot_init(&listener->lot, listener->file, (uint32_t)conf->pm_max_connections)) {
        fpm_log_errno(FPM_LOG_ERROR, conf->name, "no epoll set for its connections");
        goto fail_lot;
    }
    return listener;
fail_lot:
    close(listener->file);
fail_open:
    free(listener->address);
fail_memory:
    free(listener);
    return NULL;
}

void fpm_listener_close(fpm_listener *listener)
{
    fpm_lot_free(&listener->lot);
    close(listener->file);
    if (*listener->address == '/' && !listener->is_inherited) {
        unlink(listener->address);
    }
    free(listener->address);
    free(listener);
}

bool fpm_listener_queue(const fpm_listener *listener, unsigned int *waiting, unsigned int *size)
{
    struct tcp_info info;
    socklen_t info_size = sizeof(info);
    if (*listener->address == '/') {
        return fpm_queue_length_unix(listener->file, waiting, size);
    }
    if (getsockopt(listener->file, IPPROTO_TCP, TCP_INFO, &info, &info_size) != 0) {
        return false;
    }
    *waiting = info.tcpi_unacked;
    *size = info.tcpi_sacked;
    return true;
}
