/* identity.h: as whom, where and with which limits the process runs. All pools are one process. */
#ifndef TSRMALLOC_FPM_IDENTITY_H
#define TSRMALLOC_FPM_IDENTITY_H

#include "fpm/conf.h"

/* User, group, chroot and chdir of every pool can be had, and are the same for all. Root without
 * `may_be_root` needs a user. false: logged. */
bool fpm_identity_check(const fpm_conf *conf, bool may_be_root)
    __attribute__((warn_unused_result));
/* Resource limits, priority, then chroot, group and user. Main thread, before any other. */
bool fpm_identity_take(const fpm_conf *conf) __attribute__((warn_unused_result));
/* What a reload cannot change: NULL, or the name of the directive that did. */
const char *fpm_identity_difference(const fpm_conf *one, const fpm_conf *other);

#endif
