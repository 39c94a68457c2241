/* heap_model: random operations on a heap, compared with a plain model after every one.
 *     heap_model [--seed N] [--operations N] [--storage NAME] [--segment BYTES] [--internal 0|1]
 * Without arguments: fixed seeds over all storages and two unit sizes. With any: that one run. The
 * first difference ends a run and prints its operation's number and the command that repeats it;
 * to shrink it by hand, lower --operations to that number and try other seeds.
 *
 * Owns        one heap under test, made and ended many times; the thread's own heap stands by.
 * Thread      one.
 * Invariants  heap size == model size (plus blocks freed remotely that nobody collected yet).
 * Failure     a CHECK per run.
 * Tests       alloc/ as a whole. */
#include "config.h"

#include <string.h>

#include "tests/stress/heap_model.h"
#include "tests/support/alloc_support.h"
#include "tests/support/check.h"

/* ---- runs ---- */

static void print_fault(const run *run)
{
    printf("operation %llu: %s\nreplay: tests/stress/heap_model --seed %llu --operations %llu"
        " --storage %s --segment %zu --internal %d\n", (unsigned long long)run->operation,
        run->fault, (unsigned long long)run->seed, (unsigned long long)run->operation_count,
        run->storage, run->segment_size, run->internal);
}

static void run_model(run *run)
{
    run->random = run->seed;
    run->model.seed = run->seed;
    run->own_heap = zend_mm_get_heap();
    run->grow_chance = 60;
    printf("seed %llu, %llu operations, storage %s, segment %zu, internal %d\n",
        (unsigned long long)run->seed, (unsigned long long)run->operation_count, run->storage,
        run->segment_size, run->internal);
    fflush(stdout);     /* before a corruption that ends the process */
    if (heap_model_make_heap(run)) {
        for (run->operation = 1; run->operation <= run->operation_count; run->operation++) {
            heap_model_operate(run);
            if (run->operation % 8 == 0) {
                heap_model_validate(run);
            }
            if (run->operation % 1024 == 0) {
                heap_model_check_everything(run);
            }
            if (run->fault != NULL) {
                print_fault(run);
                break;
            }
        }
        heap_model_end_heap(run);
    }
    printf("  %llu resets, %llu limit hits\n", (unsigned long long)run->reset_count,
        (unsigned long long)run->limit_count);
    model_end(&run->model);
}

static void run_fixed(uint64_t seed, uint64_t operation_count)
{
    static const char *const storages[] = { "malloc", "mmap_anon", "mmap_zero" };
    static const size_t segment_sizes[] = { ZEND_MM_SEGMENT_SIZE, 4 * ZEND_MM_SEGMENT_SIZE };
    uint64_t limit_count = 0, reset_count = 0;
    CHECK_CASE("random operations leave each storage's heap as the model says");
    for (size_t number = 0; number < 12; number++) {
        run run = {
            .seed = seed + number,
            .operation_count = operation_count,
            .storage = storages[number % 3],
            .segment_size = segment_sizes[number / 3 % 2],
            .internal = number >= 6,
        };
        run_model(&run);
        CHECK(run.fault == NULL);
        limit_count += run.limit_count;
        reset_count += run.reset_count;
    }
    CHECK_CASE("the random operations hit limits and reset heaps");
    CHECK(limit_count > 0);
    CHECK(reset_count > 0);
}

static bool parse(run *run, int argc, char **argv)
{
    for (int index = 1; index + 1 < argc; index += 2) {
        const char *name = argv[index], *value = argv[index + 1];
        if (strcmp(name, "--seed") == 0) {
            run->seed = strtoull(value, NULL, 0);
        } else if (strcmp(name, "--operations") == 0) {
            run->operation_count = strtoull(value, NULL, 0);
        } else if (strcmp(name, "--storage") == 0) {
            run->storage = value;
        } else if (strcmp(name, "--segment") == 0) {
            run->segment_size = strtoull(value, NULL, 0);
        } else if (strcmp(name, "--internal") == 0) {
            run->internal = atoi(value);
        } else {
            return false;
        }
    }
    return argc % 2 == 1;
}

int main(int argc, char **argv)
{
    run run = { .seed = 1, .operation_count = 100000, .storage = "mmap_anon",
        .segment_size = ZEND_MM_SEGMENT_SIZE };
    if (!parse(&run, argc, argv)) {
        fprintf(stderr, "usage: heap_model [--seed N] [--operations N] [--storage NAME]"
            " [--segment BYTES] [--internal 0|1]\n");
        return 64;
    }
    alloc_begin();
    heap_model_begin();
    if (argc == 1) {
        run_fixed(1, ZEND_DEBUG || TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD
            ? 4000 : 20000);
    } else {
        CHECK_CASE("random operations leave the heap as the model says");
        run_model(&run);
        CHECK(run.fault == NULL);
    }
    alloc_end();
    return check_summary();
}
