/* allowed: the addresses of listen.allowed_clients.
 * Owns        the list. Reported apart, since php-fpm's workers do so when the server runs.
 * Thread      made and freed by the control thread, read by any.
 * Invariants  I1  a list without one right address allows nobody
 * Failure     a wrong address is logged and allows nothing.
 * Tests       tests/fpm/sockets.sh */
#include "config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "fpm/log.h"
#include "fpm/pool_internal.h"

struct fpm_allowed {
    size_t count;
    char addresses[][INET6_ADDRSTRLEN];     /* as inet_ntop writes them */
};

/* The way in which the address of a peer is written. */
static bool normalize(const char *text, char address[INET6_ADDRSTRLEN])
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, text, &four) == 1) {
        return inet_ntop(AF_INET, &four, address, INET6_ADDRSTRLEN) != NULL;
    }
    if (inet_pton(AF_INET6, text, &six) != 1) {
        return false;
    }
    if (IN6_IS_ADDR_V4MAPPED(&six)) {
        return inet_ntop(AF_INET, &six.s6_addr[12], address, INET6_ADDRSTRLEN) != NULL;
    }
    return inet_ntop(AF_INET6, &six, address, INET6_ADDRSTRLEN) != NULL;
}

static size_t count_addresses(const char *list)
{
    size_t count = 1;
    for (; *list != '\0'; list++) {
        count += *list == ',';
    }
    return count;
}

struct fpm_allowed *fpm_allowed_new(const char *list, const char *pool, bool *failed)
{
    *failed = false;
    if (list == NULL || *list == '\0') {
        return NULL;
    }
    struct fpm_allowed *allowed = calloc(1,
        sizeof(*allowed) + count_addresses(list) * INET6_ADDRSTRLEN);
    char *copy = strdup(list);
    if (allowed == NULL || copy == NULL) {
        fpm_log(FPM_LOG_ERROR, pool, "no memory for listen.allowed_clients");
        free(allowed);
        free(copy);
        *failed = true;
        return NULL;
    }
    char *rest = NULL;
    for (char *word = strtok_r(copy, ", \t", &rest); word != NULL;
        word = strtok_r(NULL, ", \t", &rest)) {
        allowed->count += normalize(word, allowed->addresses[allowed->count]);
    }
    free(copy);
    return allowed;
}

void fpm_allowed_report(const fpm_pool *pool)
{
    char address[INET6_ADDRSTRLEN];
    char *rest = NULL;
    char *copy = pool->allowed != NULL ? strdup(pool->conf->listen_allowed_clients) : NULL;
    if (copy == NULL) {
        return;
    }
    for (char *word = strtok_r(copy, ", \t", &rest); word != NULL;
        word = strtok_r(NULL, ", \t", &rest)) {
        if (!normalize(word, address)) {
            fpm_worker_say(pool, 0, FPM_LOG_ERROR,
                "Wrong IP address '%s' in listen.allowed_clients", word);
        }
    }
    if (pool->allowed->count == 0) {
        fpm_worker_say(pool, 0, FPM_LOG_ERROR, "There are no allowed addresses");
    }
    free(copy);
}

void fpm_allowed_free(struct fpm_allowed *allowed)
{
    free(allowed);
}

bool fpm_allowed_has(const struct fpm_allowed *allowed, const char *address)
{
    /* A unix socket has its mode instead. */
    if (allowed == NULL || *address == '\0') {
        return true;
    }
    for (size_t index = 0; index < allowed->count; index++) {
        if (strcmp(allowed->addresses[index], address) == 0) {
            return true;
        }
    }
    return false;
}
