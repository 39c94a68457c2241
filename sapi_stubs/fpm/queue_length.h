/* queue_length.h: how many connections wait on a listening unix socket, which only sock_diag(7)
 * tells. */
#ifndef TSRMALLOC_FPM_QUEUE_LENGTH_H
#define TSRMALLOC_FPM_QUEUE_LENGTH_H

#include <stdbool.h>

bool fpm_queue_length_unix(int file, unsigned int *waiting, unsigned int *size);

#endif
