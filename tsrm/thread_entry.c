/* thread_entry: a thread's first use of TSRM, its look-ups, its end.
 * Owns        the thread-specific value: the thread's home, or a mark, or NULL.
 * Thread      any, for itself; ts_free_worker_threads for threads that are idle.
 * Invariants  I1  a thread has at most one home, and only its own thread recycles it
 *             I2  current is NULL, the home, or a context
 * Failure     NULL when memory is out; the thread may try again.
 * Tests       tests/unit/tsrm_threads.c, tests/stress/tsrm_thread_end.c */
#include "config.h"

#include "tsrm/thread_entry.h"

#include "tsrm/entry.h"
#include "tsrm/slot.h"
#include "tsrm/startup_trace.h"
#include "tsrm/thread_table.h"

#if defined(__GNUC__)
#define SLOW __attribute__((noinline))
#else
#define SLOW
#endif

/* The value of a thread that has no home but a context to put down when it ends; which of these
 * it is counts the destructor rounds seen. */
enum { ROUNDS_MAX = 16 };
static const char no_home_marks[ROUNDS_MAX];

static uintptr_t own_key(void)
{
    return tsrm_os_thread_key(tsrm_os_thread_id());
}

static bool is_no_home_mark(const void *value)
{
    return (uintptr_t)value - (uintptr_t)no_home_marks < ROUNDS_MAX;
}

static bool no_home_mark_set(size_t round)
{
    return tsrm_os_value_set((void *)(uintptr_t)&no_home_marks[round]);
}

struct tsrm_entry *tsrm_thread_home(void)
{
    void *value = tsrm_os_value_get();

    return is_no_home_mark(value) ? NULL : value;
}

bool tsrm_thread_expects_end(void)
{
    return tsrm_os_value_get() != NULL || no_home_mark_set(0);
}

/* An entry under this thread's id that is not its home belonged to a thread that is dead: ids are
 * used again. It missed its destructor rounds, so it is closed here, and never adopted. */
static void close_entry_of_dead_thread(void)
{
    struct tsrm_entry *stale;

    tsrm_registry_lock();
    stale = tsrm_thread_table_find_open(own_key());
    if (stale != NULL) {
        tsrm_thread_table_remove(stale);
        tsrm_entry_open_to_closing(stale);
    }
    tsrm_registry_unlock();
    if (stale != NULL) {
        tsrm_entry_close(stale);
    }
}

static struct tsrm_entry *home_open(void)
{
    struct tsrm_entry *home;

    close_entry_of_dead_thread();
    tsrm_registry_lock();
    home = tsrm_entry_open(TSRM_ENTRY_OF_THREAD, &tsrm_thread);
    if (home == NULL) {
        goto fail_open;
    }
    if (!tsrm_thread_table_insert(home)) {
        goto fail_insert;
    }
    if (!tsrm_os_value_set(home)) {
        goto fail_value;
    }
    tsrm_registry_unlock();
    return home;

fail_value:
    tsrm_thread_table_remove(home);
fail_insert:
    tsrm_entry_open_to_closing(home);
    tsrm_entry_recycle(home);
fail_open:
    tsrm_registry_unlock();
    return NULL;
}

/* Makes the thread's home, or goes on where an earlier start ran out of memory. */
static bool home_start(struct tsrm_entry *home)
{
    uint64_t token = tsrm_startup_trace_enter("ts_resource_ex");
    bool is_new = home == NULL;
    bool is_ready = false;

    if (is_new) {
        home = home_open();
    }
    if (home != NULL) {
        /* Set without telling the context-change handler: there was nothing to cache. */
        tsrm_thread.current = home;
        is_ready = tsrm_entry_start(home);
    }
    if (home != NULL && !is_ready) {
        tsrm_entry_set_current(NULL);
    }
    tsrm_entry_close_deferred();
    tsrm_startup_trace_leave(token, "ts_resource_ex", "%s entry, %d ids: %s",
                             is_new ? "new" : "unfinished", tsrm_id_count(),
                             is_ready ? "ready" : "failed, out of memory or not started");
    return is_ready;
}

/* Gives a thread without a current entry its home. */
static struct tsrm_entry *home_enter(void)
{
    struct tsrm_entry *home = tsrm_thread_home();

    if (tsrm_thread.holds == &tsrm_thread_is_over) {
        return NULL;
    }
    if (home != NULL && tsrm_entry_get_state(home) != TSRM_ENTRY_STARTING) {
        tsrm_entry_set_current(home);
        return home;
    }
    return home_start(home) ? tsrm_thread.current : NULL;
}

/* A slot of a known thread is empty or being made when another thread's ts_allocate_id is on its
 * way, or was when this process was forked. */
static void *current_resource_slow(struct tsrm_entry *entry, ts_rsrc_id id)
{
    void *block = NULL;
    bool claimed;

    if (tsrm_slot_is_missing(entry, id)) {
        if (tsrm_slot_has_block(id)) {
            block = tsrm_slot_alloc(id);
            if (block == NULL) {
                return NULL;
            }
        }
        tsrm_registry_lock();
        claimed = tsrm_entry_is_open(entry) && tsrm_slot_claim(entry, id);
        tsrm_registry_unlock();
        if (claimed) {
            tsrm_slot_construct(entry, id, block);
            tsrm_entry_close_deferred();
        } else {
            tsrm_os_free(block);
        }
    }
    tsrm_slot_await_constructed(entry, id);
    return tsrm_slot_resource(entry, id);
}

static void *resource_of_current(ts_rsrc_id id)
{
    struct tsrm_entry *entry = tsrm_thread.current;
    void *resource;

    if (entry == NULL) {
        entry = home_enter();
    }
    if (entry == NULL || id == 0) {
        return entry;
    }
    if (!tsrm_id_is_allocated(id)) {
        return NULL;
    }
    resource = tsrm_slot_resource(entry, id);
    return resource != NULL ? resource : current_resource_slow(entry, id);
}

static void *resource_of_thread(ts_rsrc_id id, uintptr_t thread_key)
{
    struct tsrm_entry *entry = tsrm_thread_table_find(thread_key);

    if (entry == NULL || id == 0) {
        return entry;
    }
    return tsrm_id_is_allocated(id) ? tsrm_slot_resource(entry, id) : NULL;
}

static SLOW void *resource_slow(ts_rsrc_id id, const THREAD_T *th_id)
{
    uintptr_t thread_key = th_id != NULL ? tsrm_os_thread_key(*th_id) : own_key();

    return thread_key == own_key() ? resource_of_current(id)
                                   : resource_of_thread(id, thread_key);
}

void *ts_resource_ex(ts_rsrc_id id, THREAD_T *th_id)
{
    struct tsrm_entry *entry = tsrm_thread.current;

    /* `storage` is the first member, so the entry's address is `tsrm_ls`. */
    return id == 0 && th_id == NULL && entry != NULL ? entry : resource_slow(id, th_id);
}

/* Moves the home to CLOSING; false if ts_free_worker_threads has emptied it or is about to, in
 * which case that has ended on return. */
static bool home_to_closing(struct tsrm_entry *home)
{
    bool is_open;

    tsrm_registry_lock();
    is_open = tsrm_entry_is_open(home);
    if (is_open) {
        tsrm_thread_table_remove(home);
        tsrm_entry_open_to_closing(home);
    }
    while (!is_open && tsrm_entry_get_state(home) != TSRM_ENTRY_CLOSED) {
        tsrm_registry_wait();
    }
    tsrm_registry_unlock();
    return is_open;
}

int tsrm_thread_end(void)
{
    struct tsrm_entry *home = tsrm_thread_home();
    int destroyed_count = 0;

    if (home == NULL) {
        if (tsrm_thread.current != NULL) {
            tsrm_entry_set_current(NULL);
        }
        return 0;
    }
    /* The dtors find their own thread's resources, not those of a context. */
    tsrm_entry_set_current(home);
    if (home_to_closing(home)) {
        destroyed_count = tsrm_entry_empty(home);
    }
    tsrm_entry_close_deferred();
    /* Clearing a value that is set needs no memory, so it cannot fail. */
    (void)!tsrm_os_value_set(NULL);
    tsrm_entry_set_current(NULL);
    tsrm_registry_lock();
    tsrm_entry_recycle(home);
    tsrm_registry_unlock();
    return destroyed_count;
}

/* Destructors of other values may still use what this thread has, this round and the next. */
static bool value_destructor_again(void *value)
{
    struct tsrm_entry *home = value;
    size_t round;

    if (is_no_home_mark(value)) {
        round = (size_t)((const char *)value - no_home_marks) + 1;
        return round < (size_t)tsrm_os_value_rounds && round < ROUNDS_MAX &&
               no_home_mark_set(round);
    }
    /* Set in the last round too, so that the dtors run as in ts_free_thread. */
    return tsrm_os_value_set(home) && ++home->value_rounds < tsrm_os_value_rounds;
}

void tsrm_thread_value_destructor(void *value)
{
    uint64_t token;
    int destroyed_count;

    if (value_destructor_again(value)) {
        return;
    }
    token = tsrm_startup_trace_enter("ts_free_thread");
    destroyed_count = tsrm_thread_end();
    tsrm_thread.holds = &tsrm_thread_is_over;
    tsrm_startup_trace_leave(token, "ts_free_thread", "%d resources destroyed at thread exit",
                             destroyed_count);
}

void ts_free_thread(void)
{
    uint64_t token;
    int destroyed_count;

    if (tsrm_thread_in_callback()) {
        tsrm_error(TSRM_ERROR_LEVEL_ERROR, "ts_free_thread inside a callback does nothing");
        return;
    }
    token = tsrm_startup_trace_enter("ts_free_thread");
    destroyed_count = tsrm_thread_end();
    tsrm_startup_trace_leave(token, "ts_free_thread", "%d resources destroyed", destroyed_count);
}

/* The entry at `index` if it is another thread's home and idle, moved to CLOSING; or NULL. */
static struct tsrm_entry *worker_take(size_t index, const struct tsrm_entry *home)
{
    struct tsrm_entry *entry = tsrm_registry.entries[index];

    if (entry == home || entry->kind != TSRM_ENTRY_OF_THREAD ||
        tsrm_entry_get_state(entry) != TSRM_ENTRY_LIVE) {
        return NULL;
    }
    tsrm_thread_table_remove(entry);
    tsrm_entry_open_to_closing(entry);
    return entry;
}

void ts_free_worker_threads(void)
{
    const struct tsrm_entry *home = tsrm_thread_home();
    size_t i;

    if (tsrm_thread_in_callback()) {
        tsrm_error(TSRM_ERROR_LEVEL_ERROR, "ts_free_worker_threads inside a callback does nothing");
        return;
    }
    tsrm_registry_lock();
    for (i = 0; i < tsrm_registry.entry_count; i++) {
        struct tsrm_entry *entry = worker_take(i, home);

        if (entry != NULL) {
            tsrm_registry_unlock();
            tsrm_entry_empty(entry);
            tsrm_registry_lock();
            /* Its thread still points at it and recycles it when it ends. */
            tsrm_entry_set_state(entry, TSRM_ENTRY_CLOSED);
            tsrm_registry_wake();
        }
    }
    tsrm_registry_unlock();
    tsrm_entry_close_deferred();
}

size_t tsrm_thread_count(void)
{
    size_t count;

    tsrm_registry_lock();
    count = tsrm_registry.thread_count;
    tsrm_registry_unlock();
    return count;
}

THREAD_T tsrm_thread_id(void)
{
    return tsrm_os_thread_id();
}

bool tsrm_is_managed_thread(void)
{
    return tsrm_thread.current != NULL;
}

void *tsrm_get_ls_cache(void)
{
    return tsrm_thread.current;
}
