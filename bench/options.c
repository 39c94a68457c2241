/* options: the command line.
 * Owns        names and defaults.
 * Thread      the main thread.
 * Invariants  I1  what is returned can be run: counts in range, ours is peers[0], directories exist
 * Failure     PARSE_USAGE, after a line that names the option and what was expected.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { OPTION_LIBRARY = 256, OPTION_PEER, OPTION_VARIANT, OPTION_PEERS, OPTION_WORKLOADS,
       OPTION_ROUNDS, OPTION_REPEAT, OPTION_QUICK, OPTION_JSON, OPTION_MARKDOWN, OPTION_SVG };

static const struct option long_options[] = {
    { "threads", required_argument, NULL, 't' },
    { "library", required_argument, NULL, OPTION_LIBRARY },
    { "peer", required_argument, NULL, OPTION_PEER },
    { "variant", required_argument, NULL, OPTION_VARIANT },
    { "peers", required_argument, NULL, OPTION_PEERS },
    { "workloads", required_argument, NULL, OPTION_WORKLOADS },
    { "rounds", required_argument, NULL, OPTION_ROUNDS },
    { "repeat", required_argument, NULL, OPTION_REPEAT },
    { "quick", no_argument, NULL, OPTION_QUICK },
    { "json", optional_argument, NULL, OPTION_JSON },
    { "markdown", optional_argument, NULL, OPTION_MARKDOWN },
    { "svg", required_argument, NULL, OPTION_SVG },
    { "version", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static void print_names(FILE *out)
{
    fputs("\nWorkloads:\n", out);
    for (size_t index = 0; index < bench_workload_count; index++) {
        fprintf(out, "  %-9s %s\n", bench_workloads[index]->name, bench_workloads[index]->title);
    }
    fputs("\nAllocators:\n ", out);
    for (size_t index = 0; index < bench_peer_default_count; index++) {
        fprintf(out, " %s", bench_peer_defaults[index].name);
    }
    fputc('\n', out);
}

static void print_help(FILE *out)
{
    fputs(
        "Usage: tsrmalloc-bench [options] [TRACE...]\n"
        "Measure allocators side by side: all of them in every round, each in a process of its\n"
        "own. 'times ours' is the median over the rounds of its time / ours.\n"
        "\n"
        "      --workloads A,B,...  only these (default: all; traces and threads need a TRACE)\n"
        "      --peers A,B,...      only these allocators; ours is always measured\n"
        "      --peer NAME=PATH     measure one more library, or NAME from another place\n"
        "      --variant NAME=PATH  measure another build of ours, with the traces only;\n"
        "                           NAME=VARIABLE=VALUE:PATH sets a variable for it\n"
        "      --library PATH       the libtsrmalloc.so to measure, as --peer ours=PATH\n"
        "      --rounds N           rounds (default 7, most 101); some long cases take fewer\n"
        "      --repeat N           timed replays of a trace in each round (default: 5, or as\n"
        "                           many as make 5,000,000 operations)\n"
        "  -t, --threads N          threads that replay side by side (default 1, most 1024)\n"
        "      --quick              tiny cases, one round: does it work?\n"
        "      --json[=FILE]        write JSON to FILE, or to stdout instead of the tables\n"
        "      --markdown[=FILE]    write the tables as Markdown, likewise\n"
        "      --svg DIRECTORY      draw pictures (needs gnuplot)\n"
        "  -v, --version            print the version\n"
        "  -h, --help               print this\n"
        "\n"
        "Times are CPU time of the thread; wall time with several threads and for handoff, churn\n"
        "and startup. Exit status: 0 done, 1 a file or our own library cannot be used, 64 wrong\n"
        "usage.\n", out);
    print_names(out);
}

static bool refuse(const char *what, const char *expected)
{
    fprintf(stderr, "tsrmalloc-bench: %s: %s\nTry 'tsrmalloc-bench --help'.\n", what, expected);
    return false;
}

static bool parse_count(const char *option, const char *text, unsigned int largest,
    unsigned int *count)
{
    char expected[64];
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && number >= 1 && number <= largest) {
        *count = (unsigned int)number;
        return true;
    }
    snprintf(expected, sizeof expected, "expected a number from 1 to %u", largest);
    return refuse(option, expected);
}

/* ---- allocators ---- */

static const bench_peer_default *find_default(const char *name)
{
    for (size_t index = 0; index < bench_peer_default_count; index++) {
        if (strcmp(bench_peer_defaults[index].name, name) == 0) {
            return &bench_peer_defaults[index];
        }
    }
    return NULL;
}

static bench_peer_choice *find_peer(bench_options *options, const char *name)
{
    for (size_t index = 0; index < options->peer_count; index++) {
        if (strcmp(options->peers[index].name, name) == 0) {
            return &options->peers[index];
        }
    }
    return NULL;
}

static bool set_peer(bench_options *options, const char *name, const char *path)
{
    bench_peer_choice *peer = find_peer(options, name);
    const bench_peer_default *known = find_default(name);
    if (known != NULL && known->library == NULL && *path != '\0') {
        return refuse(name, "it is in no library");
    }
    if (peer == NULL && options->peer_count == BENCH_PEER_MAX) {
        return refuse("--peer", "too many allocators");
    }
    peer = peer != NULL ? peer : &options->peers[options->peer_count++];
    *peer = (bench_peer_choice){ .name = name, .path = path };
    if (known != NULL && *path == '\0') {
        peer->package = known->package;
        peer->path = known->library != NULL ? known->library : "";
    }
    return true;
}

/* NAME=PATH: cut in two where it stands. */
static bool add_peer(bench_options *options, const char *option, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0') {
        return refuse(option, "expected NAME=PATH");
    }
    *equals = '\0';
    return set_peer(options, text, equals + 1);
}

static bool add_variant(bench_options *options, char *text)
{
    if (!add_peer(options, "--variant", text)) {
        return false;
    }
    find_peer(options, text)->variant = find_default(text) == NULL;
    return true;
}

/* Those of `list` stay, ours first. */
static bool choose_peers(bench_options *options, char *list)
{
    bench_options chosen = { .peer_count = 1 };
    chosen.peers[0] = options->peers[0];
    for (char *rest, *name = strtok_r(list, ",", &rest); name != NULL;
            name = strtok_r(NULL, ",", &rest)) {
        const bench_peer_choice *peer = find_peer(options, name);
        if (peer == NULL) {
            return refuse(name, "no such allocator");
        }
        if (find_peer(&chosen, name) == NULL) {
            chosen.peers[chosen.peer_count++] = *peer;
        }
    }
    memcpy(options->peers, chosen.peers, sizeof options->peers);
    options->peer_count = chosen.peer_count;
    return true;
}

/* ---- workloads ---- */

static bool choose_workloads(bench_options *options, char *list)
{
    options->workload_count = 0;
    for (char *rest, *name = strtok_r(list, ",", &rest); name != NULL;
            name = strtok_r(NULL, ",", &rest)) {
        const bench_workload *workload = bench_workload_find(name);
        if (workload == NULL) {
            return refuse(name, "no such workload");
        }
        if (options->workload_count < sizeof options->workloads / sizeof options->workloads[0]) {
            options->workloads[options->workload_count++] = workload;
        }
    }
    return options->workload_count > 0 || refuse("--workloads", "expected at least one");
}

/* What needs a trace and was not asked for by name is dropped when there is none. */
static bool check_traces(bench_options *options, bool chosen)
{
    size_t kept = 0;
    for (size_t index = 0; options->trace_count == 0 && index < options->workload_count; index++) {
        const bench_workload *workload = options->workloads[index];
        if (workload->traces == TRACES_NONE) {
            options->workloads[kept++] = workload;
        } else if (chosen) {
            return refuse(workload->name, "expected at least one TRACE");
        }
    }
    options->workload_count = options->trace_count == 0 ? kept : options->workload_count;
    return true;
}

/* ---- all together ---- */

static bool check_directory(const char *path)
{
    struct stat status;
    return (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        || refuse("--svg", "expected a directory that exists");
}

typedef struct lists {
    char *peers, *workloads;    /* looked at when all --peer are known */
} lists;

static bool take(int option, bench_options *options, lists *lists)
{
    switch (option) {
    case 't': return parse_count("--threads", optarg, 1024, &options->threads);
    case OPTION_LIBRARY: return set_peer(options, "ours", optarg);
    case OPTION_PEER: return add_peer(options, "--peer", optarg);
    case OPTION_VARIANT: return add_variant(options, optarg);
    case OPTION_PEERS: lists->peers = optarg; return true;
    case OPTION_WORKLOADS: lists->workloads = optarg; return true;
    case OPTION_ROUNDS: return parse_count("--rounds", optarg, BENCH_ROUND_MAX, &options->rounds);
    case OPTION_REPEAT: return parse_count("--repeat", optarg, 1000, &options->repeat);
    case OPTION_QUICK: options->quick = true; return true;
    case OPTION_JSON: options->json = optarg != NULL ? optarg : ""; return true;
    case OPTION_MARKDOWN: options->markdown = optarg != NULL ? optarg : ""; return true;
    case OPTION_SVG: options->svg = optarg; return check_directory(optarg);
    default: fputs("Try 'tsrmalloc-bench --help'.\n", stderr); return false;
    }
}

static bool complete(bench_options *options, const lists *lists, int argc, char **argv)
{
    options->traces = argv + optind;
    options->trace_count = (size_t)(argc - optind);
    if (options->rounds == 0) {
        options->rounds = options->quick ? 1 : 7;
    }
    if (options->repeat == 0 && options->quick) {
        options->repeat = 2;
    }
    if (options->json != NULL && options->markdown != NULL && *options->json == '\0'
        && *options->markdown == '\0') {
        return refuse("--json", "only one of --json and --markdown can have stdout");
    }
    return (lists->peers == NULL || choose_peers(options, lists->peers))
        && (lists->workloads == NULL || choose_workloads(options, lists->workloads))
        && check_traces(options, lists->workloads != NULL);
}

bench_parse bench_options_parse(int argc, char **argv, bench_options *options)
{
    lists lists = { NULL, NULL };
    int option;
    *options = (bench_options){ .threads = 1 };
    for (size_t index = 0; index < bench_peer_default_count; index++) {
        if (!set_peer(options, bench_peer_defaults[index].name, "")) {
            return PARSE_USAGE;
        }
    }
    options->workload_count = bench_workload_count;
    memcpy(options->workloads, bench_workloads, bench_workload_count * sizeof *bench_workloads);
    while ((option = getopt_long(argc, argv, "t:vh", long_options, NULL)) != -1) {
        if (option == 'h') {
            print_help(stdout);
            return PARSE_DONE;
        }
        if (option == 'v') {
            printf("tsrmalloc-bench %s\n", PACKAGE_VERSION);
            return PARSE_DONE;
        }
        if (!take(option, options, &lists)) {
            return PARSE_USAGE;
        }
    }
    return complete(options, &lists, argc, argv) ? PARSE_RUN : PARSE_USAGE;
}
