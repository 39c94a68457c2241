/* identity: user, group, root directory, limits of the process.
 * Owns        nothing.
 * Thread      main thread, before workers.
 * Invariants  I1  what is taken is what was checked: pools that differ are refused, since their
 *                 workers are threads of one process
 * Failure     false, logged.
 * Tests       tests/fpm/identity.sh */
#include "config.h"

#include "fpm/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fpm/log.h"

typedef struct identity {
    uid_t user;
    gid_t group;
    char user_name[256];        /* for initgroups; "" = none */
} identity;

static bool is_number(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static bool find_user(const fpm_conf_pool *pool, identity *who)
{
    const struct passwd *user = NULL;
    if (pool->user == NULL) {
        return true;
    }
    if (is_number(pool->user)) {
        who->user = (uid_t)strtoul(pool->user, NULL, 10);
        user = getpwuid(who->user);
    } else {
        user = getpwnam(pool->user);
        if (user == NULL) {
            fpm_log(FPM_LOG_ERROR, pool->name, "cannot get uid for user '%s'", pool->user);
            return false;
        }
        who->user = user->pw_uid;
    }
    if (user != NULL) {
        who->group = user->pw_gid;
        snprintf(who->user_name, sizeof(who->user_name), "%s", user->pw_name);
    }
    return true;
}

static bool find_group(const fpm_conf_pool *pool, identity *who)
{
    if (pool->group == NULL) {
        return true;
    }
    if (is_number(pool->group)) {
        who->group = (gid_t)strtoul(pool->group, NULL, 10);
        return true;
    }
    const struct group *group = getgrnam(pool->group);
    if (group == NULL) {
        fpm_log(FPM_LOG_ERROR, pool->name, "cannot get gid for group '%s'", pool->group);
        return false;
    }
    who->group = group->gr_gid;
    return true;
}

/* php-fpm's rules. The identity stays as it is where it cannot be changed. */
static bool find(const fpm_conf_pool *pool, bool may_be_root, identity *who)
{
    *who = (identity){ .user = geteuid(), .group = getegid() };
    if (geteuid() != 0) {
        const char *ignored = pool->user != NULL ? "user" : pool->group != NULL ? "group" : NULL;
        if (ignored != NULL) {
            fpm_log(FPM_LOG_NOTICE, pool->name,
                "'%s' directive is ignored when FPM is not running as root", ignored);
        }
        return true;
    }
    if (!may_be_root && pool->user == NULL) {
        fpm_log(FPM_LOG_ALERT, pool->name, "user has not been defined");
        return false;
    }
    if (!find_user(pool, who) || !find_group(pool, who)) {
        return false;
    }
    if (!may_be_root && (who->user == 0 || who->group == 0)) {
        fpm_log(FPM_LOG_ERROR, pool->name,
            "please specify user and group other than root (or use -R)");
        return false;
    }
    return true;
}

static bool same_text(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

const char *fpm_identity_difference(const fpm_conf *one, const fpm_conf *other)
{
    const fpm_conf_pool *before = one->pools, *after = other->pools;
    return !same_text(before->user, after->user) ? "user"
        : !same_text(before->group, after->group) ? "group"
        : !same_text(before->chroot, after->chroot) ? "chroot"
        : !same_text(before->chdir, after->chdir) ? "chdir"
        : !same_text(one->global.pid, other->global.pid) ? "pid"
        : !same_text(one->global.control_listen, other->global.control_listen) ? "control.listen"
        : one->global.daemonize != other->global.daemonize ? "daemonize" : NULL;
}

bool fpm_identity_check(const fpm_conf *conf, bool may_be_root)
{
    identity first, next;
    const fpm_conf_pool *pool = conf->pools;
    if (!find(pool, may_be_root, &first)) {
        return false;
    }
    for (pool = pool->next; pool != NULL; pool = pool->next) {
        if (pool->is_status) {
            continue;
        }
        if (!find(pool, may_be_root, &next)) {
            return false;
        }
        if (next.user != first.user || next.group != first.group
            || !same_text(pool->chroot, conf->pools->chroot)
            || !same_text(pool->chdir, conf->pools->chdir)) {
            fpm_log(FPM_LOG_ERROR, pool->name, "user, group, chroot and chdir must be those of "
                "pool '%s': all pools are threads of one process (start a second tsrmalloc-fpm)",
                conf->pools->name);
            return false;
        }
    }
    return true;
}

static bool set_limit(int resource, int value, const char *name)
{
    rlim_t wanted = value < 0 ? RLIM_INFINITY : (rlim_t)value;
    struct rlimit limit = { .rlim_cur = wanted, .rlim_max = wanted };
    if (value != 0 && setrlimit((__rlimit_resource_t)resource, &limit) != 0) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "failed to set %s(%d) for the process", name, value);
        return false;
    }
    return true;
}

static bool set_limits(const fpm_conf_global *global)
{
    if (!set_limit(RLIMIT_NOFILE, global->rlimit_files, "rlimit_files")
        || !set_limit(RLIMIT_CORE, global->rlimit_core, "rlimit_core")) {
        return false;
    }
    if (global->process_priority != FPM_CONF_UNSET
        && setpriority(PRIO_PROCESS, 0, global->process_priority) != 0) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "Unable to set priority for the process");
        return false;
    }
    return true;
}

static bool enter(const fpm_conf_pool *pool)
{
    if (pool->chroot != NULL && (chroot(pool->chroot) != 0 || chdir("/") != 0)) {
        fpm_log_errno(FPM_LOG_ERROR, pool->name, "failed to chroot(%s)", pool->chroot);
        return false;
    }
    if (pool->chdir != NULL && chdir(pool->chdir) != 0) {
        fpm_log_errno(FPM_LOG_ERROR, pool->name, "failed to chdir(%s)", pool->chdir);
        return false;
    }
    return true;
}

static bool become(const fpm_conf_pool *pool, const identity *who)
{
    if (geteuid() != 0 || pool->user == NULL) {
        return true;
    }
    if (setgid(who->group) != 0
        || (who->user_name[0] != '\0' ? initgroups(who->user_name, who->group)
                                      : setgroups(1, &who->group)) != 0
        || setuid(who->user) != 0) {
        fpm_log_errno(FPM_LOG_ERROR, pool->name, "failed to become user %u, group %u",
            (unsigned int)who->user, (unsigned int)who->group);
        return false;
    }
    return true;
}

bool fpm_identity_take(const fpm_conf *conf)
{
    const fpm_conf_pool *pool = conf->pools;
    identity who = { .user = geteuid(), .group = getegid() };
    if (!set_limits(&conf->global)) {
        return false;
    }
    if (geteuid() == 0 && (!find_user(pool, &who) || !find_group(pool, &who))) {
        return false;
    }
    if (!enter(pool) || !become(pool, &who)) {
        return false;
    }
    if (pool->process_dumpable && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
        fpm_log_errno(FPM_LOG_ERROR, pool->name, "[pool %s] failed to set dumpable", pool->name);
    }
    return true;
}
