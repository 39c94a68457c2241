/* registry: what the process knows of its entries and ids; the types shared by the files of tsrm/.
 *
 * Glossary
 *   entry    what one thread, or one interpreter context, has of every resource; `tsrm_ls` points
 *            at it
 *   slot     one (entry, id) pair
 *   open     an entry that new slots may be constructed in: STARTING or LIVE
 *   home     a thread's own entry, as opposed to a context it has set
 *   current  the entry a thread works with now: its home, a context, or none
 *
 * An entry is one fixed reservation of address space, touched as it is used; it is recycled, never
 * unmapped, so a stale pointer to one always reads an entry, and its state says whose.
 *
 *   +---------+----------------------+------------------------+----------------+
 *   | header  | slot_states (1 B/id) | slots (pointer per id) | fast resources |
 *   +---------+----------------------+------------------------+----------------+
 *   ^ tsrm_ls                        ^ *tsrm_ls               ^ tsrm_ls + offset
 */
#ifndef TSRMALLOC_TSRM_REGISTRY_H
#define TSRMALLOC_TSRM_REGISTRY_H

#include <limits.h>
#include <stdatomic.h>

#include "tsrm/os.h"
#include "tsrm/tsrm.h"

enum tsrm_entry_state {
    TSRM_ENTRY_FREE,      /* on the free list */
    TSRM_ENTRY_STARTING,  /* its keeper runs the ctors for all ids there are, lowest first */
    TSRM_ENTRY_LIVE,      /* lacks no id but those being allocated since */
    TSRM_ENTRY_CLOSING,   /* its dtors are running; nothing new is constructed */
    TSRM_ENTRY_CLOSED,    /* emptied by another thread, still the home of its own */
    TSRM_ENTRY_ABANDONED, /* its thread stayed in the parent of a fork */
};

enum tsrm_entry_kind { TSRM_ENTRY_OF_THREAD, TSRM_ENTRY_OF_CONTEXT };

/* A slot: empty -> constructing -> ready -> destroying -> empty. READY + n: n callbacks of
 * ts_apply_for_id are looking at it. */
enum tsrm_slot_state {
    TSRM_SLOT_EMPTY,
    TSRM_SLOT_CONSTRUCTING,
    TSRM_SLOT_DESTROYING,
    TSRM_SLOT_READY,
    TSRM_SLOT_READY_MAX = UCHAR_MAX,
};

struct tsrm_entry {
    void **storage;               /* const after init: slots, as users see them; must be first */
    _Atomic(uintptr_t) thread_key; /* atomic: written before the release store of LIVE in state,
                                      read after its acquire load */
    atomic_uchar state;           /* enum tsrm_entry_state; written under lock: registry;
                                     atomic: release in entry_set_state, acquire in look-ups */
    unsigned char kind;           /* enum tsrm_entry_kind; const while not FREE */
    unsigned char value_rounds;   /* owner only: destructor calls seen by the thread's end */
    bool begun;                   /* owner only: the begin handler has run */
    bool finished;                /* owner only: the end handler has run */
    int user_count;               /* lock: registry; threads that have this context current */
    const void *keeper;           /* lock: registry; the thread that starts it or has put off
                                     closing it, by the address of its tsrm_thread */
    struct tsrm_entry *next;      /* lock: registry; free list or deferred list */
    atomic_uchar slot_states[TSRM_RSRC_ID_MAX]; /* atomic: see slot.c */
    _Atomic(void *) slots[TSRM_RSRC_ID_MAX];    /* atomic: ordered by slot_states */
    _Alignas(TSRM_OS_ALIGNMENT) unsigned char fast[TSRM_FAST_SIZE_MAX];
};

enum tsrm_id_phase {
    TSRM_ID_LIVE,
    TSRM_ID_RETIRED, /* from before a tsrm_shutdown that left threads: dtors only */
    TSRM_ID_FREED,   /* by ts_free_id */
};

struct tsrm_resource_type {
    size_t size;           /* const after init, as the next three: published by id_count */
    size_t fast_offset;    /* from tsrm_ls; 0: the resource has a block of its own */
    ts_allocate_ctor ctor;
    ts_allocate_dtor dtor;
    atomic_uchar phase;    /* enum tsrm_id_phase; written under lock: registry;
                              atomic: store in ts_free_id before it reads slots, load in slot.c
                              after a slot became ready (both sequentially consistent) */
};

struct tsrm_registry {
    tsrm_os_lock lock;
    tsrm_os_condition changed;        /* a slot or an entry has changed its state */
    atomic_uint waiter_count;         /* written under lock: registry; atomic: see slot.c */
    bool started;                     /* lock: registry */
    struct tsrm_resource_type *types; /* lock: registry, but const while an entry is open */
    atomic_int id_count;              /* written under lock: registry; atomic: release in
                                         id_publish, acquire by whoever reads types */
    size_t fast_reserved_size;        /* lock: registry */
    size_t fast_used_size;            /* lock: registry */
    struct tsrm_entry **entries;      /* lock: registry; every entry there ever was */
    size_t entry_count;               /* lock: registry */
    size_t entry_capacity;            /* lock: registry */
    size_t open_count;                /* lock: registry; entries STARTING or LIVE */
    size_t thread_count;              /* lock: registry; the homes of threads among them */
    struct tsrm_entry *free_entries;  /* lock: registry */
    struct tsrm_entry *deferred_entries; /* lock: registry; CLOSING, to be emptied by keeper */
    atomic_uint deferred_count;       /* written under lock: registry; atomic: a hint for the
                                         thread that deferred, which wrote it itself */
};

extern struct tsrm_registry tsrm_registry;

void tsrm_registry_lock(void);
void tsrm_registry_unlock(void);

/* Waits until something may have changed; the lock is held before and after. */
void tsrm_registry_wait(void);
/* Wakes all who wait. Lock held. */
void tsrm_registry_wake(void);
/* Wakes all who wait, if any, after a sequentially consistent store of what they wait for. */
void tsrm_registry_wake_waiters(void);

/* Makes, or drops, the id table. Lock held; dropping needs that no entry is in use. */
bool tsrm_registry_make_ids(void) TSRM_MUST_CHECK;
void tsrm_registry_drop_ids(void);

/* True if a thread or context of now or earlier still needs the id table. Lock held. */
bool tsrm_registry_is_in_use(void);

/* An entry for the thread `keeper` to fill, STARTING; NULL when memory is out or TSRM is not
 * started. Lock held. */
struct tsrm_entry *tsrm_entry_open(enum tsrm_entry_kind kind,
                                   const void *keeper) TSRM_MUST_CHECK;
/* Moves an open entry to CLOSING. Lock held. */
void tsrm_entry_open_to_closing(struct tsrm_entry *entry);
/* Puts an entry whose slots are all empty on the free list and wakes who waits. Lock held. */
void tsrm_entry_recycle(struct tsrm_entry *entry);

static inline enum tsrm_entry_state tsrm_entry_get_state(const struct tsrm_entry *entry)
{
    return (enum tsrm_entry_state)atomic_load_explicit(&entry->state, memory_order_acquire);
}

static inline void tsrm_entry_set_state(struct tsrm_entry *entry, enum tsrm_entry_state state)
{
    atomic_store_explicit(&entry->state, (unsigned char)state, memory_order_release);
}

static inline bool tsrm_entry_is_open(const struct tsrm_entry *entry)
{
    enum tsrm_entry_state state = tsrm_entry_get_state(entry);

    return state == TSRM_ENTRY_STARTING || state == TSRM_ENTRY_LIVE;
}

static inline ts_rsrc_id tsrm_id_count(void)
{
    return atomic_load_explicit(&tsrm_registry.id_count, memory_order_acquire);
}

static inline struct tsrm_resource_type *tsrm_id_type(ts_rsrc_id id)
{
    return &tsrm_registry.types[id - 1];
}

static inline bool tsrm_id_is_allocated(ts_rsrc_id id)
{
    return id >= 1 && id <= tsrm_id_count();
}

#endif
