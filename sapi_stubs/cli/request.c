/* request: what a script sees of tsrmalloc-cli: the environment, stdin and stdout.
 * Owns        nothing.
 * Thread      the worker's; init: main thread.
 * Invariants  none.
 * Failure     write: false when stdout takes no more.
 * Tests       tests/cli/lua.sh */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "cli.h"

static bool param(void *context, engine_text name, engine_text *value)
{
    (void)context;
    TSRMLS_FETCH();
    const char *found = sapi_getenv(name.data, name.size TSRMLS_CC);
    if (found == NULL) {
        return false;
    }
    *value = (engine_text){ found, strlen(found) };
    return true;
}

static bool param_at(void *context, size_t index, engine_text *name, engine_text *value)
{
    (void)context;
    const char *pair = environ[index];
    if (pair == NULL) {
        return false;
    }
    const char *equal = strchrnul(pair, '=');
    const char *text = *equal == '=' ? equal + 1 : equal;
    *name = (engine_text){ pair, (size_t)(equal - pair) };
    *value = (engine_text){ text, strlen(text) };
    return true;
}

static size_t read_body(void *context, char *buffer, size_t size)
{
    const cli_worker *worker = context;
    ssize_t got = worker->job->has_input ? read(STDIN_FILENO, buffer, size) : 0;
    return got > 0 ? (size_t)got : 0;
}

static bool write_out(void *context, const char *data, size_t size)
{
    const cli_worker *worker = context;
    TSRMLS_FETCH();
    return worker->job->drops_output || sapi_write(data, size TSRMLS_CC) == size;
}

static bool flush(void *context)
{
    (void)context;
    return fflush(stdout) == 0;
}

static void log_line(void *context, int priority, const char *message)
{
    (void)context;
    sapi_report(priority, "%s", message);
}

/* Status and headers have no place to go: they are taken and forgotten, as by php-cli. */
static const engine_request_functions functions = {
    .param = param,
    .param_at = param_at,
    .read_body = read_body,
    .write = write_out,
    .flush = flush,
    .log = log_line,
};

void cli_request_init(cli_worker *worker)
{
    worker->request.functions = &functions;
    worker->request.context = worker;
    worker->request.script = (engine_script){ .file = -1 };
    worker->request.arguments = worker->job->arguments;
    worker->request.argument_count = worker->job->argument_count;
    atomic_init(&worker->request.stop, ENGINE_GO_ON);
}
