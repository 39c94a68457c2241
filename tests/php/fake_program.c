/* fake_program: runs fake_php, linked with it (LINKED), or loaded at run time by its path. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef LINKED
void php_run(void);
#endif

int main(int argc, char **argv)
{
#ifdef LINKED
    (void)argc;
    (void)argv;
    void (*run)(void) = php_run;
#else
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    void *address = library != NULL ? dlsym(library, "php_run") : NULL;
    void (*run)(void);
    memcpy(&run, &address, sizeof run);
#endif
    const char *preload = getenv("LD_PRELOAD");
    printf("LD_PRELOAD is '%s'\n", preload != NULL ? preload : "");
    fflush(stdout);
    run();
    return 3;
}
