/* slot: the life of one resource in one entry; see slot.c for the rule about waiting. */
#ifndef TSRMALLOC_TSRM_SLOT_H
#define TSRMALLOC_TSRM_SLOT_H

#include "tsrm/registry.h"

/* One callback that this thread is running for a slot; on the stack of the caller. */
struct tsrm_hold {
    struct tsrm_entry *entry;
    ts_rsrc_id id;
    struct tsrm_hold *outer;
};

/* What TSRM keeps per thread; owner only. */
struct tsrm_thread {
    struct tsrm_entry *current; /* the thread's tsrm_ls, or NULL */
    struct tsrm_hold *holds;    /* innermost callback, or NULL, or &tsrm_thread_is_over */
};

extern TSRM_OS_THREAD_LOCAL struct tsrm_thread tsrm_thread;
/* The `holds` of a thread whose last destructor round is over: it gets no entry any more. */
extern struct tsrm_hold tsrm_thread_is_over;

/* True inside a ctor, a dtor or a callback of ts_apply_for_id. */
bool tsrm_thread_in_callback(void);

/* Memory for resource `id`, NULL when memory is out; fast resources have theirs in the entry. */
bool tsrm_slot_has_block(ts_rsrc_id id);
void *tsrm_slot_alloc(ts_rsrc_id id) TSRM_MUST_CHECK;

/* The state of a slot, and its resource if it is ready. Thread: any. */
enum tsrm_slot_state tsrm_slot_get_state(const struct tsrm_entry *entry, ts_rsrc_id id);
void *tsrm_slot_resource(const struct tsrm_entry *entry, ts_rsrc_id id);

/* True if a claim could succeed now; asked before memory is got for it. */
bool tsrm_slot_is_missing(const struct tsrm_entry *entry, ts_rsrc_id id);
/* empty -> constructing; false if it is not empty or the id is not live. The caller keeps the
 * entry open: it is its owner and starting it, or has the registry locked. */
bool tsrm_slot_claim(struct tsrm_entry *entry, ts_rsrc_id id) TSRM_MUST_CHECK;
/* constructing -> ready, by the ctor. `block` is from tsrm_slot_alloc (ignored for fast ids) and
 * belongs to the slot from here on. */
void tsrm_slot_construct(struct tsrm_entry *entry, ts_rsrc_id id, void *block);
/* Waits until the slot is not constructing, as far as the rule lets. */
void tsrm_slot_await_constructed(struct tsrm_entry *entry, ts_rsrc_id id);
/* Runs the dtor if the slot is ready; waits for others who use it, as far as the rule lets.
 * Returns 1 if this call destroyed it, else 0. */
int tsrm_slot_empty_out(struct tsrm_entry *entry, ts_rsrc_id id);
/* Calls cb with the resource if it is ready and the entry open. */
void tsrm_slot_apply(struct tsrm_entry *entry, ts_rsrc_id id, void (*cb)(void *resource));
/* In the child of a fork: undoes what other threads were doing to slots. */
void tsrm_slot_after_fork(struct tsrm_entry *entry);

#endif
