/* pm.h: php-fpm's rules of how many workers a pool has, as a function of what is seen at a tick. */
#ifndef TSRMALLOC_FPM_PM_H
#define TSRMALLOC_FPM_PM_H

#include <stdbool.h>
#include <stdint.h>

#include "fpm/conf.h"

/* What a pool remembers between two ticks; begins as zeros. */
typedef struct fpm_pm_memory {
    int spawn_rate;             /* dynamic: started at once; doubles while it is not enough */
    bool max_was_reached;       /* dynamic, ondemand: it was said already */
} fpm_pm_memory;

/* What is seen at a tick. Workers that were told to leave are not counted. */
typedef struct fpm_pm_view {
    int idle_count;
    int active_count;           /* all that are not idle */
    int64_t oldest_idle;        /* milliseconds that the longest waiting idle worker waits */
    bool is_waiting;            /* a connection waits for a worker */
} fpm_pm_view;

typedef struct fpm_pm_action {
    int start_count;            /* workers to start */
    bool end_idle;              /* tell one idle worker to leave: the one that started first
                                 * (dynamic), the one that waits longest (ondemand) */
    bool reached_max;           /* more would be started, but pm.max_children are there: count it */
    bool warn_max;              /* ... and say so, the first time */
    bool warn_busy;             /* many are started at once: say so */
} fpm_pm_action;

/* Once a second, and for ondemand also with is_waiting when a connection comes. */
fpm_pm_action fpm_pm_tick(const fpm_conf_pool *conf, fpm_pm_memory *memory,
    const fpm_pm_view *view);
/* Workers that a pool begins with. */
int fpm_pm_start_count(const fpm_conf_pool *conf);

#endif
