/* main: tsrmalloc-stress; the order of things, from the command line to the exit status.
 * Owns        the table of modes, the start and end of TSRM and the memory manager.
 * Thread      main thread.
 * Invariants  I1  the seed is printed before anything runs
 *             I2  the first fault ends the run: a heap that was wrong once proves nothing more
 * Failure     an exit status of stress.h, with a line on stderr.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stress/stress.h"

/* Threads keep what they touched first (their stacks, TSRM entries, pooled segments): a warm-up of
 * this part of the time comes before RSS is looked at. */
#define WARM_UP_PART 20
#define WARM_UP_LEAST UINT64_C(20000000)        /* nanoseconds of each mode */

const stress_mode *const stress_modes[STRESS_MODE_COUNT] = {
    &stress_mode_request, &stress_mode_trace, &stress_mode_handoff, &stress_mode_churn,
    &stress_mode_ids, &stress_mode_limit, &stress_mode_huge, &stress_mode_fork, &stress_mode_oom,
    &stress_mode_misbehave,
};

#if TSRMALLOC_SANITIZE_THREAD
const char *__tsan_default_options(void);
/* Children of the mode `fork` go on with one thread. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}
#endif

static bool start_process(void)
{
    stress_settle_malloc();
#ifdef ZTS
    if (!tsrm_startup(64, 1, 0, NULL) || ts_resource(0) == NULL) {
        fputs("tsrmalloc-stress: no memory to start TSRM\n", stderr);
        return false;
    }
#endif
    TSRMLS_FETCH();
    start_memory_manager(TSRMLS_C);
    stress_worker_begin_process();
    return true;
}

/* false: somebody's TSRM entry was left behind. */
static bool end_process(void)
{
#ifdef ZTS
    int left = tsrm_shutdown();
    if (left != 0) {
        fprintf(stderr, "tsrmalloc-stress: %d threads left their TSRM entries behind\n", left);
    }
    return left == 0;
#else
    shutdown_memory_manager(1, 1);
    return true;
#endif
}

static const char *reason_to_skip(const stress_options *options, const stress_mode *mode)
{
    if (mode->need == STRESS_NEEDS_ZTS && !STRESS_ZTS) {
        return "this build has no thread safety (ZTS)";
    }
    if (mode->need == STRESS_NEEDS_TRACES && options->trace_count == 0) {
        return "no trace is installed and --trace names none";
    }
    return NULL;
}

static size_t running_count(const stress_options *options)
{
    size_t count = 0;
    for (size_t index = 0; index < STRESS_MODE_COUNT; index++) {
        count += (options->chosen[index] || !options->modes_given)
            && reason_to_skip(options, stress_modes[index]) == NULL;
    }
    return count;
}

/* All chosen modes in turn. Returns an exit status. */
static int run_modes(const stress_options *options, uint64_t seed, uint64_t duration,
    stress_summary *summary, stress_result *results)
{
    summary->results = results;
    summary->result_count = 0;
    for (size_t index = 0; index < STRESS_MODE_COUNT; index++) {
        const stress_mode *mode = stress_modes[index];
        if (options->modes_given && !options->chosen[index]) {
            continue;
        }
        stress_result *result = &results[summary->result_count++];
        *result = (stress_result){ .mode = mode, .skipped = reason_to_skip(options, mode) };
        if (result->skipped != NULL) {
            continue;
        }
        if (!stress_run_mode(options, mode, seed, duration, result)) {
            return STRESS_EXIT_SYSTEM;
        }
        if (result->fault_count != 0) {
            return STRESS_EXIT_FAULT;
        }
    }
    return STRESS_EXIT_OK;
}

static int run(const stress_options *options)
{
    stress_result results[STRESS_MODE_COUNT];
    stress_summary summary = { 0 };
    size_t count = running_count(options);
    if (count == 0) {
        fputs("tsrmalloc-stress: none of these modes can run here: see --trace\n", stderr);
        return STRESS_EXIT_USAGE;
    }
    uint64_t duration = options->duration / count;
    int status = STRESS_EXIT_OK;
    if (options->stop_at == 0) {
        uint64_t warm_up = duration / WARM_UP_PART;
        warm_up = warm_up < WARM_UP_LEAST ? WARM_UP_LEAST : warm_up;
        status = run_modes(options, stress_mix_bits(options->seed) >> 32, warm_up, &summary,
            results);
    }
    summary.resident_before = stress_resident_size();
    if (status == STRESS_EXIT_OK) {
        status = run_modes(options, options->seed, duration, &summary, results);
    }
    summary.resident_after = stress_resident_size();
    if (options->json) {
        stress_report_json(options, &summary);
    } else {
        stress_report_table(&summary);
    }
    return status;
}

static int start_and_run(stress_options *options)
{
    if (options->trace_count == 0) {
        stress_traces_find(options);
    }
    fprintf(options->json ? stderr : stdout, "seed %" PRIu64 ", %u threads\n", options->seed,
        options->thread_count);
    fflush(stdout);
    if (!start_process()) {
        return STRESS_EXIT_SYSTEM;
    }
    int status = run(options);
    if (status == STRESS_EXIT_FAULT) {
        /* Nothing can be trusted any more, the end of the process least of all. */
        fflush(stdout);
        _Exit(status);
    }
    return end_process() || status != STRESS_EXIT_OK ? status : STRESS_EXIT_FAULT;
}

int main(int argc, char **argv)
{
    stress_options options;
    if (!stress_options_parse(argc, argv, &options)) {
        return STRESS_EXIT_USAGE;
    }
    switch (options.action) {
    case STRESS_HELP:
        stress_options_help(stdout);
        return STRESS_EXIT_OK;
    case STRESS_VERSION:
        puts("tsrmalloc-stress " PACKAGE_VERSION);
        return STRESS_EXIT_OK;
    case STRESS_RUN:
        break;
    }
    return start_and_run(&options);
}
