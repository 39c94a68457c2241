/* Resource ids: allocating, freeing, fast ids, applying. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/unit/tsrm_support.h"
#include "tsrm/registry.h"

struct globals {
    int value;
    void ***tsrm_ls;
};

static ts_rsrc_id globals_id;
static atomic_int ctor_count, dtor_count;

static void globals_ctor(void *resource, void ***tsrm_ls)
{
    struct globals *globals = resource;

    cr_assert_eq(globals->value, 0);
    cr_assert_null(globals->tsrm_ls);
    /* The id is stored and the slot filled before the ctor runs. */
    cr_assert_eq(TSRMG_BULK(globals_id, struct globals *), globals);
    globals->value = 7;
    globals->tsrm_ls = tsrm_ls;
    ctor_count++;
}

static void globals_dtor(void *resource, void ***tsrm_ls)
{
    struct globals *globals = resource;

    cr_assert_not_null(globals);
    cr_assert_eq(globals->value, 7);
    cr_assert_eq(globals->tsrm_ls, tsrm_ls);
    globals->value = 8;
    dtor_count++;
}

static void begin(void)
{
    tsrm_begin();
}

static void end(void)
{
    cr_assert_eq(tsrm_shutdown(), 0);
    cr_assert_eq(ctor_count, dtor_count);
}

TestSuite(tsrm_ids, .init = begin, .fini = end);

/* N threads with entries that wait until they are told to look at globals_id and to end. */
struct workers {
    struct gate ready, go;
    pthread_t threads[4];
    atomic_int wrong_count;
};

static void *worker_body(void *arg)
{
    struct workers *workers = arg;
    TSRMLS_FETCH();

    gate_rise(&workers->ready);
    gate_pass(&workers->go, 1);
    if (globals_id != 0 && TSRMG(globals_id, struct globals *, value) != 7) {
        workers->wrong_count++;
    }
    if (globals_id != 0 && TSRMG(globals_id, struct globals *, tsrm_ls) != tsrm_ls) {
        workers->wrong_count++;
    }
    gate_rise(&workers->ready);
    gate_pass(&workers->go, 2);
    ts_free_thread();
    return NULL;
}

static void workers_start(struct workers *workers)
{
    size_t i;

    for (i = 0; i < 4; i++) {
        workers->threads[i] = thread_run(worker_body, workers);
    }
    gate_pass(&workers->ready, 4);
}

static void workers_look(struct workers *workers)
{
    gate_open(&workers->go, 1);
    gate_pass(&workers->ready, 8);
    cr_assert_eq(workers->wrong_count, 0);
}

static void workers_end(struct workers *workers)
{
    size_t i;

    gate_open(&workers->go, 2);
    for (i = 0; i < 4; i++) {
        thread_result(workers->threads[i]);
    }
}

Test(tsrm_ids, ids_count_from_one)
{
    ts_rsrc_id first, second;

    cr_assert_eq(ts_allocate_id(&first, 8, NULL, NULL), 1);
    cr_assert_eq(ts_allocate_id(&second, 8, NULL, NULL), 2);
    cr_assert_eq(first, 1);
    cr_assert_eq(second, 2);
}

Test(tsrm_ids, a_late_id_is_constructed_in_every_live_thread_before_it_returns)
{
    struct workers workers = {.ready = GATE_INIT, .go = GATE_INIT};

    workers_start(&workers);
    cr_assert_neq(ts_allocate_id(&globals_id, sizeof(struct globals), globals_ctor, globals_dtor),
                  0);
    cr_assert_eq(ctor_count, 5);
    workers_look(&workers);
    workers_end(&workers);
    cr_assert_eq(dtor_count, 4);
}

Test(tsrm_ids, a_starting_thread_constructs_what_is_missing_itself)
{
    struct workers workers = {.ready = GATE_INIT, .go = GATE_INIT};

    cr_assert_neq(ts_allocate_id(&globals_id, sizeof(struct globals), globals_ctor, globals_dtor),
                  0);
    cr_assert_eq(ctor_count, 1);
    workers_start(&workers);
    cr_assert_eq(ctor_count, 5);
    workers_look(&workers);
    workers_end(&workers);
}

Test(tsrm_ids, resources_are_zeroed_and_aligned_to_a_cache_line)
{
    static const char zeroes[300];
    int size;

    for (size = 0; size < 300; size += 41) {
        ts_rsrc_id id;

        cr_assert_neq(ts_allocate_id(&id, (size_t)size, NULL, NULL), 0);
        cr_assert_not_null(ts_resource(id));
        cr_assert_eq((uintptr_t)ts_resource(id) % 64, 0);
        cr_assert_eq(memcmp(ts_resource(id), zeroes, (size_t)size), 0);
    }
}

Test(tsrm_ids, resources_are_found_by_id_by_tsrm_ls_and_through_the_cache)
{
    void ***tsrm_ls = (void ***)ts_resource(0);

    cr_assert_neq(ts_allocate_id(&globals_id, sizeof(struct globals), globals_ctor, globals_dtor),
                  0);
    cr_assert_eq(ts_resource(globals_id), (*tsrm_ls)[globals_id - 1]);
    cr_assert_eq(tsrm_get_ls_cache(), tsrm_ls);
    cr_assert_eq(TSRMG(globals_id, struct globals *, value), 7);
}

Test(tsrm_ids, unknown_ids_have_no_resource)
{
    cr_assert_null(ts_resource(1));
    cr_assert_null(ts_resource(-1));
    cr_assert_null(ts_resource(TSRM_RSRC_ID_MAX + 1));
}

Test(tsrm_ids, too_many_ids_are_a_clean_error)
{
    ts_rsrc_id id = 0;
    int i;

    for (i = 1; i <= TSRM_RSRC_ID_MAX; i++) {
        cr_assert_eq(ts_allocate_id(&id, 1, NULL, NULL), i);
    }
    cr_assert_eq(ts_allocate_id(&id, sizeof(struct globals), globals_ctor, globals_dtor), 0);
    cr_assert_eq(id, 0);
    cr_assert_eq(ctor_count, 0);
    cr_assert_not_null(ts_resource(TSRM_RSRC_ID_MAX));
}

Test(tsrm_ids, a_size_that_cannot_be_had_is_a_clean_error)
{
    ts_rsrc_id id = 5;

    cr_assert_eq(ts_allocate_id(&id, SIZE_MAX, NULL, NULL), 0);
    cr_assert_eq(id, 0);
    cr_assert_eq(ts_allocate_id(&id, 8, NULL, NULL), 1);
}

Test(tsrm_ids, a_thread_s_table_never_moves)
{
    void ***tsrm_ls = (void ***)ts_resource(0);
    void **storage = *tsrm_ls;
    ts_rsrc_id first, id = 0;
    int i;

    cr_assert_neq(ts_allocate_id(&first, 8, NULL, NULL), 0);
    for (i = 1; i < TSRM_RSRC_ID_MAX; i++) {
        void *resource = storage[first - 1];

        cr_assert_neq(ts_allocate_id(&id, 1, NULL, NULL), 0);
        cr_assert(*tsrm_ls == storage && storage[first - 1] == resource);
    }
    cr_assert_eq(ts_resource(0), tsrm_ls);
    cr_assert_eq(storage[id - 1], ts_resource(id));
}

Test(tsrm_ids, freeing_an_id_destroys_it_in_every_thread_once)
{
    struct workers workers = {.ready = GATE_INIT, .go = GATE_INIT};
    ts_rsrc_id id;

    cr_assert_neq(ts_allocate_id(&globals_id, sizeof(struct globals), globals_ctor, globals_dtor),
                  0);
    workers_start(&workers);
    workers_look(&workers);
    ts_free_id(globals_id);
    cr_assert_eq(dtor_count, 5);
    cr_assert_null(ts_resource(globals_id));
    ts_free_id(globals_id);
    workers_end(&workers);
    cr_assert_eq(dtor_count, 5);
    cr_assert_eq(ts_allocate_id(&id, 8, NULL, NULL), globals_id + 1);
}

static void *has_no_globals(void *arg)
{
    (void)arg;
    return ts_resource(0) != NULL && ts_resource(globals_id) == NULL ? &globals_id : NULL;
}

Test(tsrm_ids, a_freed_id_is_not_constructed_in_new_threads)
{
    cr_assert_neq(ts_allocate_id(&globals_id, sizeof(struct globals), globals_ctor, globals_dtor),
                  0);
    ts_free_id(globals_id);
    cr_assert_not_null(thread_result(thread_run(has_no_globals, NULL)));
    cr_assert_eq(ctor_count, 1);
}

Test(tsrm_ids, freeing_ids_that_do_not_exist_does_nothing)
{
    ts_free_id(0);
    ts_free_id(-3);
    ts_free_id(1);
    ts_free_id(TSRM_RSRC_ID_MAX + 1);
    cr_assert_eq(ts_allocate_id(&globals_id, 8, NULL, NULL), 1);
    cr_assert_not_null(ts_resource(1));
}

Test(tsrm_ids, a_fast_resource_lies_inside_the_entry_at_its_offset)
{
    ts_rsrc_id first, second;
    size_t first_offset, second_offset;
    char *entry = ts_resource(0);

    cr_assert(tsrm_reserve(100));
    cr_assert_eq(ts_allocate_fast_id(&first, &first_offset, 20, NULL, NULL), 1);
    cr_assert_eq(ts_allocate_fast_id(&second, &second_offset, 80, NULL, NULL), 2);
    cr_assert_eq(ts_resource(first), entry + first_offset);
    cr_assert_eq(ts_resource(second), entry + second_offset);
    cr_assert_eq(first_offset % 16, 0);
    cr_assert_eq(second_offset, first_offset + 32);
    *TSRMG_FAST_BULK(first_offset, int *) = 5;
    cr_assert_eq(*(int *)ts_resource(first), 5);
}

Test(tsrm_ids, a_fast_id_without_room_spends_no_id)
{
    ts_rsrc_id id = 9;
    size_t offset = 9;

    cr_assert(tsrm_reserve(16));
    cr_assert_eq(ts_allocate_fast_id(&id, &offset, 17, NULL, NULL), 0);
    cr_assert_eq(id, 0);
    cr_assert_eq(offset, 0);
    cr_assert_eq(ts_allocate_fast_id(&id, &offset, SIZE_MAX, NULL, NULL), 0);
    cr_assert_eq(ts_allocate_fast_id(&id, &offset, 16, NULL, NULL), 1);
    cr_assert_eq(ts_allocate_fast_id(&id, &offset, 1, NULL, NULL), 0);
    cr_assert_eq(ts_allocate_id(&id, 1, NULL, NULL), 2);
}

Test(tsrm_ids, room_for_fast_resources_is_bounded)
{
    cr_assert_not(tsrm_reserve(TSRM_FAST_SIZE_MAX + 1));
    cr_assert_not(tsrm_reserve(SIZE_MAX));
    cr_assert(tsrm_reserve(TSRM_FAST_SIZE_MAX - 16));
    cr_assert_not(tsrm_reserve(17));
    cr_assert(tsrm_reserve(16));
    cr_assert_not(tsrm_reserve(1));
}

static size_t fast_offset;

static void *dirty_fast_resource(void *arg)
{
    unsigned char *resource = (unsigned char *)ts_resource(0) + fast_offset;
    bool was_zero = resource[0] == 0;

    (void)arg;
    resource[0] = 0xFF;
    return was_zero ? &fast_offset : NULL;
}

Test(tsrm_ids, a_fast_resource_starts_zeroed_in_a_recycled_entry)
{
    ts_rsrc_id id;
    int i;

    cr_assert(tsrm_reserve(64));
    cr_assert_neq(ts_allocate_fast_id(&id, &fast_offset, 64, NULL, NULL), 0);
    for (i = 0; i < 3; i++) {
        cr_assert_not_null(thread_result(thread_run(dirty_fast_resource, NULL)));
    }
    cr_assert_eq(tsrm_registry.entry_count, 2);
}

static atomic_int applied_sum;

static void add_value(void *resource)
{
    applied_sum += ((struct globals *)resource)->value;
}

Test(tsrm_ids, apply_reaches_every_thread_s_resource)
{
    struct workers workers = {.ready = GATE_INIT, .go = GATE_INIT};

    workers_start(&workers);
    cr_assert_neq(ts_allocate_id(&globals_id, sizeof(struct globals), globals_ctor, globals_dtor),
                  0);
    ts_apply_for_id(globals_id, add_value);
    cr_assert_eq(applied_sum, 5 * 7);
    workers_look(&workers);
    workers_end(&workers);
    ts_apply_for_id(globals_id, add_value);
    cr_assert_eq(applied_sum, 6 * 7);
    ts_free_id(globals_id);
    ts_apply_for_id(globals_id, add_value);
    ts_apply_for_id(99, add_value);
    cr_assert_eq(applied_sum, 6 * 7);
}
