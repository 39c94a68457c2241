/* A caller as it is written for PHP: the same lines with ZTS and without. */
#ifndef TSRMALLOC_TESTS_UNIT_TSRM_MACROS_H
#define TSRMALLOC_TESTS_UNIT_TSRM_MACROS_H

#include "tsrm/tsrm.h"

typedef struct counter_globals {
    int value;
} counter_globals;

#ifdef ZTS
static ts_rsrc_id counter_id;
static ts_rsrc_id counter_fast_id;
static size_t counter_offset;
#define COUNTER(element) TSRMG(counter_id, counter_globals *, element)
#else
static counter_globals the_counter;
#define COUNTER(element) (the_counter.element)
#endif

TSRMLS_CACHE_DEFINE()
TSRMLS_CACHE_EXTERN()

static int counter_add(int by TSRMLS_DC)
{
    COUNTER(value) += by;
    return COUNTER(value);
}

static int counter_read(TSRMLS_D)
{
    return COUNTER(value);
}

static int counter_fetch(void)
{
    TSRMLS_FETCH();

    return counter_read(TSRMLS_C);
}

static int counter_of_context(void *context)
{
    TSRMLS_FETCH_FROM_CTX(context);

    (void)context;
    return counter_add(0 TSRMLS_CC);
}

/* 42 if every macro reaches the same globals. */
static int macros_run(void)
{
    void *context = NULL;
    int value;

#ifdef ZTS
    if (!tsrm_reserve(sizeof(counter_globals)) ||
        ts_allocate_id(&counter_id, sizeof(counter_globals), NULL, NULL) == 0 ||
        ts_allocate_fast_id(&counter_fast_id, &counter_offset, sizeof(counter_globals), NULL,
                            NULL) == 0) {
        return 0;
    }
#endif
    TSRMLS_FETCH();
    TSRMLS_CACHE_UPDATE();
    TSRMLS_SET_CTX(context);
    tsrm_env_lock();
    tsrm_env_unlock();
    counter_add(40 TSRMLS_CC);
    value = counter_add(2 TSRMLS_CC);
#ifdef ZTS
    TSRMG_FAST(counter_offset, counter_globals *, value) = value;
    if (TSRMG_STATIC(counter_id, counter_globals *, value) != value ||
        TSRMG_FAST_STATIC(counter_offset, counter_globals *, value) != value) {
        return 0;
    }
#endif
    return counter_read(TSRMLS_C) == value && counter_fetch() == value &&
                   counter_of_context(context) == value
               ? value
               : 0;
}

#endif
