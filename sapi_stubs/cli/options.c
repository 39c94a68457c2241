/* options: the command line.
 * Owns        the names of the options and their defaults.
 * Thread      main thread, before any other exists.
 * Invariants  I1  what is returned can be run: counts in range, files given where needed
 * Failure     false, with one line on stderr that names the option and what was expected.
 * Tests       tests/cli/usage.sh */
#include "config.h"

#include "cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#ifdef ZTS
# define BUILT_WITH_ZTS 1
#else
# define BUILT_WITH_ZTS 0
#endif

enum { OPTION_VERIFY = 256, OPTION_JSON, OPTION_STARTUP_TRACE, OPTION_PERSISTENT };

/* What getopt gives for an argument that is no option, where options may stand behind it. */
#define OPERAND 1

static const struct option long_options[] = {
    { "threads", required_argument, NULL, 't' },
    { "repeat", required_argument, NULL, 'n' },
    { "run", required_argument, NULL, 'r' },
    { "file", required_argument, NULL, 'f' },
    { "persistent", no_argument, NULL, OPTION_PERSISTENT },
    { "verify", no_argument, NULL, OPTION_VERIFY },
    { "json", no_argument, NULL, OPTION_JSON },
    { "startup-trace", no_argument, NULL, OPTION_STARTUP_TRACE },
    { "info", no_argument, NULL, 'i' },
    { "version", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

void cli_options_help(FILE *out)
{
    fputs(
        "Usage: tsrmalloc-cli [options] TRACE...\n"
        "       tsrmalloc-cli [options] SCRIPT.lua [argument...]\n"
        "       tsrmalloc-cli [options] -f SCRIPT | -r CODE | - [argument...]\n"
        "Replay allocation traces, or run a Lua script, on worker threads with a heap each.\n"
        "\n"
        "  -t, --threads N       workers (default 1)\n"
        "  -n, --repeat N        times each worker runs each file (default 1)\n"
        "  -f, --file SCRIPT     run this file as a script; - is standard input\n"
        "  -r, --run CODE        run this text as a script\n"
        "  -d memory_limit=SIZE  bytes each heap may hold, with K, M or G; -1 = no limit\n"
        "                        (default 128M)\n"
        "  -d report_memleaks=1  report what a request leaves (debug builds, ZEND_MM_DEBUG=leaks=1)\n"
        "      --verify          fill every block, compare it when it is seen again (traces)\n"
        "      --persistent      load the script once per worker; it returns the function that\n"
        "                        serves each request, and the heap is kept between them\n"
        "      --json            print one JSON object instead of the table; no script's output\n"
        "      --startup-trace   print the start-up flow of every thread as it ran\n"
        "  -i, --info            print the build and the geometry of the heap\n"
        "  -v, --version         print the version\n"
        "  -h, --help            print this\n"
        "\n"
        "Exit status: 0 done, 1 a file cannot be used, 64 wrong usage, 70 --verify found a\n"
        "changed block, 71 the system refused memory or a thread, 255 a request hit its\n"
        "memory limit or a script raised an error (the other requests are run all the same);\n"
        "else what the script gave os.exit().\n",
        out);
}

static bool refuse(const char *what, const char *expected)
{
    fprintf(stderr, "tsrmalloc-cli: %s: %s\nTry 'tsrmalloc-cli --help'.\n", what, expected);
    return false;
}

/* A whole number from 1 to `largest`. */
static bool parse_count(const char *text, size_t largest, size_t *count)
{
    size_t number = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(number, (size_t)10, &number)
            || __builtin_add_overflow(number, (size_t)(*text - '0'), &number)) {
            return false;
        }
    }
    *count = number;
    return *text == '\0' && number >= 1 && number <= largest;
}

static bool set_threads(const char *text, cli_options *options)
{
    size_t count = 0;
    if (!parse_count(text, CLI_THREADS_MAX, &count)) {
        return refuse("--threads", "expected a number from 1 to 4096");
    }
    if (count > 1 && !BUILT_WITH_ZTS) {
        return refuse("--threads", "this build has no thread safety (ZTS): it runs 1 worker");
    }
    options->thread_count = (unsigned int)count;
    return true;
}

static bool set_directive(const char *text)
{
    const char *error = NULL;
    return php_ini_set(text, &error) || refuse(text, error);
}

static bool set_option(int option, const char *argument, cli_options *options)
{
    switch (option) {
    case 't':
        return set_threads(argument, options);
    case 'n':
        return parse_count(argument, SIZE_MAX, &options->repeat_count)
            || refuse("--repeat", "expected a number from 1 on");
    case 'd':
        return set_directive(argument);
    case 'r':
        options->code = argument;
        return true;
    case 'f':
        options->script = argument;
        return true;
    case OPTION_PERSISTENT:
        options->persistent = true;
        return true;
    case OPTION_VERIFY:
        options->verify = true;
        return true;
    case OPTION_JSON:
        options->json = true;
        return true;
    case OPTION_STARTUP_TRACE:
        options->startup_trace = true;
        return true;
    case 'i':
        options->action = CLI_INFO;
        return true;
    case 'v':
        options->action = CLI_VERSION;
        return true;
    case 'h':
        options->action = CLI_HELP;
        return true;
    default:
        /* getopt has said what is wrong. */
        fputs("Try 'tsrmalloc-cli --help'.\n", stderr);
        return false;
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    size_t end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* An argument that is no option: a trace, or a script, behind which all is the script's own. The
 * slots of `argv` that getopt has left behind take the traces. false: the options end here. */
static bool take_operand(char *operand, char **argv, cli_options *options)
{
    if (cli_options_have_script(options)) {
        return false;
    }
    if (options->file_count == 0 && (strcmp(operand, "-") == 0 || ends_with(operand, ".lua"))) {
        options->script = operand;
        return false;
    }
    argv[1 + options->file_count++] = operand;
    return true;
}

/* What was given can be run together. */
static bool check_together(const cli_options *options)
{
    bool has_script = cli_options_have_script(options);
    if (options->action != CLI_RUN) {
        return true;
    }
    if (!has_script && options->file_count == 0) {
        return refuse("FILE", "expected at least one trace, or a script");
    }
    if (has_script && options->file_count > 0) {
        return refuse(options->files[0], "expected traces alone, or a script alone");
    }
    if (options->script != NULL && options->code != NULL) {
        return refuse(options->script, "expected one script: a file, or the code of -r");
    }
    if (has_script && options->verify) {
        return refuse("--verify", "expected traces: it is about their blocks");
    }
    return has_script || !options->persistent || refuse("--persistent", "expected a script");
}

bool cli_options_parse(int argc, char **argv, cli_options *options)
{
    *options = (cli_options){ .action = CLI_RUN, .thread_count = 1, .repeat_count = 1 };
    options->files = argv + 1;
    int rest = 0;
    while (rest == 0) {
        int option = getopt_long(argc, argv, "-t:n:d:r:f:ivh", long_options, NULL);
        if (option == -1) {
            rest = optind;
        } else if (option == OPERAND) {
            bool had_script = cli_options_have_script(options);
            if (!take_operand(optarg, argv, options)) {
                rest = had_script ? optind - 1 : optind;
            }
        } else if (!set_option(option, optarg, options)) {
            return false;
        }
    }
    /* Behind "--" there may be operands still. */
    while (rest < argc && !cli_options_have_script(options)) {
        (void)take_operand(argv[rest++], argv, options);
    }
    options->arguments = argv + rest;
    options->argument_count = (size_t)(argc - rest);
    return check_together(options);
}
