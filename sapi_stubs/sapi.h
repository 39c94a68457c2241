/* sapi.h: the contract between a server program (a SAPI), the modules and the request lifecycle.
 *
 * Words      SAPI: the program around the heap (tsrmalloc-cli, a server, your program).
 *            module: a piece of foreign code that is started once and told about every request.
 *            request: what lies between php_request_startup() and php_request_shutdown(); all
 *            memory of the request heap dies with it.
 * Order      process: tsrm_startup, ts_resource(0), sapi_startup, sapi_module.startup (which calls
 *            php_module_startup), any number of threads, sapi_module.shutdown (which calls
 *            php_module_shutdown), sapi_shutdown, tsrm_shutdown.
 *            thread:  ts_resource(0), sapi_thread_start, any number of requests, sapi_thread_end,
 *            ts_free_thread. Without ZTS there is one thread and the ts_* calls vanish.
 *            request: php_request_startup, the work inside a zend_try, php_request_shutdown.
 * Threads    what is not marked otherwise may run in any thread that has its TSRM resources.
 * Versions   "since X" names the PHP version whose function of the same name this one follows;
 *            "ours" marks what PHP does not have.
 */
#ifndef TSRMALLOC_SAPI_H
#define TSRMALLOC_SAPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsrm.h"
#include "zend_alloc.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
# define SAPI_API TSRM_API
# define SAPI_USE_RESULT __attribute__((warn_unused_result))
# define SAPI_PRINTF_LIKE(text, first) TSRM_PRINTF(text, first)
#else
# define SAPI_API
# define SAPI_USE_RESULT
# define SAPI_PRINTF_LIKE(text, first)
#endif

typedef unsigned int uint;

/* What functions of this contract return; PHP's names and values. */
typedef enum zend_result {
    SUCCESS = 0,
    FAILURE = -1,
} zend_result;

/* ---- modules -------------------------------------------------------------------------------- */

typedef struct zend_module_entry zend_module_entry;

typedef enum zend_module_dependency_kind {
    MODULE_DEP_REQUIRED = 1,    /* must be there; is started earlier and ended later */
    MODULE_DEP_CONFLICTS,       /* must not be there */
    MODULE_DEP_OPTIONAL,        /* if it is there: started earlier and ended later */
} zend_module_dependency_kind;

typedef struct zend_module_dep {
    const char *name;                   /* NULL ends the list */
    zend_module_dependency_kind type;
} zend_module_dep;

#define ZEND_MOD_REQUIRED(name) { (name), MODULE_DEP_REQUIRED },
#define ZEND_MOD_CONFLICTS(name) { (name), MODULE_DEP_CONFLICTS },
#define ZEND_MOD_OPTIONAL(name) { (name), MODULE_DEP_OPTIONAL },
#define ZEND_MOD_END { NULL, MODULE_DEP_REQUIRED }

/* `type` is MODULE_PERSISTENT: modules live as long as the process. module_number counts from 1 in
 * the order of start. FAILURE of a start function stops what is being started. */
#define MODULE_PERSISTENT 1
#define INIT_FUNC_ARGS int type, int module_number TSRMLS_DC
#define SHUTDOWN_FUNC_ARGS int type, int module_number TSRMLS_DC

/* A module. Filled in by its author; static storage, as the registry keeps the pointer. Names are
 * compared byte for byte. Functions may be NULL. Since 4.0 (this order of members is ours). */
struct zend_module_entry {
    const char *name;
    const char *version;                                /* may be NULL */
    const zend_module_dep *deps;                        /* may be NULL; ends with ZEND_MOD_END */
    zend_result (*module_startup_func)(INIT_FUNC_ARGS); /* MINIT: once, main thread */
    zend_result (*module_shutdown_func)(SHUTDOWN_FUNC_ARGS);    /* MSHUTDOWN: once, main thread */
    zend_result (*request_startup_func)(INIT_FUNC_ARGS);        /* RINIT: in the worker */
    zend_result (*request_shutdown_func)(SHUTDOWN_FUNC_ARGS);   /* RSHUTDOWN: in the worker */

    /* Globals of the module, one copy for each thread, made through a TSRM id before MINIT runs. */
    size_t globals_size;                                /* bytes; 0 = none */
#ifdef ZTS
    ts_rsrc_id *globals_id_ptr;                         /* receives the id */
#else
    void *globals_ptr;                                  /* the one copy */
#endif
    void (*globals_ctor)(void *globals TSRMLS_DC);
    void (*globals_dtor)(void *globals TSRMLS_DC);

    /* The registry's own; leave 0. Written in the main thread only, const while workers run. */
    int module_number;
    bool globals_made;
    bool module_started;
};

/* ---- the SAPI ------------------------------------------------------------------------------- */

typedef struct sapi_module_struct sapi_module_struct;

/* Priorities of log_message, as in syslog(3). */
enum {
    SAPI_LOG_ERROR = 3,
    SAPI_LOG_WARNING = 4,
    SAPI_LOG_NOTICE = 5,
    SAPI_LOG_DEBUG = 7,
};

/* The functions of a SAPI. NULL members take the behaviour given. Since 4.0; 5.x member names. */
struct sapi_module_struct {
    const char *name;                                   /* short, for logs: "cli" */
    const char *pretty_name;                            /* for people */

    /* Once, main thread: start-up calls php_module_startup(), shutdown php_module_shutdown(). */
    zend_result (*startup)(sapi_module_struct *sapi);
    zend_result (*shutdown)(sapi_module_struct *sapi);

    /* A worker thread begins (its resources and heap are there) and ends. Ours. */
    zend_result (*thread_start)(TSRMLS_D);
    void (*thread_end)(TSRMLS_D);

    /* Begin and end of each request, and once around module start-up, where there is no request:
     * SG(request_active) is false then. The heap is still whole in deactivate. */
    zend_result (*activate)(TSRMLS_D);
    zend_result (*deactivate)(TSRMLS_D);

    /* Send `size` bytes; returns the bytes taken, fewer = the client is gone. NULL: stdout. */
    size_t (*ub_write)(const char *data, size_t size TSRMLS_DC);
    /* Push out what is buffered. NULL: fflush(stdout). */
    void (*flush)(void *server_context);
    /* Read up to `size` bytes of the body; fewer = its end. NULL: there is no body. */
    size_t (*read_post)(char *buffer, size_t size TSRMLS_DC);
    /* A variable of the request's environment, or NULL. NULL: getenv(3). */
    const char *(*getenv)(const char *name, size_t name_size TSRMLS_DC);
    /* One line for the log, no newline at its end. NULL: stderr. Any thread. */
    void (*log_message)(const char *message, int priority TSRMLS_DC);
    /* Told about an error; `type` is a priority. NULL: formatted, then log_message. Any thread. */
    void (*sapi_error)(int type, const char *format, ...) SAPI_PRINTF_LIKE(2, 3);
};

/* The SAPI in use: a copy of what sapi_startup() was given. Const after sapi_startup(). */
extern SAPI_API sapi_module_struct sapi_module;

/* What each thread knows about its request: SG(member). Owner only. Since 4.0. */
typedef struct sapi_globals_struct {
    void *server_context;           /* the SAPI's own; it sets it before php_request_startup() */
    bool request_active;            /* between php_request_startup() and _shutdown() */
    bool unclean_shutdown;          /* the request was left by zend_bailout() */
    bool connection_aborted;        /* ub_write took less than it was given */
    int exit_status;                /* of the request: 0, or 255 after a fatal error */
    uint64_t request_number;        /* requests of this thread so far, this one included */
    uint64_t read_post_size;        /* bytes of the body read so far */
    uint64_t written_size;          /* bytes that ub_write took */
    uint64_t reset_duration;        /* nanoseconds of the last heap reset */
    bool heap_is_kept;              /* see php_request_shutdown(); the SAPI sets it */
    size_t heap_start_size;         /* bytes of blocks when the request began */
    int64_t heap_growth;            /* bytes of blocks that the last request left, before a reset */
    uint active_module_count;       /* modules whose RINIT ran in this request */
} sapi_globals_struct;

#ifdef ZTS
extern SAPI_API ts_rsrc_id sapi_globals_id;
# define SG(v) TSRMG(sapi_globals_id, sapi_globals_struct *, v)
#else
extern SAPI_API sapi_globals_struct sapi_globals;
# define SG(v) (sapi_globals.v)
#endif

/* Copy *sapi into sapi_module and give every thread its SG(). Main thread, after ts_resource(0).
 * FAILURE when TSRM has no memory or no id left. Since 4.0 (there it returns nothing). */
SAPI_API zend_result sapi_startup(const sapi_module_struct *sapi) SAPI_USE_RESULT;
/* Undo sapi_startup(). Main thread, after php_module_shutdown(). Since 4.0. */
SAPI_API void sapi_shutdown(void);

/* A worker thread says that it is up: its heap gets the memory limit, thread_start runs. FAILURE:
 * as thread_start said, or it bailed out; sapi_thread_end() must not follow. Ours. */
SAPI_API zend_result sapi_thread_start(TSRMLS_D) SAPI_USE_RESULT;
/* A worker thread says that it ends; ts_free_thread() comes next. Ours. */
SAPI_API void sapi_thread_end(TSRMLS_D);

/* The SAPI's part of a request's begin and end. Called by the lifecycle. Since 4.0. */
SAPI_API zend_result sapi_activate(TSRMLS_D) SAPI_USE_RESULT;
SAPI_API zend_result sapi_deactivate(TSRMLS_D);

/* Send `size` bytes to the client; returns the bytes taken. Once the client is gone nothing more
 * is sent and the result is 0. Ours (PHP: the output layer calls ub_write). */
SAPI_API size_t sapi_write(const char *data, size_t size TSRMLS_DC);
SAPI_API void sapi_flush(TSRMLS_D);
/* Read the next `size` bytes of the body; returns the bytes read, fewer = its end. Since 5.6. */
SAPI_API size_t sapi_read_post_block(char *buffer, size_t size TSRMLS_DC);
/* A variable of the request's environment; NULL if unset. It is the SAPI's. Since 4.0. */
SAPI_API const char *sapi_getenv(const char *name, size_t name_size TSRMLS_DC);
/* Hand an error (`type`: a priority) to sapi_module.sapi_error. At most 1023 bytes. Since 4.0
 * (as a member only). Any thread. */
SAPI_API void sapi_report(int type, const char *format, ...) SAPI_PRINTF_LIKE(2, 3);

/* ---- configuration -------------------------------------------------------------------------- */

/* Set a directive, given as `name=value` (what follows -d). Main thread, before the SAPI's startup.
 * false: *error says what is wrong and what was expected (static text), nothing was changed.
 *   memory_limit   bytes each thread's heap may hold: a number with K, M or G (powers of 1024), or
 *                  -1 = none. Default 128M. Less than an empty heap holds (2 MiB, or
 *                  ZEND_MM_SEG_SIZE) is raised to that.
 *   report_memleaks  1 or 0: a request that ends well reports its leaks, where the heap remembers its
 *                  blocks (debug builds, ZEND_MM_DEBUG=leaks=1). Default 1.
 * Ours (PHP: sapi_module.ini_entries). */
SAPI_API bool php_ini_set(const char *directive, const char **error) SAPI_USE_RESULT;
/* The memory_limit in force, bytes; SIZE_MAX = none. Any thread. Ours. */
SAPI_API size_t php_memory_limit(void);

/* ---- the lifecycle -------------------------------------------------------------------------- */

/* Start everything: zend_startup(), configuration, `num` modules in dependency order, and last
 * throw the request memory that start-up used away. Main thread, once. The modules stay in use.
 * FAILURE: reported through sapi_report(), everything is undone. Since 4.0. */
SAPI_API zend_result php_module_startup(const sapi_module_struct *sf,
    zend_module_entry *additional_modules, uint num) SAPI_USE_RESULT;
/* End the modules in reverse order. Main thread, when every other thread has ended or will touch
 * nothing any more: ts_free_worker_threads() cleans up behind those. Since 4.0. */
SAPI_API void php_module_shutdown(TSRMLS_D);

/* The engine's part of php_module_startup(): start_memory_manager() first, then the tables. FAILURE
 * as there. Main thread. Since 4.0. */
SAPI_API zend_result zend_startup(TSRMLS_D) SAPI_USE_RESULT;
SAPI_API void zend_shutdown(TSRMLS_D);

/* Begin a request in the calling thread: memory limit, SAPI, RINIT of the modules. FAILURE: the
 * request was ended again; php_request_shutdown() must not follow. Since 4.0. */
SAPI_API zend_result php_request_startup(TSRMLS_D) SAPI_USE_RESULT;
/* End the request: RSHUTDOWN in reverse order, SAPI, heap reset. Each step that runs foreign code
 * is protected by itself, so that one that bails out does not keep the later ones from running.
 * With SG(heap_is_kept) the heap is not reset (ours: for programs that serve many requests out of
 * one interpreter), and as long as it is set a request may hold memory_limit bytes more than there
 * were when it began. Without a request: nothing. Since 4.0. */
SAPI_API void php_request_shutdown(TSRMLS_D);

#ifdef __cplusplus
}
#endif

#endif
