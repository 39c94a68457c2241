/* clock: runs a program some times with a library preloaded and without it, in turn: what it takes of CPU
 * time and of memory.
 *
 *     clock RUNS OUTPUT LIBRARY PROGRAM [ARGUMENT]...
 *
 * Prints, without and then with the library, the median of the runs' CPU seconds, the system's included, the
 * mean of their largest resident KiB, and the number that the program printed in its last line, or 0, of the
 * last run. What it prints goes to OUTPUT, of the last run. Exit status 1: it did not run, or failed.
 *
 * The kernel counts a process's pages on each CPU, and brings the sum up to date 32 pages at a time, so what
 * it calls the peak may miss up to 31. Each run gets an environment of another size, which is taken off
 * again: so what is missed is the same on average, with and without.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PADDING_PAGES 32
#define PAGE_SIZE 4096
#define RUNS_MAX 1000
#define LINE_MAX_SIZE 256

extern char **environ;

enum { WITHOUT, WITH, KIND_COUNT };

typedef struct results {
    double seconds[RUNS_MAX];       /* of each run */
    double kibibytes;               /* of all runs */
    double printed;                 /* of the last run */
    int count;
} results;

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* The number in the file's last line; 0 where it is none. */
static double last_number(const char *file)
{
    char line[LINE_MAX_SIZE] = "";
    FILE *stream = fopen(file, "r");
    while (stream != NULL && fgets(line, sizeof line, stream) != NULL) {
    }
    if (stream != NULL) {
        fclose(stream);
    }
    char *end;
    double number = strtod(line, &end);
    return *end == '\0' || *end == '\n' ? number : 0;
}

/* Put an entry of so many pages before the environment. It is no variable, so nobody copies it. */
static bool pad_environment(int pages)
{
    static char padding[PADDING_PAGES * PAGE_SIZE];
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **padded = calloc(count + 2, sizeof *padded);
    if (padded == NULL) {
        return false;
    }
    memset(padding, 'x', (size_t)pages * PAGE_SIZE);
    padded[0] = padding;
    memcpy(padded + 1, environ, count * sizeof *padded);
    environ = padded;
    return true;
}

static void become(char **program, const char *output, const char *library, int padding)
{
    int file = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file >= 0 && dup2(file, 1) == 1 && dup2(file, 2) == 2
            && (library == NULL || setenv("LD_PRELOAD", library, 1) == 0)
            && pad_environment(padding)) {
        execv(program[0], program);
    }
    perror(program[0]);
    _exit(127);
}

/* false: the program did not run, or failed. */
static bool run(char **program, const char *output, const char *library, results *results)
{
    int status;
    struct rusage usage;
    int padding = rand() % PADDING_PAGES;
    pid_t child = fork();
    if (child == 0) {
        become(program, output, library, padding);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0) {
        return false;
    }
    results->seconds[results->count++] = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    results->kibibytes += (double)usage.ru_maxrss - padding * (PAGE_SIZE / 1024);
    results->printed = last_number(output);
    return true;
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

/* Of an even number the lower middle. */
static double median_of(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[(count - 1) / 2];
}

int main(int argc, char **argv)
{
    int runs = argc > 4 ? atoi(argv[1]) : 0;
    if (runs < 1 || runs > RUNS_MAX) {
        fprintf(stderr, "usage: clock RUNS OUTPUT LIBRARY PROGRAM [ARGUMENT]...\n");
        return 64;
    }
    srand((unsigned int)getpid());
    static results of[KIND_COUNT];
    const char *libraries[KIND_COUNT] = { [WITH] = argv[3] };
    for (int number = 0; number < runs * KIND_COUNT; number++) {
        /* Who comes first changes from run to run. */
        int kind = (number + number / KIND_COUNT) % KIND_COUNT;
        if (!run(argv + 4, argv[2], libraries[kind], &of[kind])) {
            fprintf(stderr, "clock: failed %s the library\n", kind == WITH ? "with" : "without");
            return 1;
        }
    }
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        printf("%.6f %.1f %.6f%c", median_of(of[kind].seconds, runs), of[kind].kibibytes / runs,
            of[kind].printed, kind == WITH ? '\n' : ' ');
    }
    return 0;
}
