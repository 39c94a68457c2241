/* daemon.h: into the background, and the pid file. */
#ifndef TSRMALLOC_FPM_DAEMON_H
#define TSRMALLOC_FPM_DAEMON_H

#include <stdbool.h>

/* Goes on in a child without a terminal. The parent waits for fpm_daemon_ready() and exits: with 0
 * if that came, with 70 if the child ended without. false: logged, nothing happened. Main thread,
 * while there is no other. */
bool fpm_daemon_begin(void) __attribute__((warn_unused_result));
/* Tell the parent that the server is up, and close stdin, stdout and stderr. */
void fpm_daemon_ready(void);

/* `path` may be NULL. false: logged. */
bool fpm_pid_write(const char *path) __attribute__((warn_unused_result));
void fpm_pid_remove(const char *path);

/* Tell the service manager (sd_notify(3)) if there is one. */
void fpm_notify(const char *state);
/* Nanoseconds between two signs of life that it wants; 0 = none. */
unsigned long long fpm_notify_watchdog(void);

#endif
