/* cli.h: what the files of tsrmalloc-cli share.
 *
 *   main     the order of things       options   the command line
 *   worker   one thread, its requests  crew      all workers: start, gate, end
 *   request  what a script sees        script    the script of the command line
 *   progress the bar on a terminal     report    table and JSON
 *   statistics  the module that notes peaks
 *   startup_tree  --startup-trace      info      -i and -v */
#ifndef TSRMALLOC_CLI_H
#define TSRMALLOC_CLI_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/engine.h"
#include "sapi.h"

/* Exit statuses; 64, 70 and 71 are those of sysexits.h. */
enum {
    CLI_EXIT_OK = 0,
    CLI_EXIT_FILE = 1,          /* a file cannot be used */
    CLI_EXIT_USAGE = 64,
    CLI_EXIT_SOFTWARE = 70,     /* --verify found a block changed */
    CLI_EXIT_SYSTEM = 71,       /* the system refused memory or a thread */
    CLI_EXIT_FATAL = 255,       /* a request hit its memory limit; a script raised an error */
};

#define CLI_THREADS_MAX 4096

/* ---- options.c ---- */

typedef enum cli_action { CLI_RUN, CLI_HELP, CLI_VERSION, CLI_INFO } cli_action;

typedef struct cli_options {
    cli_action action;
    unsigned int thread_count;
    size_t repeat_count;
    bool verify;
    bool json;
    bool startup_trace;
    bool persistent;
    char **files;               /* traces */
    size_t file_count;
    const char *script;         /* path of a script, "-" for stdin; NULL: none */
    const char *code;           /* of -r; NULL: none */
    char **arguments;           /* for the script */
    size_t argument_count;
} cli_options;

static inline bool cli_options_have_script(const cli_options *options)
{
    return options->script != NULL || options->code != NULL;
}

/* Sets -d directives too. false: wrong usage, said on stderr. */
bool cli_options_parse(int argc, char **argv, cli_options *options)
    __attribute__((warn_unused_result));
void cli_options_help(FILE *out);

/* ---- statistics.c: a module; its globals are one set per worker, through a TSRM id ---- */

typedef struct cli_statistics {
    size_t peak;                /* bytes, the largest of all requests */
    size_t real_peak;
} cli_statistics;

extern zend_module_entry cli_statistics_module;
/* The calling thread's. */
cli_statistics *cli_statistics_get(TSRMLS_D);

/* ---- worker.c ---- */

/* What all workers do. Const while they run. */
typedef struct cli_job {
    const sapi_engine *engine;
    void **programs;
    size_t program_count;
    char *const *files;         /* one for each program; NULL: there is one, */
    const char *script;         /* made of this */
    size_t repeat_count;
    unsigned int flags;         /* ENGINE_* of runner_new() */
    bool drops_output;          /* of scripts: stdout has JSON */
    bool is_alone;              /* one worker runs one script once: messages need no number */
    bool has_input;             /* the script may read stdin as its body */
    char *const *arguments;
    size_t argument_count;
} cli_job;

/* Reset times kept for the median: the last so many requests of a worker. */
#define CLI_RESET_SAMPLES_MAX ((size_t)1 << 20)

/* Owner only until it was joined, unless tagged. A cache line apart from its neighbours. */
typedef struct cli_worker {
    _Alignas(64) const cli_job *job;    /* const while it runs */
    unsigned int index;                 /* const while it runs */
    _Atomic uint64_t request_count;     /* relaxed: the worker adds, the progress bar reads */
    uint64_t operation_count;
    uint64_t duration;                  /* nanoseconds in the engine and in heap resets */
    uint64_t remote_free_count;
    int64_t growth;                     /* bytes that kept heaps have grown in requests */
    engine_request request;
    cli_statistics statistics;
    uint64_t *reset_samples;            /* ring of reset_sample_capacity */
    size_t reset_sample_capacity;
    int status;                         /* a CLI_EXIT_*; the worst of its requests */
} cli_worker;

size_t cli_job_request_count(const cli_job *job);
bool cli_worker_init(cli_worker *worker, const cli_job *job, unsigned int index)
    __attribute__((warn_unused_result));
void cli_worker_free(cli_worker *worker);
/* Every request of the job, in the calling thread, which has its resources. */
void cli_worker_run(cli_worker *worker TSRMLS_DC);

/* ---- request.c ---- */

/* worker->request: parameters are the environment, the body is stdin, the answer goes to stdout. */
void cli_request_init(cli_worker *worker);

/* ---- script.c ---- */

/* The engine and its one program for the script of the options. false: said on stderr. */
bool cli_script_load(const cli_options *options, cli_job *job) __attribute__((warn_unused_result));

/* ---- crew.c ---- */

/* Run all workers to their end. Returns the wall time in nanoseconds from when all were up; 0: a
 * thread could not be started, said on stderr. */
uint64_t cli_crew_run(cli_worker *workers, unsigned int count);

/* ---- progress.c ---- */

/* Monotonic time, nanoseconds. */
uint64_t cli_now(void);

/* Show how far the workers are, from the first second on, if stderr is a terminal. Main thread. */
void cli_progress_start(const cli_worker *workers, unsigned int count);
/* End and wipe the line. When the workers have ended. */
void cli_progress_stop(void);

/* ---- report.c ---- */

void cli_report_table(FILE *out, const cli_worker *workers, unsigned int count,
    uint64_t wall_duration);
void cli_report_json(const cli_worker *workers, unsigned int count);

/* ---- startup_tree.c ---- */

/* Collect the start-up flow from now on. false: no memory. Before tsrm_startup(). */
bool cli_startup_tree_begin(unsigned int thread_count) __attribute__((warn_unused_result));
/* The calling thread is worker `index`; the thread that never says so is the main thread. */
void cli_startup_tree_name_thread(unsigned int index);
/* The calling thread begins or ends to serve requests: their heap resets re-run zend_mm_init, which
 * is no part of the start. */
void cli_startup_tree_serving(bool serving);
/* Print what was collected and forget it. When the workers have ended. */
void cli_startup_tree_print(FILE *out);

/* ---- info.c ---- */

void cli_info_version(FILE *out);
/* Build and heap geometry. After start-up. */
void cli_info_print(FILE *out);

#endif
