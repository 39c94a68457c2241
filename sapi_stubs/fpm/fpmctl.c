/* fpmctl: tsrmalloc-fpmctl, which asks a running tsrmalloc-fpm through its control socket.
 * Owns        its connection.
 * Thread      main thread.
 * Invariants  none.
 * Failure     64 wrong usage, 69 no server answers, 1 the server refused.
 * Tests       tests/fpm/control.sh */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EXIT_REFUSED = 1, EXIT_WRONG_USAGE = 64, EXIT_NO_SERVER = 69 };

static const char usage[] =
    "usage: tsrmalloc-fpmctl SOCKET COMMAND [ARGUMENT]\n"
    "SOCKET is control.listen of the server. Commands:\n"
    "  status [json|xml|html|openmetrics]   the status page of each pool, with all workers\n"
    "  threads                              every worker, a line each\n"
    "  heaps                                every heap of the process, a line each\n"
    "  heap POOL WORKER                     the map of a worker's heap, as JSON\n"
    "  drain POOL WORKER                    a worker leaves when its request is answered\n"
    "  restart [POOL]                       replace all workers, one after the other\n"
    "  set POOL pm.max_children NUMBER      up to what is configured, until the next reload\n"
    "  set POOL memory_limit SIZE           of requests from now on, until the next reload\n"
    "  reload                               as the signal USR2\n"
    "  reopen                               the logs, as the signal USR1\n";

/* The words of the command, with blanks between them. false: too long. */
static bool make_line(char *line, size_t room, char *const *words)
{
    size_t used = 0;
    for (; *words != NULL; words++) {
        const char *end = words[1] != NULL ? " " : "\n";
        int size = snprintf(line + used, room - used, "%s%s", *words, end);
        if (size < 0 || (size_t)size >= room - used) {
            return false;
        }
        used += (size_t)size;
    }
    return true;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file >= 0 && connect(file, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = errno;
        close(file);
        errno = error;
        return -1;
    }
    return file;
}

/* Copy the answer to stdout. Its first word says whether it is one. */
static int copy_answer(int file)
{
    char text[4096];
    bool refused = false, any = false;
    ssize_t size;
    while ((size = read(file, text, sizeof(text))) > 0) {
        refused = refused || (!any && size > 6 && memcmp(text, "error:", 6) == 0);
        any = true;
        fwrite(text, 1, (size_t)size, refused ? stderr : stdout);
    }
    return refused || !any ? EXIT_REFUSED : 0;
}

int main(int argument_count, char **arguments)
{
    char line[256];
    if (argument_count < 3 || !make_line(line, sizeof(line), arguments + 2)) {
        fputs(usage, stderr);
        return EXIT_WRONG_USAGE;
    }
    int file = connect_to(arguments[1]);
    if (file < 0 || send(file, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line)) {
        fprintf(stderr, "tsrmalloc-fpmctl: %s: %s\n", arguments[1], strerror(errno));
        return EXIT_NO_SERVER;
    }
    int status = copy_answer(file);
    close(file);
    return status;
}
