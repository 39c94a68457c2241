/* pm: php-fpm's rules, tick by tick. */
#include "config.h"

#include "fpm/pm.h"
#include "tests/support/check.h"

static const fpm_conf_pool dynamic = { .pm = FPM_PM_DYNAMIC, .pm_max_children = 20,
    .pm_start_servers = 3, .pm_min_spare_servers = 4, .pm_max_spare_servers = 6,
    .pm_max_spawn_rate = 4 };

static fpm_pm_action tick(const fpm_conf_pool *conf, fpm_pm_memory *memory, int idle, int active)
{
    fpm_pm_view view = { .idle_count = idle, .active_count = active };
    return fpm_pm_tick(conf, memory, &view);
}

static void static_pools(void)
{
    fpm_conf_pool conf = { .pm = FPM_PM_STATIC, .pm_max_children = 5 };
    fpm_pm_memory memory = { 0 };
    CHECK_CASE("a static pool begins with all its workers and replaces those that end");
    CHECK(fpm_pm_start_count(&conf) == 5);
    CHECK(tick(&conf, &memory, 1, 2).start_count == 2);
    CHECK(tick(&conf, &memory, 0, 5).start_count == 0);
    CHECK(!tick(&conf, &memory, 5, 0).end_idle);
}

static void dynamic_grows(void)
{
    fpm_pm_memory memory = { 0 };
    CHECK_CASE("a dynamic pool starts twice as many at each tick, up to pm.max_spawn_rate");
    CHECK(fpm_pm_start_count(&dynamic) == 3);
    CHECK(tick(&dynamic, &memory, 0, 3).start_count == 1);
    CHECK(tick(&dynamic, &memory, 0, 4).start_count == 2);
    CHECK(tick(&dynamic, &memory, 0, 6).start_count == 4);
    CHECK(tick(&dynamic, &memory, 0, 10).start_count == 4);

    CHECK_CASE("it starts no more than are missing, and begins slowly again when enough are idle");
    CHECK(tick(&dynamic, &memory, 3, 10).start_count == 1);
    CHECK(tick(&dynamic, &memory, 4, 10).start_count == 0);
    CHECK(memory.spawn_rate == 1);

    CHECK_CASE("it never has more than pm.max_children, and says so once");
    fpm_pm_action action = tick(&dynamic, &memory, 0, 20);
    CHECK(action.start_count == 0 && action.reached_max && action.warn_max);
    action = tick(&dynamic, &memory, 0, 20);
    CHECK(action.start_count == 0 && !action.reached_max && !action.warn_max);
    memory.spawn_rate = 4;
    CHECK(tick(&dynamic, &memory, 0, 19).start_count == 1);
    CHECK(tick(&dynamic, &memory, 0, 20).reached_max);
}

static void dynamic_shrinks(void)
{
    fpm_pm_memory memory = { .spawn_rate = 8 };
    CHECK_CASE("a dynamic pool ends one worker a tick while too many are idle");
    fpm_pm_action action = tick(&dynamic, &memory, 7, 0);
    CHECK(action.end_idle && action.start_count == 0 && memory.spawn_rate == 1);
    CHECK(!tick(&dynamic, &memory, 6, 0).end_idle);
}

static void dynamic_warns(void)
{
    fpm_conf_pool conf = dynamic;
    fpm_pm_memory memory = { .spawn_rate = 8 };
    conf.pm_max_spawn_rate = 32;
    CHECK_CASE("a dynamic pool says that it seems busy when eight or more may start at once");
    CHECK(tick(&conf, &memory, 0, 5).warn_busy);
    CHECK(memory.spawn_rate == 16);
    memory.spawn_rate = 4;
    CHECK(!tick(&conf, &memory, 0, 5).warn_busy);
}

static void ondemand(void)
{
    fpm_conf_pool conf = { .pm = FPM_PM_ONDEMAND, .pm_max_children = 2,
        .pm_process_idle_timeout = 10000 };
    fpm_pm_memory memory = { 0 };
    fpm_pm_view view = { .is_waiting = true };
    CHECK_CASE("an ondemand pool begins empty and starts one worker when a connection waits");
    CHECK(fpm_pm_start_count(&conf) == 0);
    CHECK(tick(&conf, &memory, 0, 0).start_count == 0);
    CHECK(fpm_pm_tick(&conf, &memory, &view).start_count == 1);
    view.idle_count = 1;
    CHECK(fpm_pm_tick(&conf, &memory, &view).start_count == 0);

    CHECK_CASE("it stops at pm.max_children");
    view = (fpm_pm_view){ .active_count = 2, .is_waiting = true };
    CHECK(fpm_pm_tick(&conf, &memory, &view).reached_max);
    CHECK(!fpm_pm_tick(&conf, &memory, &view).reached_max);

    CHECK_CASE("it ends a worker that was idle for pm.process_idle_timeout, not one before");
    view = (fpm_pm_view){ .idle_count = 1, .oldest_idle = 9999 };
    CHECK(!fpm_pm_tick(&conf, &memory, &view).end_idle);
    view.oldest_idle = 10000;
    CHECK(fpm_pm_tick(&conf, &memory, &view).end_idle);
}

int main(void)
{
    static_pools();
    dynamic_grows();
    dynamic_shrinks();
    dynamic_warns();
    ondemand();
    return check_summary();
}
