/* preload: what the shared library does when it is loaded: a program whose PHP it cannot serve is
 * started again without it.
 * Owns        nothing.
 * Thread      the one that loads the library, before main().
 * Invariants  the program is replaced at most once: the library must have stood in LD_PRELOAD.
 * Failure     without a way back the process ends with one line, as at a first call.
 * Tests       tests/php/refused.sh
 */
#include "config.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "php/host.h"

#define SEPARATORS " :"     /* of LD_PRELOAD */

/* Any function of every PHP. The loader leaves it NULL where there is none: most programs that a PHP
 * starts are no PHP, and a look by dlsym() that finds nothing makes an error message, the first block
 * of malloc's. */
extern void php_engine(void) __asm__("zend_get_executed_lineno") __attribute__((weak));

/* Is the entry this library, by whatever path? */
static bool names_us(const char *entry, size_t length)
{
    Dl_info info;
    if (dladdr((void *)&php_host, &info) == 0) {
        return false;
    }
    const char *name = strrchr(info.dli_fname, '/');
    name = name != NULL ? name + 1 : info.dli_fname;
    size_t name_length = strlen(name);
    return length >= name_length && memcmp(entry + length - name_length, name, name_length) == 0
        && (length == name_length || entry[length - name_length - 1] == '/');
}

/* Take this library out of LD_PRELOAD. false: it was not in it. */
static bool leave_preload(void)
{
    const char *value = getenv("LD_PRELOAD");
    char *rest = value != NULL ? calloc(1, strlen(value) + 1) : NULL;
    if (rest == NULL) {
        return false;
    }
    bool was_in = false;
    for (size_t length; *value != '\0'; value += length) {
        length = strspn(value, SEPARATORS);
        if (length == 0) {
            length = strcspn(value, SEPARATORS);
            if (names_us(value, length)) {
                was_in = true;
                continue;
            }
            strcat(rest, *rest != '\0' ? ":" : "");
            strncat(rest, value, length);
        }
    }
    was_in = was_in && setenv("LD_PRELOAD", rest, 1) == 0;
    free(rest);
    return was_in;
}

/* glibc hands main()'s arguments to constructors. Where PHP is part of the program itself, behind
 * which RTLD_NEXT looks, its calls do not come here, and nothing is at stake. */
static __attribute__((constructor)) void check_program(int argc, char **argv)
{
    (void)argc;
    const char *refusal = php_engine != NULL ? php_host_refusal(RTLD_NEXT) : NULL;
    if (refusal == NULL) {
        return;
    }
    if (leave_preload()) {
        fprintf(stderr, "tsrmalloc: %s; the program goes on without tsrmalloc\n", refusal);
        (void)execv("/proc/self/exe", argv);
    }
    php_host_refuse(refusal);
}
