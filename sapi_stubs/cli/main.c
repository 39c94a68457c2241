/* main: tsrmalloc-cli; the order of things, from the command line to the exit status.
 * Owns        the SAPI's functions.
 * Thread      main thread; log_message: any.
 * Invariants  I1  nothing is run before every file was checked
 *             I2  what was started is ended, on every way out but exit() inside the library
 * Failure     an exit status of cli.h, with a line on stderr.
 * Tests       tests/cli */
#include "config.h"

#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_SIZE 1024

/* ---- the SAPI ---- */

static zend_result cli_startup(sapi_module_struct *sapi)
{
    return php_module_startup(sapi, &cli_statistics_module, 1);
}

static zend_result cli_shutdown(sapi_module_struct *sapi)
{
    (void)sapi;
    TSRMLS_FETCH();
    php_module_shutdown(TSRMLS_C);
    return SUCCESS;
}

/* One fprintf, so that lines of several workers do not mix. */
static void cli_log_message(const char *message, int priority TSRMLS_DC)
{
    (void)priority;
    const cli_worker *worker = NULL;
    uint64_t request_number = 0;
#ifdef ZTS
    if (tsrm_ls != NULL)
#endif
    {
        worker = SG(server_context);
        request_number = SG(request_number);
    }
    if (worker == NULL || worker->job->is_alone) {
        fprintf(stderr, "tsrmalloc-cli: %s\n", message);
    } else {
        fprintf(stderr, "tsrmalloc-cli: worker %u, request %" PRIu64 ": %s\n", worker->index,
            request_number, message);
    }
}

static sapi_module_struct cli_sapi_module = {
    .name = "cli",
    .pretty_name = "traces and scripts on worker threads",
    .startup = cli_startup,
    .shutdown = cli_shutdown,
    .log_message = cli_log_message,
};

static bool start_process(const cli_options *options)
{
#ifdef ZTS
    if (!tsrm_startup((int)options->thread_count + 1, 1, 0, NULL) || ts_resource(0) == NULL) {
        fputs("tsrmalloc-cli: no memory to start TSRM\n", stderr);
        return false;
    }
#else
    (void)options;
#endif
    if (sapi_startup(&cli_sapi_module) == FAILURE) {
        fputs("tsrmalloc-cli: the SAPI could not be started\n", stderr);
        return false;
    }
    if (sapi_module.startup(&cli_sapi_module) == FAILURE) {
        fputs("tsrmalloc-cli: the modules could not be started\n", stderr);
        sapi_shutdown();
        return false;
    }
    return true;
}

static void end_process(void)
{
    (void)sapi_module.shutdown(&sapi_module);
    sapi_shutdown();
#ifdef ZTS
    (void)tsrm_shutdown();
#endif
}

/* ---- the run ---- */

static void unload_files(cli_job *job)
{
    for (size_t index = 0; index < job->program_count; index++) {
        job->engine->unload(job->programs[index]);
    }
    free(job->programs);
}

static bool load_files(const cli_options *options, cli_job *job)
{
    char error[ERROR_SIZE];
    job->engine = &trace_engine;
    job->files = options->files;
    job->programs = calloc(options->file_count, sizeof(*job->programs));
    if (job->programs == NULL) {
        fputs("tsrmalloc-cli: no memory for the list of files\n", stderr);
        return false;
    }
    for (size_t index = 0; index < options->file_count; index++) {
        const engine_script script = { .path = options->files[index], .file = -1 };
        void *program = job->engine->load(&script, error, sizeof(error));
        if (program == NULL) {
            fprintf(stderr, "tsrmalloc-cli: %s\n", error);
            unload_files(job);
            return false;
        }
        job->programs[job->program_count++] = program;
    }
    return true;
}

static int worst_status(const cli_worker *workers, unsigned int count)
{
    int worst = CLI_EXIT_OK;
    for (unsigned int index = 0; index < count; index++) {
        worst = workers[index].status > worst ? workers[index].status : worst;
    }
    return worst;
}

static void report(const cli_options *options, const cli_job *job, const cli_worker *workers,
    uint64_t wall_duration)
{
    if (options->startup_trace) {
        cli_startup_tree_print(options->json ? stderr : stdout);
    }
    if (options->json) {
        cli_report_json(workers, options->thread_count);
        return;
    }
    if (job->is_alone) {
        return;
    }
    /* A script's own output is on stdout. */
    FILE *out = cli_options_have_script(options) ? stderr : stdout;
    for (size_t index = 0; index < job->program_count; index++) {
        job->engine->describe(job->programs[index], out);
    }
    cli_report_table(out, workers, options->thread_count, wall_duration);
}

static int run_workers(const cli_options *options, const cli_job *job)
{
    int status = CLI_EXIT_SYSTEM;
    unsigned int ready = 0;
    cli_worker *workers = aligned_alloc(_Alignof(cli_worker),
        options->thread_count * sizeof(*workers));
    if (workers == NULL) {
        fputs("tsrmalloc-cli: no memory for the workers\n", stderr);
        return status;
    }
    while (ready < options->thread_count && cli_worker_init(&workers[ready], job, ready)) {
        ready++;
    }
    if (ready < options->thread_count) {
        fputs("tsrmalloc-cli: no memory for the workers\n", stderr);
        goto free_workers;
    }
    uint64_t wall_duration = cli_crew_run(workers, options->thread_count);
    if (wall_duration > 0) {
        status = worst_status(workers, options->thread_count);
        report(options, job, workers, wall_duration);
    }
free_workers:
    while (ready > 0) {
        cli_worker_free(&workers[--ready]);
    }
    free(workers);
    return status;
}

static int run(const cli_options *options)
{
    bool is_single = options->thread_count == 1 && options->repeat_count == 1;
    cli_job job = {
        .repeat_count = options->repeat_count,
        .flags = (options->verify ? ENGINE_CHECK_CONTENT : 0u)
            | (options->persistent ? ENGINE_KEEP_HEAP : 0u),
        .drops_output = options->json,
        .is_alone = is_single && cli_options_have_script(options),
        .has_input = is_single && (options->script == NULL || strcmp(options->script, "-") != 0),
        .arguments = options->arguments,
        .argument_count = options->argument_count,
    };
    bool is_loaded = cli_options_have_script(options) ? cli_script_load(options, &job)
                                                      : load_files(options, &job);
    if (!is_loaded) {
        return CLI_EXIT_FILE;
    }
    int status = CLI_EXIT_SYSTEM;
    if (options->startup_trace && !cli_startup_tree_begin(options->thread_count)) {
        fputs("tsrmalloc-cli: no memory for the start-up trace\n", stderr);
    } else if (start_process(options)) {
        status = run_workers(options, &job);
        end_process();
    }
    unload_files(&job);
    return status;
}

static int info(const cli_options *options)
{
    if (!start_process(options)) {
        return CLI_EXIT_SYSTEM;
    }
    cli_info_print(stdout);
    end_process();
    return CLI_EXIT_OK;
}

int main(int argc, char **argv)
{
    /* Traces and scripts leave what they hold to the end of the request: that is no leak. */
    const char *error;
    cli_options options;
    if (!php_ini_set("report_memleaks=0", &error)
        || !cli_options_parse(argc, argv, &options)) {
        return CLI_EXIT_USAGE;
    }
    switch (options.action) {
    case CLI_HELP:
        cli_options_help(stdout);
        return CLI_EXIT_OK;
    case CLI_VERSION:
        cli_info_version(stdout);
        return CLI_EXIT_OK;
    case CLI_INFO:
        return info(&options);
    case CLI_RUN:
        break;
    }
    return run(&options);
}
