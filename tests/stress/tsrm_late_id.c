/* A late ts_allocate_id: with 16 threads running and reading, with threads starting and ending at
 * that moment, with several threads allocating at once, and with ids freed meanwhile. A ledger in
 * every thread's first resource counts the ctors and dtors of each id there.
 *     tsrm_late_id [ids per allocating thread] */
#include "config.h"

#include <stdatomic.h>

#include "tests/support/check.h"
#include "tests/unit/tsrm_support.h"

enum { READER_COUNT = 16, STARTER_COUNT = 3, ALLOCATOR_COUNT = 2, ID_MAX = 512, MAGIC = 0x7153 };

struct ledger {
    atomic_int ctor_counts[ID_MAX + 1];
    atomic_int dtor_counts[ID_MAX + 1];
};

/* First member of each late resource. */
struct late {
    ts_rsrc_id id;
    int magic;
    void ***tsrm_ls;
};

static ts_rsrc_id ledger_id;
static atomic_int published[ID_MAX]; /* ids whose ts_allocate_id has returned; 0: not yet */
static atomic_int published_count;
static atomic_bool stop;
static atomic_long ctor_total, dtor_total;
static struct gate readers_ready = GATE_INIT;
static int ids_per_allocator = 100;

static void ledger_dtor(void *resource, void ***tsrm_ls)
{
    struct ledger *ledger = resource;
    int id;

    (void)tsrm_ls;
    /* The lowest id dies last: by now every other resource of this thread is gone. */
    for (id = 0; id <= ID_MAX; id++) {
        int ctor_count = ledger->ctor_counts[id];

        CHECK(ctor_count <= 1);
        CHECK(ctor_count == ledger->dtor_counts[id]);
    }
}

/* Which id a ctor runs for: the one whose slot holds the resource. Each allocator keeps its ids
 * to itself, so a ctor in a starting thread cannot know them. */
static ts_rsrc_id id_of(const void *resource, void ***tsrm_ls)
{
    ts_rsrc_id id;

    for (id = ledger_id + 1; id <= ID_MAX; id++) {
        if (__atomic_load_n(&(*tsrm_ls)[id - 1], __ATOMIC_RELAXED) == resource) {
            return id;
        }
    }
    return 0;
}

static void late_ctor(void *resource, void ***tsrm_ls)
{
    struct late *late = resource;
    struct ledger *ledger = TSRMG_BULK(ledger_id, struct ledger *);

    CHECK(late->magic == 0);
    late->id = id_of(resource, tsrm_ls);
    CHECK(late->id != 0);
    late->magic = MAGIC;
    late->tsrm_ls = tsrm_ls;
    ledger->ctor_counts[late->id]++;
    ctor_total++;
}

static void late_dtor(void *resource, void ***tsrm_ls)
{
    struct late *late = resource;

    CHECK(late->magic == MAGIC);
    CHECK(late->tsrm_ls == tsrm_ls);
    TSRMG_BULK(ledger_id, struct ledger *)->dtor_counts[late->id]++;
    late->magic = 0;
    dtor_total++;
}

/* Every id that was published before this look must be there, in every thread. */
static void look_at_all(void ***tsrm_ls)
{
    int count = published_count;
    int i;

    for (i = 0; i < count; i++) {
        ts_rsrc_id id = published[i];

        if (id == 0) {
            continue;
        }
        if (!CHECK(TSRMG_BULK(id, struct late *) != NULL) ||
            !CHECK(TSRMG(id, struct late *, magic) == MAGIC) ||
            !CHECK(TSRMG(id, struct late *, tsrm_ls) == tsrm_ls)) {
            return;
        }
    }
}

static void *reader(void *arg)
{
    TSRMLS_FETCH();

    gate_rise(&readers_ready);
    while (!stop) {
        look_at_all(tsrm_ls);
    }
    look_at_all(tsrm_ls);
    return arg;
}

/* Starts, and stays until one more id is there than when it had started. */
static void *short_life(void *ends_by_itself)
{
    TSRMLS_FETCH();
    int count = published_count;

    CHECK(tsrm_ls != NULL);
    look_at_all(tsrm_ls);
    while (!stop && published_count == count) {
        look_at_all(tsrm_ls);
    }
    look_at_all(tsrm_ls);
    if (ends_by_itself == NULL) {
        ts_free_thread();
    }
    return NULL;
}

static void *starter(void *arg)
{
    while (!stop) {
        pthread_t first = thread_run(short_life, NULL);
        pthread_t second = thread_run(short_life, &stop);

        thread_result(first);
        thread_result(second);
    }
    return arg;
}

static void *allocator(void *arg)
{
    int i;

    for (i = 0; i < ids_per_allocator; i++) {
        ts_rsrc_id id, freed_id;

        CHECK(ts_allocate_id(&id, sizeof(struct late) + 64, late_ctor, late_dtor) != 0);
        /* One more that nobody reads, which goes away again while others read. */
        CHECK(ts_allocate_id(&freed_id, sizeof(struct late), late_ctor, late_dtor) != 0);
        published[atomic_fetch_add(&published_count, 1)] = id;
        ts_free_id(freed_id);
    }
    return arg;
}

static void threads_start(pthread_t *threads, size_t count, void *(*body)(void *))
{
    size_t i;

    for (i = 0; i < count; i++) {
        threads[i] = thread_run(body, NULL);
    }
}

static void threads_join(pthread_t *threads, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        thread_result(threads[i]);
    }
}

int main(int argc, char **argv)
{
    pthread_t readers[READER_COUNT], starters[STARTER_COUNT], allocators[ALLOCATOR_COUNT];

    if (argc > 1) {
        ids_per_allocator = atoi(argv[1]);
    }
    CHECK_CASE("a late ts_allocate_id runs every ctor once, threads reading, starting and ending");
    tsrm_begin();
    CHECK(ts_allocate_id(&ledger_id, sizeof(struct ledger), NULL, ledger_dtor) != 0);
    threads_start(readers, READER_COUNT, reader);
    gate_pass(&readers_ready, READER_COUNT);
    threads_start(starters, STARTER_COUNT, starter);
    threads_start(allocators, ALLOCATOR_COUNT, allocator);
    threads_join(allocators, ALLOCATOR_COUNT);
    look_at_all((void ***)ts_resource(0));
    stop = true;
    threads_join(starters, STARTER_COUNT);
    threads_join(readers, READER_COUNT);
    CHECK(published_count == ALLOCATOR_COUNT * ids_per_allocator);

    CHECK_CASE("every ctor was followed by one dtor");
    CHECK(tsrm_thread_count() == 1);
    CHECK(tsrm_shutdown() == 0);
    CHECK(ctor_total == dtor_total);
    /* READER_COUNT + 1 threads lived through all of it. */
    CHECK(ctor_total >= (READER_COUNT + 1) * 2 * ALLOCATOR_COUNT * ids_per_allocator);
    return check_summary();
}
