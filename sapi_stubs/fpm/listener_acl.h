/* listener_acl.h: access lists of unix sockets. With one, listen.owner and listen.group are not
 * used. */
#ifndef TSRMALLOC_FPM_LISTENER_ACL_H
#define TSRMALLOC_FPM_LISTENER_ACL_H

#include "fpm/conf.h"

bool fpm_listener_has_acl(const fpm_conf_pool *conf);
/* Every name in the lists is known, and this build can make them; false: logged. */
bool fpm_listener_check_acl(const fpm_conf_pool *conf) __attribute__((warn_unused_result));
/* Write the list of the socket at conf->listen, if there is one. false: logged. */
bool fpm_listener_apply_acl(const fpm_conf_pool *conf) __attribute__((warn_unused_result));

#endif
