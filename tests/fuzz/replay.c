/* replay: gives every file of a folder to a harness once.
 *     HARNESS FOLDER
 * Owns        nothing.
 * Thread      one.
 * Invariants  none
 * Failure     a harness aborts at a finding; the file's name is printed before.
 * Tests       tests/fuzz/replay.sh */
#include "config.h"

#include <dirent.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 1024 * 1024 };

static void replay_file(const char *path)
{
    static uint8_t buffer[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size_t size = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    /* A copy of just this size: an access behind its end is one behind the block's. */
    uint8_t *input = malloc(size + (size == 0));
    FUZZ_EXPECT(input != NULL);
    memcpy(input, buffer, size);
    puts(path);
    fflush(stdout);
    (void)LLVMFuzzerTestOneInput(input, size);
    free(input);
}

int main(int argc, char **argv)
{
    char path[4096];
    const struct dirent *entry;
    size_t count = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (folder == NULL) {
        fputs("usage: HARNESS FOLDER\n", stderr);
        return 64;
    }
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
            replay_file(path);
            count++;
        }
    }
    closedir(folder);
    return count == 0;
}
