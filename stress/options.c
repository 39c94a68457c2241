/* options: the command line.
 * Owns        the names of the options and their defaults.
 * Thread      main thread, before any other exists.
 * Invariants  I1  what is returned can be run: counts in range, modes that this build has
 * Failure     false, with one line on stderr that names the option and what was expected.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stress/stress.h"

enum { OPTION_MODE = 256, OPTION_LIMIT, OPTION_STOP_AT, OPTION_TRACE, OPTION_JSON };

static const struct option long_options[] = {
    { "threads", required_argument, NULL, 't' },
    { "duration", required_argument, NULL, 'd' },
    { "seed", required_argument, NULL, 's' },
    { "mode", required_argument, NULL, OPTION_MODE },
    { "memory-limit", required_argument, NULL, OPTION_LIMIT },
    { "stop-at", required_argument, NULL, OPTION_STOP_AT },
    { "trace", required_argument, NULL, OPTION_TRACE },
    { "json", no_argument, NULL, OPTION_JSON },
    { "version", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

void stress_options_help(FILE *out)
{
    fputs(
        "Usage: tsrmalloc-stress [options]\n"
        "Use many heaps in many ways at once, and check every block and every sum.\n"
        "\n"
        "  -t, --threads N          workers (default: two for each processor)\n"
        "  -d, --duration SECONDS   of all modes together (default 30)\n"
        "  -s, --seed N             the same choices as another run (default: a new one)\n"
        "      --mode NAME[,NAME]   only these modes\n"
        "      --memory-limit SIZE  bytes each heap may hold, with K, M or G (default: none)\n"
        "      --stop-at N          each worker stops after N operations, not by the clock\n"
        "      --trace FILE         a trace for the mode `trace`; may be repeated\n"
        "      --json               print one JSON object instead of the table\n"
        "  -v, --version            print the version\n"
        "  -h, --help               print this\n"
        "\n"
        "Modes:\n", out);
    for (size_t index = 0; index < STRESS_MODE_COUNT; index++) {
        fprintf(out, "  %-10s %s\n", stress_modes[index]->name, stress_modes[index]->summary);
    }
    fputs("\n"
        "Exit status: 0 nothing wrong, 1 something wrong (with a line that repeats it), 64 wrong\n"
        "usage, 71 the system refused memory or a thread.\n", out);
}

static bool refuse(const char *what, const char *expected)
{
    fprintf(stderr, "tsrmalloc-stress: %s: %s\nTry 'tsrmalloc-stress --help'.\n", what, expected);
    return false;
}

static bool parse_number(const char *text, uint64_t *number)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    *number = value;
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool parse_size(const char *text, size_t *size)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    unsigned int shift = 0;
    if (*text < '0' || *text > '9' || errno != 0) {
        return false;
    }
    if (*end != '\0') {
        const char *units = "kKmMgG";
        const char *unit = strchr(units, *end);
        if (unit == NULL || end[1] != '\0') {
            return false;
        }
        shift = (unsigned int)((unit - units) / 2 + 1) * 10;
    }
    *size = (size_t)value << shift;
    return value != 0 && *size >> shift == value;
}

static bool parse_duration(const char *text, uint64_t *duration)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    if (*text < '0' || *text > '9' || *end != '\0' || !(seconds > 0 && seconds <= 1e7)) {
        return false;
    }
    *duration = (uint64_t)(seconds * 1e9);
    return true;
}

static bool choose_mode(const char *name, size_t length, stress_options *options)
{
    for (size_t index = 0; index < STRESS_MODE_COUNT; index++) {
        const stress_mode *mode = stress_modes[index];
        if (strlen(mode->name) == length && memcmp(mode->name, name, length) == 0) {
            options->chosen[index] = true;
            options->modes_given = true;
            return (mode->need != STRESS_NEEDS_ZTS || STRESS_ZTS)
                || refuse(mode->name, "this build has no thread safety (ZTS)");
        }
    }
    return refuse("--mode", "expected names from the list of --help, with commas between them");
}

static bool choose_modes(const char *names, stress_options *options)
{
    for (;;) {
        size_t length = strcspn(names, ",");
        if (!choose_mode(names, length, options)) {
            return false;
        }
        if (names[length] == '\0') {
            return true;
        }
        names += length + 1;
    }
}

static bool set_threads(const char *text, stress_options *options)
{
    uint64_t count = 0;
    if (!parse_number(text, &count) || count == 0 || count > STRESS_THREADS_MAX) {
        return refuse("--threads", "expected a number from 1 to 1024");
    }
    if (count > 1 && !STRESS_ZTS) {
        return refuse("--threads", "this build has no thread safety (ZTS): it runs 1 worker");
    }
    options->thread_count = (unsigned int)count;
    return true;
}

static bool add_trace(const char *path, stress_options *options)
{
    if (options->trace_count == STRESS_TRACES_MAX) {
        return refuse("--trace", "expected at most 16 of them");
    }
    options->traces[options->trace_count++] = path;
    return true;
}

static bool set_option(int option, const char *argument, stress_options *options)
{
    switch (option) {
    case 't':
        return set_threads(argument, options);
    case 'd':
        return parse_duration(argument, &options->duration)
            || refuse("--duration", "expected a number of seconds above 0");
    case 's':
        return parse_number(argument, &options->seed) || refuse("--seed", "expected a number");
    case OPTION_MODE:
        return choose_modes(argument, options);
    case OPTION_LIMIT:
        return parse_size(argument, &options->memory_limit)
            || refuse("--memory-limit", "expected a number of bytes, with K, M or G");
    case OPTION_STOP_AT:
        return (parse_number(argument, &options->stop_at) && options->stop_at != 0)
            || refuse("--stop-at", "expected a number from 1 on");
    case OPTION_TRACE:
        return add_trace(argument, options);
    case OPTION_JSON:
        options->json = true;
        return true;
    case 'v':
        options->action = STRESS_VERSION;
        return true;
    case 'h':
        options->action = STRESS_HELP;
        return true;
    default:
        /* getopt has said what is wrong. */
        fputs("Try 'tsrmalloc-stress --help'.\n", stderr);
        return false;
    }
}

/* Two threads for each processor: every one of them is interrupted now and then. */
static unsigned int default_thread_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    if (!STRESS_ZTS) {
        return 1;
    }
    return count < 1 ? 2 : count > STRESS_THREADS_MAX / 2 ? STRESS_THREADS_MAX
                                                         : (unsigned int)count * 2;
}

bool stress_options_parse(int argc, char **argv, stress_options *options)
{
    *options = (stress_options){
        .action = STRESS_RUN,
        .thread_count = default_thread_count(),
        .duration = UINT64_C(30000000000),
        .seed = stress_mix_bits(stress_now() ^ (uint64_t)getpid() << 40) % 1000000000,
        .memory_limit = SIZE_MAX,
    };
    int option;
    while ((option = getopt_long(argc, argv, "t:d:s:vh", long_options, NULL)) != -1) {
        if (!set_option(option, optarg, options)) {
            return false;
        }
    }
    return optind == argc || refuse(argv[optind], "expected nothing but options");
}
