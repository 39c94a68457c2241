/* heap_model: one run of the random model test: its settings, the heap, and the model of it. */
#ifndef TSRMALLOC_TESTS_STRESS_HEAP_MODEL_H
#define TSRMALLOC_TESTS_STRESS_HEAP_MODEL_H

#include "alloc/heap.h"
#include "tests/support/model.h"

typedef struct run {
    uint64_t seed, operation_count;
    const char *storage;
    size_t segment_size;
    int internal;

    uint64_t random;
    uint64_t operation;         /* number of the present one */
    zend_mm_heap *own_heap;     /* the thread's, before the test */
    zend_mm_heap *heap;         /* under test */
    bool is_current;            /* `heap` is the thread's heap */
    model model;
    size_t huge_count;
    size_t remote_size;         /* bytes freed through another heap, not collected yet */
    size_t limit;
    bool may_exceed;            /* an error was reported since the reset: it passed the limit */
    unsigned int grow_chance;   /* of 100; changes now and then: the heap grows and shrinks */
    uint64_t limit_count, reset_count;
    const char *fault;          /* what was found; NULL: nothing */
} run;

/* Sets the error callback that the operations expect. Once per process. */
void heap_model_begin(void);

/* Make the heap under test; false, and run->fault, when there is none. */
bool heap_model_make_heap(run *run);
void heap_model_end_heap(run *run);

/* Do one random operation, and compare heap and model. */
void heap_model_operate(run *run);

/* The slow checks: all contents, block sizes, overlaps. */
void heap_model_check_everything(run *run);
/* Every invariant of the heap. */
void heap_model_validate(run *run);

#endif
