/* listener.h: a listening socket and the connections that came through it. It outlives a reload. */
#ifndef TSRMALLOC_FPM_LISTENER_H
#define TSRMALLOC_FPM_LISTENER_H

#include "fpm/conf.h"
#include "fpm/lot.h"

typedef struct fpm_listener {
    struct fpm_listener *next;
    char *address;              /* as in the configuration */
    int file;
    bool is_inherited;          /* the service manager made it: its path is not ours to remove */
    bool is_in_use;             /* control thread: the current configuration has it */
    bool is_watched;            /* control thread: its set wakes the control thread */
    unsigned int pool_count;    /* control thread: pools that still use it, leaving ones included */
    fpm_lot lot;
} fpm_listener;

/* Make the socket of a pool, or take the one that the service manager passed for its address. NULL:
 * logged. Main thread, before privileges are dropped; control thread for a reload. */
fpm_listener *fpm_listener_open(const fpm_conf_pool *conf) __attribute__((warn_unused_result));
/* Close everything; a unix socket's path is removed when nobody else has it by now. */
void fpm_listener_close(fpm_listener *listener);

/* The port or path is right, and so are owner, group, mode and the access lists; false: logged. */
bool fpm_listener_check(const fpm_conf_pool *conf) __attribute__((warn_unused_result));

/* Connections that wait to be accepted, and how many may. false: the system does not tell. */
bool fpm_listener_queue(const fpm_listener *listener, unsigned int *waiting, unsigned int *size);

#endif
