/* tsrm: start and end of TSRM, and what a fork does to it.
 * Owns        whether TSRM is started, the main thread, the shutdown handler.
 * Thread      startup and shutdown: one at a time.
 * Invariants  I1  while started there are an id table and a look-up table
 *             I2  both outlive tsrm_shutdown as long as a thread or context is left
 * Failure     tsrm_startup gives 0 and may be called again.
 * Tests       tests/unit/tsrm_startup.c, tests/unit/tsrm_fork.c, tests/unit/tsrm_oom.c */
#include "config.h"

#include "tsrm/tsrm.h"

#include "tsrm/entry.h"
#include "tsrm/mutex.h"
#include "tsrm/slot.h"
#include "tsrm/startup_trace.h"
#include "tsrm/thread_entry.h"
#include "tsrm/thread_table.h"

static atomic_bool shutdown_begun;                      /* atomic: any order */
static _Atomic(uintptr_t) main_thread_key;              /* atomic: any order */
static _Atomic(tsrm_shutdown_func_t) shutdown_handler;  /* atomic: any order */
static bool has_value;                                  /* tsrm_startup only */
static bool has_fork_handlers;                          /* tsrm_startup only */

static void fork_prepare(void)
{
    /* No thread changes lists or tables while the process is copied. */
    tsrm_registry_lock();
}

static void fork_parent(void)
{
    tsrm_registry_unlock();
}

static void fork_child(void)
{
    struct tsrm_entry *home = tsrm_thread_home();
    bool is_open = home != NULL && tsrm_entry_is_open(home);

    tsrm_entry_after_fork(home);
    tsrm_thread_table_keep_only(is_open ? home : NULL);
    tsrm_env_after_fork();
    tsrm_error_after_fork();
    atomic_store(&main_thread_key, tsrm_os_thread_key(tsrm_os_thread_id()));
    tsrm_registry_unlock();
}

/* What a process needs once; outside the registry's lock, which fork_prepare takes while the
 * system's own lock around fork handlers may be held. */
static bool process_prepare(void)
{
    has_value = has_value || tsrm_os_value_create(tsrm_thread_value_destructor);
    has_fork_handlers =
        has_fork_handlers || tsrm_os_on_fork(fork_prepare, fork_parent, fork_child);
    return has_value && has_fork_handlers;
}

/* Lock held. */
static bool tables_make(int expected_threads)
{
    size_t expected_count = expected_threads > 0 ? (size_t)expected_threads : 1;

    /* Threads left over from before a tsrm_shutdown have kept their tables. */
    if (tsrm_registry.types != NULL) {
        if (tsrm_registry_is_in_use()) {
            return true;
        }
        tsrm_registry_drop_ids();
        tsrm_thread_table_drop();
    }
    if (!tsrm_thread_table_make(expected_count)) {
        return false;
    }
    if (!tsrm_registry_make_ids()) {
        tsrm_thread_table_drop();
        return false;
    }
    return true;
}

int tsrm_startup(int expected_threads, int expected_resources, int debug_level,
                 const char *debug_filename)
{
    uint64_t token = tsrm_startup_trace_enter("tsrm_startup");
    bool was_started, is_started;

    (void)expected_resources;
    tsrm_registry_lock();
    was_started = tsrm_registry.started;
    tsrm_registry_unlock();
    if (was_started) {
        tsrm_startup_trace_leave(token, "tsrm_startup", "already started");
        return 1;
    }
    tsrm_error_set(debug_level, debug_filename);
    is_started = process_prepare();
    tsrm_registry_lock();
    is_started = is_started && tables_make(expected_threads);
    tsrm_registry.started = is_started;
    tsrm_registry_unlock();
    if (is_started) {
        atomic_store(&main_thread_key, tsrm_os_thread_key(tsrm_os_thread_id()));
        atomic_store(&shutdown_begun, false);
    }
    tsrm_startup_trace_leave(token, "tsrm_startup", "%s, %d threads expected, at most %d ids",
                             is_started ? "started" : "failed: out of memory or thread keys",
                             expected_threads, TSRM_RSRC_ID_MAX);
    return is_started;
}

/* The context at `index` if no other thread has it current, moved to CLOSING. Lock held. */
static struct tsrm_entry *context_take(size_t index)
{
    struct tsrm_entry *entry = tsrm_registry.entries[index];

    if (entry->kind != TSRM_ENTRY_OF_CONTEXT || tsrm_entry_get_state(entry) != TSRM_ENTRY_LIVE ||
        entry->user_count != 0) {
        return NULL;
    }
    tsrm_entry_open_to_closing(entry);
    return entry;
}

static void contexts_close(void)
{
    size_t i;

    tsrm_registry_lock();
    for (i = 0; i < tsrm_registry.entry_count; i++) {
        struct tsrm_entry *context = context_take(i);

        if (context != NULL) {
            tsrm_registry_unlock();
            tsrm_entry_close(context);
            tsrm_registry_lock();
        }
    }
    tsrm_registry_unlock();
}

/* Drops the tables if nobody is left; else retires the ids, so that threads of a later
 * tsrm_startup do not construct them. Returns the number of entries left. */
static int tables_drop(void)
{
    size_t left_count;
    ts_rsrc_id id;

    tsrm_registry_lock();
    left_count = tsrm_registry.open_count;
    if (!tsrm_registry_is_in_use()) {
        tsrm_registry_drop_ids();
        tsrm_thread_table_drop();
    }
    for (id = 1; id <= tsrm_id_count(); id++) {
        unsigned char live = TSRM_ID_LIVE;

        atomic_compare_exchange_strong(&tsrm_id_type(id)->phase, &live, TSRM_ID_RETIRED);
    }
    tsrm_registry_unlock();
    return (int)left_count;
}

int tsrm_shutdown(void)
{
    uint64_t token;
    tsrm_shutdown_func_t handler = atomic_load(&shutdown_handler);
    bool was_started;
    int left_count;

    if (tsrm_thread_in_callback()) {
        tsrm_error(TSRM_ERROR_LEVEL_ERROR, "tsrm_shutdown inside a callback does nothing");
        return -1;
    }
    token = tsrm_startup_trace_enter("tsrm_shutdown");
    atomic_store(&shutdown_begun, true);
    tsrm_registry_lock();
    was_started = tsrm_registry.started;
    tsrm_registry.started = false;
    tsrm_registry_unlock();
    if (!was_started) {
        tsrm_startup_trace_leave(token, "tsrm_shutdown", "was not started");
        return 0;
    }
    tsrm_entry_set_current(tsrm_thread_home());
    contexts_close();
    tsrm_thread_end();
    left_count = tables_drop();
    if (handler != NULL) {
        handler();
    }
    if (left_count != 0) {
        tsrm_error(TSRM_ERROR_LEVEL_ERROR, "tsrm_shutdown: %d entries left to their threads",
                   left_count);
    }
    tsrm_startup_trace_leave(token, "tsrm_shutdown", "%d entries left to their threads",
                             left_count);
    tsrm_error_set(0, NULL);
    return left_count;
}

void *tsrm_set_shutdown_handler(tsrm_shutdown_func_t handler)
{
    return (void *)(uintptr_t)atomic_exchange(&shutdown_handler, handler);
}

bool tsrm_is_main_thread(void)
{
    return atomic_load(&main_thread_key) == tsrm_os_thread_key(tsrm_os_thread_id());
}

bool tsrm_is_shutdown(void)
{
    return atomic_load(&shutdown_begun);
}

const char *tsrm_api_name(void)
{
    return tsrm_os_api_name();
}
