/* listener_acl: listen.acl_users and listen.acl_groups: who else may connect to a unix socket.
 * Owns        nothing.
 * Thread      main thread; control thread for a reload.
 * Invariants  I1  the entries that the mode makes stay as they are
 * Failure     false, logged.
 * Tests       tests/fpm/sockets.sh */
#include "config.h"

#include "fpm/listener_acl.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "fpm/log.h"

#if TSRMALLOC_ACL

#include <sys/acl.h>

/* What is done for each name of a list. */
typedef bool (*name_act)(const fpm_conf_pool *conf, acl_t *list, acl_tag_t tag, id_t id);

static bool find_id(const fpm_conf_pool *conf, const char *name, acl_tag_t tag, id_t *id)
{
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    errno = 0;
    if (*name >= '0' && *name <= '9' && *end == '\0') {
        *id = (id_t)number;
        return true;
    }
    if (tag == ACL_USER) {
        const struct passwd *user = getpwnam(name);
        if (user != NULL) {
            *id = user->pw_uid;
            return true;
        }
    } else {
        const struct group *group = getgrnam(name);
        if (group != NULL) {
            *id = group->gr_gid;
            return true;
        }
    }
    fpm_log_errno(FPM_LOG_ERROR, conf->name, "listen.acl_%s: cannot get the number of '%s'",
        tag == ACL_USER ? "users" : "groups", name);
    return false;
}

static bool for_each(const fpm_conf_pool *conf, const char *names, acl_tag_t tag, acl_t *list,
    name_act act)
{
    char *copy = strdup(names != NULL ? names : "");
    bool good = copy != NULL;
    char *rest;
    for (char *name = good ? strtok_r(copy, ", \t", &rest) : NULL; good && name != NULL;
         name = strtok_r(NULL, ", \t", &rest)) {
        id_t id;
        good = find_id(conf, name, tag, &id) && (act == NULL || act(conf, list, tag, id));
    }
    free(copy);
    return good;
}

static bool add_entry(const fpm_conf_pool *conf, acl_t *list, acl_tag_t tag, id_t id)
{
    acl_entry_t entry;
    acl_permset_t rights;
    if (acl_create_entry(list, &entry) == 0 && acl_set_tag_type(entry, tag) == 0
        && acl_set_qualifier(entry, &id) == 0 && acl_get_permset(entry, &rights) == 0
        && acl_clear_perms(rights) == 0 && acl_add_perm(rights, ACL_READ) == 0
        && acl_add_perm(rights, ACL_WRITE) == 0) {
        return true;
    }
    fpm_log_errno(FPM_LOG_ERROR, conf->name, "the access list of '%s' cannot be made",
        conf->listen);
    return false;
}

bool fpm_listener_check_acl(const fpm_conf_pool *conf)
{
    return for_each(conf, conf->listen_acl_users, ACL_USER, NULL, NULL)
        && for_each(conf, conf->listen_acl_groups, ACL_GROUP, NULL, NULL);
}

bool fpm_listener_apply_acl(const fpm_conf_pool *conf)
{
    if (!fpm_listener_has_acl(conf)) {
        return true;
    }
    acl_t list = acl_get_file(conf->listen, ACL_TYPE_ACCESS);
    if (list == NULL) {
        fpm_log_errno(FPM_LOG_ERROR, conf->name, "failed to read the ACL of the socket '%s'",
            conf->listen);
        return false;
    }
    bool done = for_each(conf, conf->listen_acl_users, ACL_USER, &list, add_entry)
        && for_each(conf, conf->listen_acl_groups, ACL_GROUP, &list, add_entry);
    if (done && (acl_calc_mask(&list) != 0
            || acl_set_file(conf->listen, ACL_TYPE_ACCESS, list) != 0)) {
        fpm_log_errno(FPM_LOG_ERROR, conf->name, "failed to write the ACL of the socket '%s'",
            conf->listen);
        done = false;
    }
    acl_free(list);
    return done;
}

#else

bool fpm_listener_check_acl(const fpm_conf_pool *conf)
{
    if (fpm_listener_has_acl(conf)) {
        fpm_log(FPM_LOG_ERROR, conf->name, "listen.acl_users and listen.acl_groups need a build "
            "with libacl: use listen.owner, listen.group and listen.mode");
        return false;
    }
    return true;
}

bool fpm_listener_apply_acl(const fpm_conf_pool *conf)
{
    (void)conf;
    return true;
}

#endif

bool fpm_listener_has_acl(const fpm_conf_pool *conf)
{
    return (conf->listen_acl_users != NULL && *conf->listen_acl_users != '\0')
        || (conf->listen_acl_groups != NULL && *conf->listen_acl_groups != '\0');
}
