/* request_file.h: from SCRIPT_FILENAME to an open file. Any thread. */
#ifndef TSRMALLOC_FPM_REQUEST_FILE_H
#define TSRMALLOC_FPM_REQUEST_FILE_H

#include <limits.h>
#include <stdbool.h>

/* `path` ends with one of `extensions`, separated by blanks; none or NULL: any will do. */
bool fpm_file_has_extension(const char *path, const char *extensions);

/* The path in a SCRIPT_FILENAME: Apache's mod_proxy_fcgi sends proxy:fcgi://HOST/PATH?QUERY (or
 * proxy:balancer://...), of which this is /PATH. The query is cut off in place. */
const char *fpm_file_script_path(char *value);

/* Open a regular file for reading. With a `root` (NULL or "": none) it must lie below that folder,
 * links and ".." followed; `root_file` is that folder's descriptor, or -1. Returns -1 with errno:
 * EXDEV if the path leads out of the root, EISDIR if it is no regular file. */
int fpm_file_open_script(const char *path, const char *root, int root_file);

/* The half of it that is about the kernel: `below` is relative to the folder `root`. */
int fpm_file_open_below(int root, const char *below, bool use_openat2);

#endif
