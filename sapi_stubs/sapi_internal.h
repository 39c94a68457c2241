/* sapi_internal.h: what the files of sapi_stubs/ that are part of the library share. */
#ifndef TSRMALLOC_SAPI_INTERNAL_H
#define TSRMALLOC_SAPI_INTERNAL_H

#include "sapi.h"

/* For functions whose tsrm_ls is there for the signature only. */
#ifdef ZTS
# define SAPI_UNUSED_TSRMLS ((void)tsrm_ls)
#else
# define SAPI_UNUSED_TSRMLS ((void)0)
#endif

/* Does a request that ended well report what it left? */
bool php_report_memleaks(void);

/* The directive's value as it was given, for the start-up trace; "128M" if it was not. */
const char *php_memory_limit_text(void);

#endif
