/* options.h: the command line of tsrmalloc-fpm, php-fpm's. */
#ifndef TSRMALLOC_FPM_OPTIONS_H
#define TSRMALLOC_FPM_OPTIONS_H

#include <stdbool.h>

typedef enum fpm_action {
    FPM_ACTION_SERVE,
    FPM_ACTION_TEST,            /* -t */
    FPM_ACTION_TEST_AND_DUMP,   /* -tt */
    FPM_ACTION_EXIT,            /* said what was asked for: exit_status */
} fpm_action;

typedef struct fpm_options {
    fpm_action action;
    int exit_status;
    const char *config;         /* -y */
    const char *prefix;         /* -p */
    const char *pid;            /* -g; NULL: the directive */
    int daemonize;              /* -D: 1, -F: 0, neither: -1 */
    bool force_stderr;          /* -O */
    bool allow_root;            /* -R */
} fpm_options;

/* -d directives are set here. What is wrong is said on stderr. */
fpm_options fpm_options_parse(int count, char **arguments);

#endif
