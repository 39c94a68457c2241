/* options: the command line.
 * Owns        nothing.
 * Thread      main thread.
 * Invariants  none.
 * Failure     FPM_ACTION_EXIT with status 64, the usage on stderr.
 * Tests       tests/fpm/config.sh */
#include "config.h"

#include "fpm/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "fpm/conf.h"
#include "sapi.h"

#define DEFAULT_CONFIG FPM_SYSCONFDIR "/tsrmalloc-fpm.conf"

static void usage(FILE *out)
{
    fputs("Usage: tsrmalloc-fpm [-n] [-e] [-h] [-i] [-m] [-v] [-t] [-p <prefix>] [-g <pid>] "
        "[-c <file>] [-d foo[=bar]] [-y <file>] [-D] [-F [-O]]\n"
        "  -d foo[=bar]     Set a directive: memory_limit=BYTES, for pools that set none\n"
        "  -h               This help\n"
        "  -i               What was built in\n"
        "  -m               The engines\n"
        "  -v               Version number\n"
        "  -p, --prefix <dir>\n"
        "                   What relative paths lie under (default: " FPM_PREFIX ")\n"
        "  -g, --pid <file> Write the process id there\n"
        "  -y, --fpm-config <file>\n"
        "                   The configuration (default: " DEFAULT_CONFIG ")\n"
        "  -t, --test       Test the configuration and exit; -tt shows it\n"
        "  -D, --daemonize  Run in the background, whatever the configuration says\n"
        "  -F, --nodaemonize\n"
        "                   Stay in the foreground, whatever the configuration says\n"
        "  -O, --force-stderr\n"
        "                   In the foreground, log to stderr even if that is no terminal\n"
        "  -R, --allow-to-run-as-root\n"
        "                   Serve as root\n"
        "  -n, -e, -c <file>\n"
        "                   Taken for php-fpm's sake; there is no php.ini\n", out);
}

/* The first word is what scripts written for php-fpm look for. */
static void print_version(void)
{
    puts("PHP FastCGI process manager on threads: tsrmalloc-fpm " PACKAGE_VERSION " (fpm-fcgi) "
        "(ZTS)\nEach worker thread has a Zend memory manager heap of its own.");
}

static void print_engines(void)
{
    puts("[Engines]\ntrace\n"
#if TSRMALLOC_LUA
        "lua\n"
#endif
    );
}

static void print_information(void)
{
    print_version();
    printf("\nServer API => FPM/FastCGI\nPrefix => %s\nConfiguration => %s\nmemory_limit => %zu\n"
        "Storages =>", FPM_PREFIX, DEFAULT_CONFIG, php_memory_limit());
    puts(" malloc mmap_anon mmap_zero");
    print_engines();
}

static const struct option long_options[] = {
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'v' },
    { "info", no_argument, NULL, 'i' },
    { "modules", no_argument, NULL, 'm' },
    { "define", required_argument, NULL, 'd' },
    { "no-php-ini", no_argument, NULL, 'n' },
    { "php-ini", required_argument, NULL, 'c' },
    { "prefix", required_argument, NULL, 'p' },
    { "pid", required_argument, NULL, 'g' },
    { "fpm-config", required_argument, NULL, 'y' },
    { "test", no_argument, NULL, 't' },
    { "daemonize", no_argument, NULL, 'D' },
    { "nodaemonize", no_argument, NULL, 'F' },
    { "force-stderr", no_argument, NULL, 'O' },
    { "allow-to-run-as-root", no_argument, NULL, 'R' },
    { NULL, 0, NULL, 0 },
};

/* php.ini has many directives that mean nothing here; only a wrong value of ours is an error. */
static bool define(const char *directive)
{
    const char *error;
    if (strncmp(directive, "memory_limit=", 13) != 0 || php_ini_set(directive, &error)) {
        return true;
    }
    fprintf(stderr, "tsrmalloc-fpm: -d %s: %s\n", directive, error);
    return false;
}

static fpm_options say(fpm_options options, void (*print)(void))
{
    print();
    options.action = FPM_ACTION_EXIT;
    return options;
}

static fpm_options refuse(fpm_options options)
{
    usage(stderr);
    options.action = FPM_ACTION_EXIT;
    options.exit_status = FPM_EXIT_USAGE;
    return options;
}

static void print_help(void)
{
    usage(stdout);
}

fpm_options fpm_options_parse(int count, char **arguments)
{
    fpm_options options = { .config = DEFAULT_CONFIG, .prefix = FPM_PREFIX, .daemonize = -1 };
    int option;
    opterr = 0;
    while ((option = getopt_long(count, arguments, "ehimnvtc:d:p:g:y:DFOR", long_options, NULL))
        != -1) {
        switch (option) {
        case 'h': return say(options, print_help);
        case 'v': return say(options, print_version);
        case 'i': return say(options, print_information);
        case 'm': return say(options, print_engines);
        case 'c': case 'e': case 'n': break;
        case 'd':
            if (!define(optarg)) {
                return refuse(options);
            }
            break;
        case 'p': options.prefix = optarg; break;
        case 'g': options.pid = optarg; break;
        case 'y': options.config = optarg; break;
        case 't':
            options.action = options.action == FPM_ACTION_SERVE ? FPM_ACTION_TEST
                                                                : FPM_ACTION_TEST_AND_DUMP;
            break;
        case 'D': options.daemonize = 1; break;
        case 'F': options.daemonize = 0; break;
        case 'O': options.force_stderr = true; break;
        case 'R': options.allow_root = true; break;
        default: return refuse(options);
        }
    }
    return optind < count ? refuse(options) : options;
}
