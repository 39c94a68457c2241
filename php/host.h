/* host: the PHP that this memory manager serves. */
#ifndef TSRMALLOC_PHP_HOST_H
#define TSRMALLOC_PHP_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/os.h"

#define PHP_E_ERROR 1
#define PHP_EXIT_NOT_SERVED 70
#define PHP_MESSAGE_MAX 1024    /* as in PHP, which cuts such a text, too */

/* The host's functions that are needed; NULL: it has none such. Const after php_host_find(). */
typedef struct php_host {
    char version[16];           /* "8.2.36"; "8" until php_host_note_version() */
    const char *(*get_zend_version)(void);      /* NULL until the host is started */
    void (*error_noreturn)(int type, const char *format, ...);
    void (*bailout)(const char *filename, uint32_t lineno);
    const char *(*executed_filename)(void);
    uint32_t (*executed_lineno)(void);

    /* Resources per thread: NULL in a host without ZTS. */
    int (*allocate_id)(int *id, size_t size, void (*ctor)(void *), void (*dtor)(void *));
    void *(*resource_ex)(int id, void *thread);

    /* A host that raises the limit's error later (8.2.35 and its contemporaries). Where it has its
     * own memory manager still, zend_handle_delayed_oom() flags that one's heap: with ZTS it is
     * started, too, otherwise it is given a heap that is nothing but the flag. */
    void (*delayed_error)(bool delay, const char *format, ...);
    void (*own_start)(void);
    void (*own_shutdown)(void *heap, bool full, bool silent);
    void *(*own_set_heap)(void *heap);
    bool (*own_is_reporting)(void);
} php_host_functions;

extern ZEND_MM_HIDDEN php_host_functions php_host;

/* Find the host's functions in the object that `address` lies in, or else in the whole program.
 * Ends the process, with one line and PHP_EXIT_NOT_SERVED, when it cannot be served. */
void php_host_find(const void *address);

/* Why the PHP in `object` (of dlopen) cannot be served; NULL: it can, or there is none. */
const char *php_host_refusal(void *object);

/* Ask the host for its version; it is started by now. */
void php_host_note_version(void);

/* Print `tsrmalloc: REASON` and end the process. */
void php_host_refuse(const char *reason) __attribute__((noreturn));

#endif
