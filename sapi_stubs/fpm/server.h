/* server.h: the control thread: signals, ticks, pools, reload, the end. */
#ifndef TSRMALLOC_FPM_SERVER_H
#define TSRMALLOC_FPM_SERVER_H

#include "fpm/options.h"
#include "fpm/pool_internal.h"

/* php-fpm's order: a later state is never left for an earlier one. */
typedef enum fpm_server_state {
    FPM_SERVER_NORMAL,
    FPM_SERVER_FINISHING,       /* QUIT: answer what is there, then end */
    FPM_SERVER_TERMINATING,     /* TERM, INT: end now */
} fpm_server_state;

/* Main thread only; workers see their pool. */
typedef struct fpm_server {
    const fpm_options *options;
    fpm_conf *conf;
    fpm_server_state state;
    uint64_t state_since;           /* nanoseconds */
    fpm_listener *listeners;
    fpm_pool *pools;                /* of the current configuration first, then leaving ones */
    fpm_pool *prepared;             /* not yet running, of prepared_conf */
    fpm_conf *prepared_conf;
    struct fpm_old_conf *old_confs; /* of which pools are left */
    int set;                        /* epoll: all of the following */
    int signal_file, timer_file, ended_event;
    int control_file;               /* -1: no control.listen */
    bool is_over;
    uint64_t next_tick;             /* nanoseconds: of the process manager, once a second */
    uint64_t next_notify;
} fpm_server;

/* Open what the configuration names: sockets, logs, the control thread's descriptors. With the
 * rights that the process was started with. false: logged, nothing is left open. */
bool fpm_server_open(fpm_server *server, const fpm_options *options, fpm_conf *conf)
    __attribute__((warn_unused_result));
/* Start the workers and serve until told to end. Returns the exit status; everything but the
 * configuration is gone then. */
int fpm_server_run(fpm_server *server);

/* server_pools.c: the pools of a configuration, with their sockets and logs, not yet running. NULL:
 * logged, nothing is left of them. */
fpm_pool *fpm_server_prepare(fpm_server *server, const fpm_conf *conf)
    __attribute__((warn_unused_result));
/* Start them in place of those that run. false: logged, and those that run go on. */
bool fpm_server_commit(fpm_server *server, fpm_conf *conf, fpm_pool *pools)
    __attribute__((warn_unused_result));
/* What php-fpm says when its workers run. */
void fpm_server_report(const fpm_server *server);
/* Free pools, listeners and configurations that nothing runs under any more. */
void fpm_server_drop_unused(fpm_server *server);
/* USR2 */
void fpm_server_reload(fpm_server *server);
/* USR1 */
void fpm_server_reopen_logs(fpm_server *server);
unsigned int fpm_server_thread_count(const fpm_server *server);
/* What process.max leaves. */
unsigned int fpm_server_room(const fpm_server *server);

/* control_socket.c: commands of tsrmalloc-fpmctl. */
bool fpm_control_open(fpm_server *server, const fpm_conf *conf) __attribute__((warn_unused_result));
void fpm_control_close(fpm_server *server);
void fpm_control_answer(fpm_server *server);
/* control_commands.c: the answer to a line goes to `out`; `file` is the client's. */
void fpm_control_run(fpm_server *server, int file, FILE *out, char *line);

#endif
