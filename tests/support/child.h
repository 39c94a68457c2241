/* child: run a function in a child process, or this program anew with other arguments, and look at
 * how that ends. Children start no threads, unless they were made by exec. */
#ifndef TSRMALLOC_TESTS_SUPPORT_CHILD_H
#define TSRMALLOC_TESTS_SUPPORT_CHILD_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_OUTPUT_SIZE 8192

typedef struct child_end {
    int exit_status;                    /* -1: it ended by a signal */
    int signal;                         /* 0: it ended by itself */
    char output[CHILD_OUTPUT_SIZE];     /* the beginning of what it wrote to stderr */
} child_end;

static inline child_end child_wait(pid_t pid, int pipe_end)
{
    child_end end = { -1, 0, "" };
    size_t used = 0;
    ssize_t got;
    char spilled[256];
    for (;;) {
        size_t room = sizeof end.output - 1 - used;
        got = room > 0 ? read(pipe_end, end.output + used, room)
                       : read(pipe_end, spilled, sizeof spilled);
        if (got <= 0) {
            break;
        }
        used += room > 0 ? (size_t)got : 0;
    }
    close(pipe_end);
    int status = 0;
    if (waitpid(pid, &status, 0) == pid) {
        end.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    return end;
}

/* Runs body(arg) in a child, which ends with its result; `arguments` not NULL: runs this program
 * with these arguments instead (a NULL-terminated list, without the name). */
static inline child_end child_start(int (*body)(void *arg), void *arg, char *const *arguments)
{
    int ends[2];
    pid_t pid = -1;
    fflush(stdout);
    fflush(stderr);
    if (pipe(ends) == 0) {
        pid = fork();
    }
    if (pid < 0) {
        perror("child");
        abort();
    }
    if (pid == 0) {
        close(ends[0]);
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        if (arguments != NULL) {
            execv("/proc/self/exe", arguments);
            perror("/proc/self/exe");
            _exit(127);
        }
        _exit(body(arg));
    }
    close(ends[1]);
    return child_wait(pid, ends[0]);
}

static inline child_end child_run(int (*body)(void *arg), void *arg)
{
    return child_start(body, arg, NULL);
}

/* arguments[0] is any name for the program. */
static inline child_end child_exec(char *const *arguments)
{
    return child_start(NULL, NULL, arguments);
}

/* Did it end as a damaged heap does, and say so? */
static inline int child_panicked(const child_end *end, const char *what)
{
    int panicked = end->signal == SIGABRT && strstr(end->output, "zend_mm_heap corrupted\n") != NULL
        && strstr(end->output, what) != NULL;
    if (!panicked) {
        printf("child: exit status %d, signal %d, stderr:\n%s\n", end->exit_status, end->signal,
            end->output);
    }
    return panicked;
}

#endif
