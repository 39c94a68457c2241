/* capture: what a function writes on stderr. One test program, one .c file that includes this. */
#ifndef TSRMALLOC_TESTS_UNIT_CAPTURE_H
#define TSRMALLOC_TESTS_UNIT_CAPTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char captured[65536];

/* The text is good until the next call. */
static inline const char *capture(void (*body)(void))
{
    char name[] = "/tmp/tsrmalloc-capture-XXXXXX";
    int file = mkstemp(name), saved = dup(STDERR_FILENO);
    cr_assert(file >= 0 && saved >= 0);
    (void)unlink(name);
    fflush(stderr);
    (void)dup2(file, STDERR_FILENO);
    body();
    fflush(stderr);
    (void)dup2(saved, STDERR_FILENO);
    ssize_t got = pread(file, captured, sizeof captured - 1, 0);
    captured[got > 0 ? got : 0] = '\0';
    close(file);
    close(saved);
    return captured;
}

#endif
