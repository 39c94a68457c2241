/* thread_table: an open-addressing table of entry pointers, read without a lock.
 * Owns        the table, and the smaller ones that it superseded.
 * Thread      find: any, lock-free; the rest under the registry's lock.
 * Invariants  I1  an entry in the table is reached from its home cell without crossing NULL
 *             I2  at least half of the cells hold no entry, so insert always finds one
 *             I3  an entry never moves inside a table, so a reader cannot miss it in passing
 *             I4  superseded tables stay readable until tsrm_shutdown finds no thread left
 * Failure     insert gives false when memory is out and the table is full.
 * Tests       tests/unit/tsrm_thread_table.c, tests/stress/tsrm_lookup.c
 *
 * A reader may follow a pointer to an entry that is being recycled. Entries are never unmapped,
 * and the reader takes the state before the key: LIVE and the key it asked for mean that the
 * entry was that thread's, alive, at the moment of the look-up. */
#include "config.h"

#include "tsrm/thread_table.h"

struct thread_table {
    unsigned capacity_bits;               /* const after init */
    struct thread_table *superseded;      /* const after init */
    _Atomic(struct tsrm_entry *) cells[]; /* atomic: release in insert, acquire in find */
};

enum { CAPACITY_BITS_MIN = 4, CAPACITY_BITS_MAX = 24 };

/* A cell whose entry was removed: the probe goes on. No entry has an odd address. */
static struct tsrm_entry *const removed = (struct tsrm_entry *)(uintptr_t)1;

static _Atomic(struct thread_table *) table; /* atomic: release in table_supersede, acquire in
                                                find */
static size_t used_count;                    /* lock: registry */

static size_t table_capacity(const struct thread_table *t)
{
    return (size_t)1 << t->capacity_bits;
}

/* Fibonacci hashing: thread ids are addresses or small numbers, whose high product bits mix. */
static size_t table_home(const struct thread_table *t, uintptr_t thread_key)
{
    const uint64_t golden = UINT64_C(0x9E3779B97F4A7C15);

    return (size_t)(((uint64_t)thread_key * golden) >> (64 - t->capacity_bits));
}

static size_t table_byte_size(const struct thread_table *t)
{
    return sizeof(*t) + table_capacity(t) * sizeof(t->cells[0]);
}

static struct thread_table *table_current(void)
{
    return atomic_load_explicit(&table, memory_order_acquire);
}

static struct thread_table *table_alloc(unsigned capacity_bits)
{
    struct thread_table *t =
        tsrm_os_alloc(sizeof(*t) + ((size_t)1 << capacity_bits) * sizeof(t->cells[0]));

    if (t != NULL) {
        t->capacity_bits = capacity_bits;
    }
    return t;
}

bool tsrm_thread_table_make(size_t expected_count)
{
    unsigned capacity_bits = CAPACITY_BITS_MIN;
    struct thread_table *t;

    if (table_current() != NULL) {
        return true;
    }
    while (capacity_bits < CAPACITY_BITS_MAX && ((size_t)1 << capacity_bits) / 2 < expected_count) {
        capacity_bits++;
    }
    t = table_alloc(capacity_bits);
    atomic_store_explicit(&table, t, memory_order_release);
    used_count = 0;
    return t != NULL;
}

void tsrm_thread_table_drop(void)
{
    struct thread_table *t = table_current();

    atomic_store_explicit(&table, NULL, memory_order_release);
    used_count = 0;
    while (t != NULL) {
        struct thread_table *next = t->superseded;

        tsrm_os_free(t);
        t = next;
    }
}

size_t tsrm_thread_table_size(void)
{
    const struct thread_table *t;
    size_t size = 0;

    for (t = table_current(); t != NULL; t = t->superseded) {
        size += table_byte_size(t);
    }
    return size;
}

static struct tsrm_entry *cell_load(const struct thread_table *t, size_t cell)
{
    return atomic_load_explicit(&t->cells[cell & (table_capacity(t) - 1)], memory_order_acquire);
}

static void cell_store(struct thread_table *t, size_t cell, struct tsrm_entry *entry)
{
    atomic_store_explicit(&t->cells[cell & (table_capacity(t) - 1)], entry, memory_order_release);
}

static uintptr_t entry_key(const struct tsrm_entry *entry)
{
    return atomic_load_explicit(&entry->thread_key, memory_order_relaxed);
}

static void table_add(struct thread_table *t, struct tsrm_entry *entry)
{
    size_t cell = table_home(t, entry_key(entry));

    while (cell_load(t, cell) != NULL && cell_load(t, cell) != removed) {
        cell++;
    }
    cell_store(t, cell, entry);
}

static bool table_supersede(struct thread_table *old)
{
    struct thread_table *t;
    size_t cell;

    if (old->capacity_bits == CAPACITY_BITS_MAX) {
        return false;
    }
    t = table_alloc(old->capacity_bits + 1);
    if (t == NULL) {
        return false;
    }
    for (cell = 0; cell < table_capacity(old); cell++) {
        struct tsrm_entry *entry = cell_load(old, cell);

        if (entry != NULL && entry != removed) {
            table_add(t, entry);
        }
    }
    t->superseded = old;
    atomic_store_explicit(&table, t, memory_order_release);
    return true;
}

bool tsrm_thread_table_insert(struct tsrm_entry *entry)
{
    struct thread_table *t = table_current();

    if (used_count * 2 >= table_capacity(t) && !table_supersede(t)) {
        return false;
    }
    table_add(table_current(), entry);
    used_count++;
    return true;
}

void tsrm_thread_table_remove(struct tsrm_entry *entry)
{
    struct thread_table *t = table_current();
    size_t cell = table_home(t, entry_key(entry));
    size_t probe_count = 0;

    while (cell_load(t, cell) != entry) {
        if (cell_load(t, cell) == NULL || ++probe_count == table_capacity(t)) {
            return;
        }
        cell++;
    }
    cell_store(t, cell, removed);
    used_count--;
    /* Where the next cell is NULL no probe goes on, so this cell and the removed ones before it
     * may be NULL as well; this keeps probes short however many threads come and go. */
    while (cell_load(t, cell + 1) == NULL && cell_load(t, cell) == removed) {
        cell_store(t, cell, NULL);
        cell--;
    }
}

void tsrm_thread_table_keep_only(struct tsrm_entry *entry)
{
    struct thread_table *t = table_current();
    size_t cell;

    if (t == NULL) {
        return;
    }
    for (cell = 0; cell < table_capacity(t); cell++) {
        cell_store(t, cell, NULL);
    }
    used_count = 0;
    if (entry != NULL) {
        table_add(t, entry);
        used_count = 1;
    }
}

static struct tsrm_entry *table_find(uintptr_t thread_key, bool live_only)
{
    const struct thread_table *t = table_current();
    size_t cell, probe_count;

    if (t == NULL) {
        return NULL;
    }
    cell = table_home(t, thread_key);
    for (probe_count = 0; probe_count < table_capacity(t); probe_count++, cell++) {
        struct tsrm_entry *entry = cell_load(t, cell);

        if (entry == NULL) {
            return NULL;
        }
        if (entry == removed) {
            continue;
        }
        if (live_only ? tsrm_entry_get_state(entry) == TSRM_ENTRY_LIVE
                      : tsrm_entry_is_open(entry)) {
            /* State first, key second: see above. */
            if (entry_key(entry) == thread_key) {
                return entry;
            }
        }
    }
    return NULL;
}

struct tsrm_entry *tsrm_thread_table_find(uintptr_t thread_key)
{
    return table_find(thread_key, true);
}

struct tsrm_entry *tsrm_thread_table_find_open(uintptr_t thread_key)
{
    return table_find(thread_key, false);
}
