/* Look-ups of threads that start and end all the time: the answer is that thread's entry or NULL,
 * never another's. Each thread writes its own id into its resource; entries are recycled fast.
 *     tsrm_lookup [rounds per churning thread] */
#include "config.h"

#include <stdatomic.h>

#include "tests/support/check.h"
#include "tests/unit/tsrm_support.h"

enum {
    CHURNER_COUNT = 3,
    LOOKER_COUNT = 3,
    STAYER_COUNT = 40,
    CROWD_COUNT = 80    /* come while others look: the table grows under their eyes */
};

static ts_rsrc_id owner_id;
static _Atomic(pthread_t) recent[CHURNER_COUNT]; /* threads that may be gone by now */
static pthread_t stayers[STAYER_COUNT], crowd[CROWD_COUNT];
static atomic_bool stop;
static atomic_long found_count;
static struct gate stayers_ready = GATE_INIT, stayers_end = GATE_INIT;
static int round_count = 300;

static void owner_ctor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    *(_Atomic(pthread_t) *)resource = pthread_self();
}

static void *stay(void *arg)
{
    ts_resource(0);
    gate_rise(&stayers_ready);
    gate_pass(&stayers_end, 1);
    return arg;
}

static void *come_and_go(void *arg)
{
    _Atomic(pthread_t) *announced = arg;

    ts_resource(0);
    *announced = pthread_self();
    return NULL;
}

static void *churner(void *arg)
{
    int i;

    for (i = 0; i < round_count; i++) {
        thread_result(thread_run(come_and_go, arg));
    }
    return NULL;
}

static void *looker(void *arg)
{
    unsigned turn = 0;

    while (!stop) {
        pthread_t stayer = stayers[turn % STAYER_COUNT];
        pthread_t other = recent[turn % CHURNER_COUNT];
        _Atomic(pthread_t) *owner = ts_resource_ex(owner_id, &stayer);

        turn++;
        if (!CHECK(owner != NULL) || !CHECK(pthread_equal(*owner, stayer))) {
            break;
        }
        /* Its memory may go at any moment, so only the answer's existence is counted. */
        if (other != 0 && ts_resource_ex(0, &other) != NULL) {
            found_count++;
        }
    }
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t churners[CHURNER_COUNT], lookers[LOOKER_COUNT];
    int i;

    if (argc > 1) {
        round_count = atoi(argv[1]);
    }
    CHECK_CASE("threads that stay are found while others come and go");
    tsrm_begin();
    CHECK(ts_allocate_id(&owner_id, sizeof(pthread_t), owner_ctor, NULL) != 0);
    for (i = 0; i < STAYER_COUNT; i++) {
        stayers[i] = thread_run(stay, NULL);
    }
    gate_pass(&stayers_ready, STAYER_COUNT);
    for (i = 0; i < LOOKER_COUNT; i++) {
        lookers[i] = thread_run(looker, NULL);
    }
    for (i = 0; i < CROWD_COUNT; i++) {
        crowd[i] = thread_run(stay, NULL);
    }
    gate_pass(&stayers_ready, STAYER_COUNT + CROWD_COUNT);
    for (i = 0; i < CHURNER_COUNT; i++) {
        churners[i] = thread_run(churner, &recent[i]);
    }
    for (i = 0; i < CHURNER_COUNT; i++) {
        thread_result(churners[i]);
    }
    stop = true;
    for (i = 0; i < LOOKER_COUNT; i++) {
        thread_result(lookers[i]);
    }
    gate_open(&stayers_end, 1);
    for (i = 0; i < STAYER_COUNT; i++) {
        thread_result(stayers[i]);
    }
    for (i = 0; i < CROWD_COUNT; i++) {
        thread_result(crowd[i]);
    }
    printf("look-ups that met a passing thread alive: %ld\n", (long)found_count);

    CHECK_CASE("threads that are gone are not found");
    for (i = 0; i < STAYER_COUNT; i++) {
        CHECK(ts_resource_ex(0, &stayers[i]) == NULL);
    }
    CHECK(tsrm_shutdown() == 0);
    return check_summary();
}
