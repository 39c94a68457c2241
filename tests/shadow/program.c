/* program: does things with blocks, as a program of this library's users would; tools.sh runs it under
 * Valgrind and with AddressSanitizer and reads what they say. Only the public interface is used.
 *
 *     program CASE...     each begins with a line `case NAME` on stderr */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tsrmalloc/zend_alloc.h>

/* The compiler may not reason about what these programs do. */
static volatile char sink;

static void read_at(const char *block, ptrdiff_t offset)
{
    const volatile char *byte = (const char *)((uintptr_t)block + (uintptr_t)offset);
    sink = *byte;
}

static void write_at(char *block, ptrdiff_t offset)
{
    volatile char *byte = (char *)((uintptr_t)block + (uintptr_t)offset);
    *byte = 1;
}

static void *keep(void *block)
{
    void *volatile kept = block;
    return kept;
}

static void end_request(int silent)
{
    TSRMLS_FETCH();
    shutdown_memory_manager(silent, 0 TSRMLS_CC);
}

/* ---- misuse: one touch of a byte that is not the program's ---- */

static void overrun_small(void)
{
    write_at(keep(emalloc(13)), 13);
}

static void overrun_full_slot(void)
{
    write_at(keep(emalloc(96)), 96);
}

static void overrun_read(void)
{
    read_at(keep(estrdup("seven")), 6);
}

static void overrun_large(void)
{
    write_at(keep(emalloc(10001)), 10001);
}

static void overrun_huge(void)
{
    write_at(keep(emalloc(3000001)), 3000001);
}

static void overrun_after_resize(void)
{
    char *block = emalloc(100);
    block = erealloc(block, 50);
    write_at(keep(block), 50);
}

static void overrun_aligned(void)
{
    write_at(keep(emalloc_aligned(256, 100)), 100);
}

static void underrun(void)
{
    write_at(keep(emalloc(40)), -1);
}

static void use_after_free(void)
{
    char *block = keep(emalloc(24));
    efree(block);
    read_at(block, 0);
}

static void write_after_free(void)
{
    char *block = keep(emalloc(24));
    efree(block);
    write_at(block, 23);
}

/* However often its memory could have been used again: 100 more blocks of its size were. */
static void use_after_free_and_reuse(void)
{
    char *block = keep(emalloc(24));
    efree(block);
    for (int count = 0; count < 100; count++) {
        efree(keep(emalloc(24)));
    }
    read_at(block, 8);
}

static void use_after_free_large(void)
{
    char *block = keep(emalloc(20000));
    efree(block);
    read_at(block, 19999);
}

static void use_after_free_huge(void)
{
    char *block = keep(emalloc(3000000));
    efree(block);
    read_at(block, 0);
}

static void use_after_resize(void)
{
    char *block = keep(emalloc(24));
    efree(keep(erealloc(block, 2000)));
    read_at(block, 0);
}

static void use_after_request(void)
{
    char *block = keep(emalloc(24));
    end_request(1);
    read_at(block, 0);
}

static void use_uninitialised(void)
{
    const volatile char *block = keep(emalloc(24));
    puts(block[5] == 0 ? "zero" : "not zero");
}

static void leak(void)
{
    sink = *(char *)keep(memset(emalloc(1234), 0, 1234));
    end_request(0);     /* reports, except with USE_ZEND_ALLOC=0 */
}

/* ---- everything that is allowed ---- */

static void *fill(void *block, size_t size)
{
    memset(block, 0x5a, size);
    return keep(block);
}

static void use_sizes(void)
{
    for (size_t size = 1; size < 6000000; size += size + 1) {
        char *block = fill(emalloc(size), size);
        block = erealloc(block, size * 2);
        fill(block, size * 2);
        efree(fill(erealloc(block, size), size));
        efree(fill(emalloc_aligned(64, size), size));
        efree(fill(ecalloc(1, size), size));
    }
    efree(emalloc(0));
    efree(NULL);
}

/* More blocks than rest after their free, in every order, and what a gc finds then. */
static void use_many(void)
{
    enum { COUNT = 6000 };       /* coprime to 7 */
    char **blocks = emalloc(COUNT * sizeof *blocks);
    for (size_t round = 0; round < 2; round++) {
        for (size_t index = 0; index < COUNT; index++) {
            size_t size = 1 + index * 7919 % 600;
            blocks[index] = fill(emalloc(size), size);
        }
        for (size_t index = 0; index < COUNT; index++) {
            efree(blocks[index * 7 % COUNT]);
        }
        (void)zend_mm_gc(zend_mm_get_heap());
    }
    efree(blocks);
}

/* More huge blocks than the first table holds. */
static void use_huge(void)
{
    void *blocks[70];
    for (size_t index = 0; index < 70; index++) {
        blocks[index] = emalloc(2200000);
        write_at(blocks[index], 2199999);
    }
    for (size_t index = 0; index < 70; index++) {
        efree(blocks[index]);
    }
}

#ifdef ZTS
typedef struct shared {
    void *blocks[100];
} shared;

/* Blocks of other threads go back to them, those shorter than a list's link, too. */
static void *free_all(void *arg)
{
    const shared *given = arg;
    TSRMLS_FETCH();
    use_sizes();
    for (size_t index = 0; index < 100; index++) {
        efree(given->blocks[index]);
    }
    shutdown_memory_manager(1, 0 TSRMLS_CC);
    ts_free_thread();
    return NULL;
}

static void use_threads(void)
{
    shared given;
    for (size_t index = 0; index < 100; index++) {
        given.blocks[index] = fill(emalloc(index), index);
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, free_all, &given) != 0
            || pthread_join(thread, NULL) != 0) {
        exit(3);
    }
    use_sizes();
}
#else
static void use_threads(void)
{
}
#endif

/* The heap's own checks touch nothing that the tool watches. */
static void check(void)
{
    char *small = keep(emalloc(77)), *huge = keep(emalloc(3000000)), *dead = keep(emalloc(77));
    efree(dead);
    bool is_right = mem_block_check(small, 1) && mem_block_check(huge, 3)
        && !mem_block_check(dead, 1) && zend_mm_check_heap(zend_mm_get_heap(), 1
            ZEND_FILE_LINE_CC ZEND_FILE_LINE_EMPTY_CC) == 0;
    fprintf(stderr, "the heap's checks are %s\n", is_right ? "right" : "wrong");
    efree(small);
    efree(huge);
}

static void nothing_wrong(void)
{
    for (int request = 0; request < 2; request++) {
        use_sizes();
        use_many();
        use_huge();
        use_threads();
        (void)keep(emalloc(100));
        (void)keep(emalloc(3000000));
        (void)zend_mm_trim(zend_mm_get_heap(), 0);
        end_request(1);
    }
}

static const struct {
    const char *name;
    void (*body)(void);
} cases[] = {
    { "overrun_small", overrun_small },
    { "overrun_full_slot", overrun_full_slot },
    { "overrun_read", overrun_read },
    { "overrun_large", overrun_large },
    { "overrun_huge", overrun_huge },
    { "overrun_after_resize", overrun_after_resize },
    { "overrun_aligned", overrun_aligned },
    { "underrun", underrun },
    { "use_after_free", use_after_free },
    { "write_after_free", write_after_free },
    { "use_after_free_and_reuse", use_after_free_and_reuse },
    { "use_after_free_large", use_after_free_large },
    { "use_after_free_huge", use_after_free_huge },
    { "use_after_resize", use_after_resize },
    { "use_after_request", use_after_request },
    { "use_uninitialised", use_uninitialised },
    { "leak", leak },
    { "check", check },
    { "nothing_wrong", nothing_wrong },
};

static bool run(const char *name)
{
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        if (strcmp(name, cases[index].name) == 0) {
            fprintf(stderr, "case %s\n", name);
            cases[index].body();
            return true;
        }
    }
    return false;
}

int main(int count, char **arguments)
{
#ifdef ZTS
    if (!tsrm_startup(1, 1, 0, NULL) || ts_resource(0) == NULL) {
        return 2;
    }
#endif
    TSRMLS_FETCH();
    start_memory_manager(TSRMLS_C);
    for (int argument = 1; argument < count; argument++) {
        if (!run(arguments[argument])) {
            fprintf(stderr, "there is no case %s\n", arguments[argument]);
            return 64;
        }
    }
    shutdown_memory_manager(1, 1 TSRMLS_CC);
#ifdef ZTS
    return tsrm_shutdown();
#else
    return 0;
#endif
}
