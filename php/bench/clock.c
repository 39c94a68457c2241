/* clock: runs a program some times, one after the other: what it took of CPU time and of memory.
 *
 *     clock RUNS OUTPUT PROGRAM [ARGUMENT]...
 *
 * Prints the mean CPU seconds of a run, the system's included, and the largest resident KiB. What
 * the program prints goes to OUTPUT, of the last run. Exit status 1: it did not run, or failed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void run(const char *output, char **program)
{
    int file = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file >= 0 && dup2(file, 1) == 1 && dup2(file, 2) == 2) {
        execv(program[0], program);
    }
    perror(program[0]);
    _exit(127);
}

int main(int argc, char **argv)
{
    int runs = argc > 3 ? atoi(argv[1]) : 0;
    if (runs < 1) {
        fprintf(stderr, "usage: clock RUNS OUTPUT PROGRAM [ARGUMENT]...\n");
        return 64;
    }
    double taken = 0;
    long peak = 0;
    for (int number = 0; number < runs; number++) {
        int status;
        struct rusage usage;
        pid_t child = fork();
        if (child == 0) {
            run(argv[2], argv + 3);
        }
        if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0) {
            return 1;
        }
        taken += seconds(usage.ru_utime) + seconds(usage.ru_stime);
        peak = usage.ru_maxrss > peak ? usage.ru_maxrss : peak;
    }
    printf("%.6f %ld\n", taken / runs, peak);
    return 0;
}
