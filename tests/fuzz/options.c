/* options: the command line of tsrmalloc-cli; a zero byte ends an argument.
 * Owns        stderr, which is closed to what the options print.
 * Thread      one.
 * Invariants  I1  what is accepted can be run: see sapi_stubs/cli/options.c
 * Failure     abort.
 * Tests       this is one. */
#include "config.h"

#include <getopt.h>
#include <string.h>

#include "cli/cli.h"
#include "tests/fuzz/fuzz.h"

enum { ARGUMENT_MAX = 16, TEXT_MAX = 400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1], name[] = "tsrmalloc-cli";
    char *arguments[ARGUMENT_MAX + 2] = { name };
    int count = 1;
    cli_options options;
    size = size < TEXT_MAX ? size : TEXT_MAX;
    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t at = 0; at < size && count <= ARGUMENT_MAX; at += strlen(text + at) + 1) {
        arguments[count++] = text + at;
    }
    optind = 0;     /* glibc: begin anew */
    opterr = 0;
    if (cli_options_parse(count, arguments, &options)) {
        FUZZ_EXPECT(options.thread_count >= 1 && options.thread_count <= CLI_THREADS_MAX);
        FUZZ_EXPECT(options.repeat_count >= 1);
        FUZZ_EXPECT(options.action != CLI_RUN
            || (options.file_count > 0) != cli_options_have_script(&options));
        FUZZ_EXPECT(options.argument_count == 0 || options.action != CLI_RUN
            || cli_options_have_script(&options));
    }
    return 0;
}
