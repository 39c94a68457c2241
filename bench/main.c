/* tsrmalloc-bench: allocators side by side: all of them in every round, each in a process of its
 * own; the figure is the median of the per-round ratios to ours.
 * Owns        the list of cases and peers, the results.
 * Thread      one.
 * Invariants  figures of different rounds are never compared.
 * Failure     exit 1 when a trace or our own library cannot be used; a missing peer is named and
 *             left out.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/workload.h"

#define CASE_MAX 64
#define PEER_MAX 8
#define ROUND_MAX 101
#define EXIT_USAGE 64

typedef struct options {
    const char *library;        /* ours */
    const char *zend;           /* NULL: Debian's */
    unsigned int rounds, repeat;
    size_t operations;          /* of a live case */
    bool with_live;
} options;

/* A case is a trace, or live blocks of low .. high bytes. */
typedef struct bench_case {
    const char *name;
    trace trace;                /* id_count == 0: live blocks */
    size_t low, high, live_size;
} bench_case;

static const bench_case live_cases[] = {
    { .name = "4-64 KiB, 16 MiB live", .low = 4096, .high = 65536, .live_size = 16u << 20 },
    { .name = "4-64 KiB, 256 MiB live", .low = 4096, .high = 65536, .live_size = 256u << 20 },
    { .name = "4-64 KiB, 1 GiB live", .low = 4096, .high = 65536, .live_size = 1024u << 20 },
};

static const char *const peers[] = { "ours", "zend", "libc" };
#define PEER_COUNT (sizeof peers / sizeof peers[0])

/* ---- one measurement, in a child ---- */

static double measure(const options *options, const bench_case *item, const char *name)
{
    bench_peer peer;
    char error[256];
    const char *path = strcmp(name, "ours") == 0 ? options->library : options->zend;
    if (!bench_peer_open(name, path, &peer, error, sizeof error)) {
        fprintf(stderr, "tsrmalloc-bench: %s is left out: %s\n", name, error);
        return 0;
    }
    if (item->live_size != 0) {
        return bench_run_live(&peer, item->low, item->high, item->live_size, options->operations);
    }
    return bench_run_trace(&peer, &item->trace, options->repeat);
}

/* The child has the trace already: it is forked, not executed anew. 0: no figure. */
static double measure_in_child(const options *options, const bench_case *item, const char *name)
{
    int channel[2];
    fflush(NULL);
    if (pipe(channel) != 0) {
        return 0;
    }
    pid_t child = fork();
    if (child == 0) {
        double figure = measure(options, item, name);
        ssize_t written = write(channel[1], &figure, sizeof figure);
        _exit(written == (ssize_t)sizeof figure ? 0 : 1);
    }
    close(channel[1]);
    double figure = 0;
    if (child < 0 || read(channel[0], &figure, sizeof figure) != (ssize_t)sizeof figure) {
        figure = 0;
    }
    close(channel[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
    return figure;
}

/* ---- figures ---- */

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* ours / peer, per round; 0 where the peer is missing. */
static double run_case(const options *options, const bench_case *item, double *ratios)
{
    static double figures[PEER_MAX][ROUND_MAX], quotients[ROUND_MAX];
    bool missing[PEER_MAX] = { false };
    for (unsigned int round = 0; round < options->rounds; round++) {
        for (size_t peer = 0; peer < PEER_COUNT; peer++) {
            if (!missing[peer]) {
                figures[peer][round] = measure_in_child(options, item, peers[peer]);
                missing[peer] = figures[peer][round] <= 0;
            }
        }
    }
    for (size_t peer = 0; peer < PEER_COUNT; peer++) {
        for (unsigned int round = 0; round < options->rounds; round++) {
            quotients[round] = missing[peer] ? 0 : figures[0][round] / figures[peer][round];
        }
        ratios[peer] = median(quotients, options->rounds);
    }
    return missing[0] ? 0 : median(figures[0], options->rounds);
}

static void print_row(const char *name, double ours, const double *ratios)
{
    printf("%-28s %10.1f", name, ours);
    for (size_t peer = 1; peer < PEER_COUNT; peer++) {
        if (ratios[peer] > 0) {
            printf(" %10.3f", ratios[peer]);
        } else {
            printf(" %10s", "-");
        }
    }
    printf("\n");
    fflush(stdout);
}

static bool run_all(const options *options, bench_case *cases, size_t count)
{
    double log_sums[PEER_MAX] = { 0 };
    size_t trace_count = 0;
    printf("%-28s %10s", "workload", "ours ns/op");
    for (size_t peer = 1; peer < PEER_COUNT; peer++) {
        printf("  ours/%-4s", peers[peer]);
    }
    printf("\n");
    for (size_t index = 0; index < count; index++) {
        double ratios[PEER_MAX];
        double ours = run_case(options, &cases[index], ratios);
        if (ours <= 0) {
            fprintf(stderr, "tsrmalloc-bench: no figure of our own for %s\n", cases[index].name);
            return false;
        }
        print_row(cases[index].name, ours, ratios);
        if (cases[index].live_size == 0) {
            trace_count++;
            for (size_t peer = 0; peer < PEER_COUNT; peer++) {
                log_sums[peer] += log(ratios[peer]);
            }
        }
    }
    if (trace_count > 0) {
        printf("%-28s %10s", "traces, geometric mean", "");
        for (size_t peer = 1; peer < PEER_COUNT; peer++) {
            printf(" %10.3f", exp(log_sums[peer] / (double)trace_count));
        }
        printf("\n");
    }
    return true;
}

/* ---- command line ---- */

static void print_usage(FILE *stream)
{
    fprintf(stream,
        "usage: tsrmalloc-bench [options] [TRACE...]\n"
        "  --library PATH     libtsrmalloc.so to measure\n"
        "  --zend PATH        a libphp*.so, default: Debian's libphp8.2.so\n"
        "  --rounds N         rounds over all allocators, 1 .. 101, default 7\n"
        "  --repeat N         timed replays of a trace per measurement, default 3\n"
        "  --live             also live blocks of 4-64 KiB, at 16 MiB, 256 MiB and 1 GiB\n"
        "  --operations N     operations of such a case, default 200000\n"
        "  --help\n"
        "Figures: nanoseconds per operation, and the median over the rounds of ours / peer.\n");
}

static unsigned long number(const char *option, const char *text, unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > most) {
        fprintf(stderr, "tsrmalloc-bench: --%s %s: expected a number from 1 to %lu\n", option, text,
            most);
        exit(EXIT_USAGE);
    }
    return value;
}

static void parse_options(int argc, char **argv, options *options)
{
    enum { LIBRARY, ZEND, ROUNDS, REPEAT, LIVE, OPERATIONS, HELP };
    static const struct option names[] = {
        { "library", required_argument, NULL, LIBRARY }, { "zend", required_argument, NULL, ZEND },
        { "rounds", required_argument, NULL, ROUNDS }, { "repeat", required_argument, NULL, REPEAT },
        { "live", no_argument, NULL, LIVE }, { "operations", required_argument, NULL, OPERATIONS },
        { "help", no_argument, NULL, HELP }, { NULL, 0, NULL, 0 },
    };
    int name;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (name) {
        case LIBRARY: options->library = optarg; break;
        case ZEND: options->zend = optarg; break;
        case ROUNDS: options->rounds = (unsigned int)number("rounds", optarg, ROUND_MAX); break;
        case REPEAT: options->repeat = (unsigned int)number("repeat", optarg, 1000); break;
        case LIVE: options->with_live = true; break;
        case OPERATIONS: options->operations = number("operations", optarg, 100000000); break;
        case HELP: print_usage(stdout); exit(0);
        default: print_usage(stderr); exit(EXIT_USAGE);
        }
    }
}

int main(int argc, char **argv)
{
    options options = { .library = "libtsrmalloc.so", .rounds = 7, .repeat = 3,
                        .operations = 200000 };
    static bench_case cases[CASE_MAX];
    size_t count = 0;
    parse_options(argc, argv, &options);
    for (int index = optind; index < argc && count < CASE_MAX - 3; index++) {
        char error[512];
        if (!trace_read(argv[index], &cases[count].trace, error, sizeof error)) {
            fprintf(stderr, "tsrmalloc-bench: %s\n", error);
            return 1;
        }
        const char *slash = strrchr(argv[index], '/');
        cases[count++].name = slash != NULL ? slash + 1 : argv[index];
    }
    for (size_t live = 0; options.with_live && live < 3; live++) {
        cases[count++] = live_cases[live];
    }
    if (count == 0) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    return run_all(&options, cases, count) ? 0 : 1;
}
