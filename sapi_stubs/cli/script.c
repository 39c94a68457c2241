/* script: the script of the command line: a file, -r CODE, or standard input.
 * Owns        nothing behind cli_script_load(): the program has its own copy.
 * Thread      main thread.
 * Invariants  none.
 * Failure     false, with a line on stderr.
 * Tests       tests/cli/lua.sh */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#if TSRMALLOC_LUA

#define ERROR_SIZE 1024

/* All of stdin, from malloc. NULL: an errno says why. */
static char *read_input(size_t *size)
{
    size_t capacity = 0;
    char *text = NULL;
    *size = 0;
    for (;;) {
        if (*size == capacity) {
            capacity = capacity * 2 + 4096;
            char *moved = realloc(text, capacity);
            if (moved == NULL) {
                break;
            }
            text = moved;
        }
        ssize_t got = read(STDIN_FILENO, text + *size, capacity - *size);
        if (got == 0) {
            return text;
        }
        if (got < 0) {
            break;
        }
        *size += (size_t)got;
    }
    free(text);
    return NULL;
}

static bool load(const engine_script *script, cli_job *job)
{
    char error[ERROR_SIZE];
    job->engine = &lua_engine;
    job->programs = calloc(1, sizeof(*job->programs));
    if (job->programs == NULL) {
        fputs("tsrmalloc-cli: no memory for the script\n", stderr);
        return false;
    }
    job->programs[0] = lua_engine.load(script, error, sizeof(error));
    if (job->programs[0] == NULL) {
        fprintf(stderr, "tsrmalloc-cli: %s\n", error);
        free(job->programs);
        return false;
    }
    job->program_count = 1;
    job->script = script->path;
    return true;
}

bool cli_script_load(const cli_options *options, cli_job *job)
{
    engine_script script = { .path = options->script, .file = -1 };
    if (options->code != NULL) {
        script.path = "-r";
        script.text = (engine_text){ options->code, strlen(options->code) };
        return load(&script, job);
    }
    if (strcmp(options->script, "-") != 0) {
        return load(&script, job);
    }
    size_t size = 0;
    char *text = read_input(&size);
    if (text == NULL) {
        fprintf(stderr, "tsrmalloc-cli: standard input: %s\n", strerror(errno));
        return false;
    }
    script.path = "stdin";
    script.text = (engine_text){ text, size };
    bool is_loaded = load(&script, job);
    free(text);
    return is_loaded;
}

#else

bool cli_script_load(const cli_options *options, cli_job *job)
{
    (void)job;
    fprintf(stderr, "tsrmalloc-cli: %s: this build has no Lua (configure --without-lua)\n",
        options->script != NULL ? options->script : "-r");
    return false;
}

#endif
