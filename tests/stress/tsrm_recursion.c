/* Threads that do everything at once: ctors and dtors that allocate, free and apply ids, make and
 * free contexts and ask for entries, in threads that start and end. Whether anybody waits for
 * ever is for the test driver's time limit to see.
 *     tsrm_recursion [rounds per thread] [seed] */
#include "config.h"

#include <stdatomic.h>

#include "tests/support/check.h"
#include "tests/unit/tsrm_support.h"

enum { THREAD_COUNT = 6, MAGIC = 0x52454355, DEPTH_MAX = 3, ID_BUDGET = 200, CONTEXT_BUDGET = 300 };

struct node {
    atomic_int magic;
    atomic_int applied;
};

/* Each id and each context leads to more of both, so their number is limited. */
static atomic_int id_count, context_count;
static atomic_uint seed;
static atomic_long ctor_count, dtor_count;
static _Thread_local int depth;
static int round_count = 40;

static unsigned random_below(unsigned limit)
{
    unsigned value = atomic_fetch_add(&seed, 0x9E3779B9u);

    value ^= value >> 16;
    value *= 0x85EBCA6Bu;
    value ^= value >> 13;
    value *= 0xC2B2AE35u;
    value ^= value >> 16;
    return value % limit;
}

static void do_something(void);

static void node_ctor(void *resource, void ***tsrm_ls)
{
    struct node *node = resource;

    (void)tsrm_ls;
    CHECK(node->magic == 0);
    do_something();
    node->magic = MAGIC;
    ctor_count++;
}

static void node_dtor(void *resource, void ***tsrm_ls)
{
    struct node *node = resource;

    (void)tsrm_ls;
    CHECK(node->magic == MAGIC);
    do_something();
    node->magic = 0;
    dtor_count++;
}

static void node_apply(void *resource)
{
    struct node *node = resource;

    CHECK(node->magic == MAGIC);
    node->applied++;
    do_something();
    CHECK(node->magic == MAGIC);
}

static void id_allocate(void)
{
    ts_rsrc_id id;
    struct node *node;

    if (atomic_fetch_add(&id_count, 1) >= ID_BUDGET) {
        return;
    }
    if (!CHECK(ts_allocate_id(&id, sizeof(struct node), node_ctor, node_dtor) != 0)) {
        return;
    }
    /* A new id is ready on return, inside ctors and dtors too, where there is a live entry. */
    node = tsrm_is_managed_thread() && depth == 1 ? ts_resource(id) : NULL;
    CHECK(node == NULL || node->magic == MAGIC);
    if (random_below(2) == 0) {
        ts_apply_for_id(id, node_apply);
    }
    if (random_below(4) != 0) {
        ts_free_id(id);
    }
}

static void context_use(void)
{
    void *context;

    if (atomic_fetch_add(&context_count, 1) >= CONTEXT_BUDGET) {
        return;
    }
    context = tsrm_new_interpreter_context();
    if (CHECK(context != NULL)) {
        tsrm_free_interpreter_context(context);
    }
}

static void do_something(void)
{
    if (depth >= DEPTH_MAX) {
        return;
    }
    depth++;
    switch (random_below(6)) {
    case 0:
        id_allocate();
        break;
    case 1:
        CHECK(ts_resource(0) != NULL);
        break;
    case 2:
        ts_resource((ts_rsrc_id)random_below(50) + 1);
        break;
    case 3:
        context_use();
        break;
    default:
        break;
    }
    depth--;
}

static void *short_life(void *arg)
{
    depth = DEPTH_MAX - 1;
    CHECK(ts_resource(0) != NULL);
    if (arg != NULL) {
        ts_free_thread();
    }
    return NULL;
}

static void *body(void *arg)
{
    int i;

    for (i = 0; i < round_count; i++) {
        depth = 0;
        switch (random_below(4)) {
        case 0:
            thread_result(thread_run(short_life, i % 2 == 0 ? &seed : NULL));
            break;
        case 1:
            ts_free_thread();
            break;
        default:
            depth = 1;
            id_allocate();
            break;
        }
    }
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREAD_COUNT];
    unsigned first_seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 20240607u;
    int i;

    if (argc > 1) {
        round_count = atoi(argv[1]);
    }
    printf("seed %u\n", first_seed);
    seed = first_seed;
    CHECK_CASE("ctors and dtors that use TSRM in all threads at once come to an end");
    tsrm_begin();
    for (i = 0; i < THREAD_COUNT; i++) {
        threads[i] = thread_run(body, NULL);
    }
    for (i = 0; i < THREAD_COUNT; i++) {
        thread_result(threads[i]);
    }
    CHECK(tsrm_thread_count() == 1);

    CHECK_CASE("and every resource that was constructed was destroyed");
    CHECK(tsrm_shutdown() == 0);
    printf("%ld constructed, %ld destroyed, %d ids\n", (long)ctor_count, (long)dtor_count,
           id_count < ID_BUDGET ? (int)id_count : ID_BUDGET);
    CHECK(ctor_count > 0);
    CHECK(ctor_count == dtor_count);
    return check_summary();
}
