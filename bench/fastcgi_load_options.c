/* fastcgi_load_options: the command line.
 * Owns        names and defaults.
 * Thread      the main thread.
 * Invariants  I1  what is returned can be run
 * Failure     false, after a line that names the option and what was expected.
 * Tests       tests/fpm/load.sh
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "bench/fastcgi_load.h"

enum { OPTION_IDLE = 256, OPTION_EXPECT, OPTION_STATUS, OPTION_MAY_DIFFER, OPTION_JSON,
       OPTION_TIMEOUT, OPTION_PAUSE };

static const struct option long_options[] = {
    { "clients", required_argument, NULL, 'c' },
    { "requests", required_argument, NULL, 'n' },
    { "seconds", required_argument, NULL, 'd' },
    { "keep-alive", no_argument, NULL, 'k' },
    { "idle", required_argument, NULL, OPTION_IDLE },
    { "method", required_argument, NULL, 'X' },
    { "body", required_argument, NULL, 'b' },
    { "pause", required_argument, NULL, OPTION_PAUSE },
    { "script", required_argument, NULL, 's' },
    { "param", required_argument, NULL, 'p' },
    { "expect", required_argument, NULL, OPTION_EXPECT },
    { "status", required_argument, NULL, OPTION_STATUS },
    { "may-differ", no_argument, NULL, OPTION_MAY_DIFFER },
    { "timeout", required_argument, NULL, OPTION_TIMEOUT },
    { "json", no_argument, NULL, OPTION_JSON },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static const char help[] =
    "Usage: tsrmalloc-fcgi-load [options] ADDRESS URI\n"
    "Ask a FastCGI server for URI many times, look at every answer, and print requests per\n"
    "second and latencies. ADDRESS is /path/of/a/socket, HOST:PORT or [IPV6]:PORT.\n"
    "\n"
    "  -c, --clients N       connections with a request each at any time (default 1)\n"
    "  -n, --requests N      requests in all (default: for 10 seconds)\n"
    "  -d, --seconds N       for so long instead\n"
    "  -k, --keep-alive      all requests of a client on one connection (default: one for each)\n"
    "      --idle N          keep N more connections open which have served one request\n"
    "  -X, --method NAME     (default GET, or POST with --body)\n"
    "  -b, --body BYTES      send a body of that size\n"
    "      --pause MS        wait so long before the last 8 bytes of the body: a request that\n"
    "                        takes time, but no processor\n"
    "  -s, --script FILE     SCRIPT_FILENAME (default: URI without its query)\n"
    "  -p, --param NAME=VALUE    one more; may be repeated\n"
    "      --expect TEXT     the body of every answer (default: as that of the first one)\n"
    "      --may-differ      do not compare bodies\n"
    "      --status N        the status of every answer (default 200)\n"
    "      --timeout N       seconds until an answer must be complete (default 30)\n"
    "      --json            print JSON\n"
    "\n"
    "Exit status: 0 every answer was good, 1 some were not, 64 wrong usage, 71 no connection.\n";

static bool refuse(const char *what, const char *expected)
{
    fprintf(stderr, "tsrmalloc-fcgi-load: %s: expected %s\n", what, expected);
    return false;
}

static bool parse_number(const char *option, const char *text, double least, double *number)
{
    char *end;
    *number = strtod(text, &end);
    if (end == text || *end != '\0' || !(*number >= least) || *number > 1e9) {
        char expected[64];
        snprintf(expected, sizeof expected, "a number, at least %g", least);
        return refuse(option, expected);
    }
    return true;
}

static bool parse_unix(load_options *options, const char *text)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&options->address;
    if (strlen(text) >= sizeof address->sun_path) {
        return refuse(text, "a shorter path");
    }
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, text);
    options->address_size = sizeof *address;
    return true;
}

static bool parse_address(load_options *options, const char *text)
{
    char host[256];
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
    const char *colon = strrchr(text, ':');
    options->address_text = text;
    if (text[0] == '/' || text[0] == '.') {
        return parse_unix(options, text);
    }
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    bool in_brackets = size > 2 && text[0] == '[' && text[size - 1] == ']';
    if (size == 0 || size >= sizeof host) {
        return refuse(text, "/path/of/a/socket or HOST:PORT");
    }
    snprintf(host, sizeof host, "%.*s", (int)(size - 2 * in_brackets), text + in_brackets);
    int error = getaddrinfo(host, colon + 1, &wanted, &found);
    if (error != 0) {
        return refuse(text, gai_strerror(error));
    }
    memcpy(&options->address, found->ai_addr, found->ai_addrlen);
    options->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool add_param(load_options *options, const char *text)
{
    const char *equal = strchr(text, '=');
    if (equal == NULL || options->param_count == LOAD_PARAM_MAX || strlen(text) > 30000) {
        return refuse(text, "NAME=VALUE, 64 times at most");
    }
    options->params[options->param_count++] = text;
    return true;
}

static bool take_number(load_options *options, int option, double number)
{
    switch (option) {
    case 'c': options->clients = (unsigned int)number; return true;
    case 'n': options->requests = (uint64_t)number; return true;
    case 'd': options->seconds = number; return true;
    case 'b': options->body_size = (size_t)number; return true;
    case OPTION_PAUSE: options->pause = number; return true;
    case OPTION_IDLE: options->idle = (unsigned int)number; return true;
    case OPTION_STATUS: options->status = (int)number; return true;
    default: options->timeout = number; return true;
    }
}

static bool take_option(load_options *options, int option, bool *only_help)
{
    double number;
    switch (option) {
    case 'k': options->keep_alive = true; return true;
    case 'X': options->method = optarg; return true;
    case 's': options->script = optarg; return true;
    case 'p': return add_param(options, optarg);
    case 'h': *only_help = true; return true;
    case OPTION_EXPECT: options->expected = optarg; return true;
    case OPTION_MAY_DIFFER: options->may_differ = true; return true;
    case OPTION_JSON: options->json = true; return true;
    case '?': return false;
    default: break;
    }
    const char *name = option == 'c' ? "--clients" : option == 'n' ? "--requests" :
        option == 'd' ? "--seconds" : option == 'b' ? "--body" : option == OPTION_IDLE ? "--idle" :
        option == OPTION_STATUS ? "--status" : option == OPTION_PAUSE ? "--pause" : "--timeout";
    bool may_be_zero = option == 'b' || option == OPTION_IDLE;
    bool may_be_part = option == 'd' || option == OPTION_TIMEOUT;
    return parse_number(name, optarg, may_be_zero ? 0 : may_be_part ? 0.001 : 1, &number) &&
        take_number(options, option, number);
}

bool load_options_parse(int argc, char **argv, load_options *options, bool *only_help)
{
    int option;
    *options = (load_options){ .clients = 1, .seconds = 10, .timeout = 30, .status = 200 };
    *only_help = false;
    while ((option = getopt_long(argc, argv, "c:n:d:kX:b:s:p:h", long_options, NULL)) != -1) {
        if (!take_option(options, option, only_help)) {
            return false;
        }
    }
    if (*only_help) {
        fputs(help, stdout);
        return true;
    }
    if (argc - optind != 2) {
        return refuse("arguments", "ADDRESS URI; see --help");
    }
    if (options->pause > 0 && options->body_size < 8) {
        return refuse("--pause", "--body with 8 bytes or more, too");
    }
    options->uri = argv[optind + 1];
    if (options->uri[0] != '/' || strlen(options->uri) > 30000) {
        return refuse(options->uri, "a URI that begins with a slash");
    }
    if (options->method == NULL) {
        options->method = options->body_size > 0 ? "POST" : "GET";
    }
    return parse_address(options, argv[optind]);
}
