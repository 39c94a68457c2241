/* mutex: what a fork does to the locks of mutex.c and error.c. */
#ifndef TSRMALLOC_TSRM_MUTEX_H
#define TSRMALLOC_TSRM_MUTEX_H

/* In the child of a fork: makes the lock anew, whoever held it in the parent. */
void tsrm_env_after_fork(void);
void tsrm_error_after_fork(void);

#endif
