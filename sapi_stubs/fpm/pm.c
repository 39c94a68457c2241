/* pm: php-fpm's process manager, as a pure function.
 * Owns        nothing.
 * Thread      control thread.
 * Invariants  I1  never more than pm.max_children workers
 * Failure     none.
 * Tests       tests/fpm/pm.c */
#include "config.h"

#include "fpm/pm.h"

enum { BUSY_RATE = 8 };         /* from this spawn rate on php-fpm warns */

static int least(int one, int other)
{
    return one < other ? one : other;
}

int fpm_pm_start_count(const fpm_conf_pool *conf)
{
    switch (conf->pm) {
    case FPM_PM_STATIC:
        return conf->pm_max_children;
    case FPM_PM_DYNAMIC:
        return conf->pm_start_servers;
    default:
        return 0;
    }
}

static fpm_pm_action reach_max(fpm_pm_memory *memory)
{
    fpm_pm_action action = { .reached_max = !memory->max_was_reached,
        .warn_max = !memory->max_was_reached };
    memory->max_was_reached = true;
    return action;
}

static fpm_pm_action tick_static(const fpm_conf_pool *conf, int count)
{
    return (fpm_pm_action){ .start_count = conf->pm_max_children - count };
}

static fpm_pm_action tick_dynamic(const fpm_conf_pool *conf, fpm_pm_memory *memory,
    const fpm_pm_view *view, int count)
{
    fpm_pm_action action = { 0 };
    if (view->idle_count > conf->pm_max_spare_servers) {
        memory->spawn_rate = 1;
        action.end_idle = true;
        return action;
    }
    if (view->idle_count >= conf->pm_min_spare_servers) {
        memory->spawn_rate = 1;
        return action;
    }
    if (count >= conf->pm_max_children) {
        memory->spawn_rate = 1;
        return reach_max(memory);
    }
    int rate = memory->spawn_rate > 0 ? memory->spawn_rate : 1;
    action.start_count = least(rate, conf->pm_min_spare_servers - view->idle_count);
    action.start_count = least(action.start_count, conf->pm_max_children - count);
    action.warn_busy = rate >= BUSY_RATE;
    memory->max_was_reached = false;
    memory->spawn_rate = rate < conf->pm_max_spawn_rate ? rate * 2 : rate;
    return action;
}

static fpm_pm_action tick_ondemand(const fpm_conf_pool *conf, fpm_pm_memory *memory,
    const fpm_pm_view *view, int count)
{
    if (view->is_waiting) {
        if (view->idle_count > 0) {
            return (fpm_pm_action){ 0 };
        }
        if (count >= conf->pm_max_children) {
            return reach_max(memory);
        }
        memory->max_was_reached = false;
        return (fpm_pm_action){ .start_count = 1 };
    }
    return (fpm_pm_action){ .end_idle = view->idle_count > 0
        && view->oldest_idle >= conf->pm_process_idle_timeout };
}

fpm_pm_action fpm_pm_tick(const fpm_conf_pool *conf, fpm_pm_memory *memory,
    const fpm_pm_view *view)
{
    int count = view->idle_count + view->active_count;
    switch (conf->pm) {
    case FPM_PM_STATIC:
        return tick_static(conf, count);
    case FPM_PM_DYNAMIC:
        return tick_dynamic(conf, memory, view, count);
    default:
        return tick_ondemand(conf, memory, view, count);
    }
}
