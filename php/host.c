/* host: finds the PHP around us, and says whether it can be served.
 * Owns        php_host.
 * Thread      the one that starts the memory manager.
 * Invariants  const after php_host_find().
 * Failure     a host that cannot be served ends the process before any block exists.
 * Tests       tests/php/refused.sh
 */
#include "config.h"

#include "php/host.h"

#include <dlfcn.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tsrm/tsrm.h"

/* PHP tells its version only once it is started, but each version has functions of its own. What is
 * newer than the last one may have changed what this library relies on. */
#define SINCE_8_2 "zend_memory_reset_peak_usage"
#define SINCE_8_5 "refresh_memory_manager"
/* Debug builds pass file and line with each call, and have no functions per size. */
#define RELEASE_ONLY "_emalloc_8"

#define ENGINE_PREFIX "Zend Engine v4."     /* the engine's 4.N is PHP's 8.N */

php_host_functions php_host;

/* dlsym gives a data pointer; POSIX promises that it can hold a function's address. */
static void find(void *object, const char *name, void *function)
{
    void *address = dlsym(object, name);
    memcpy(function, &address, sizeof address);
}

/* An address, and the file name of the object that it lies in: NULL until that is found. */
typedef struct place {
    uintptr_t address;
    const char *file;
} place;

static int look_at_object(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    place *sought = data;
    for (size_t index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[index];
        if (part->p_type == PT_LOAD
                && sought->address - (info->dlpi_addr + part->p_vaddr) < part->p_memsz) {
            sought->file = info->dlpi_name;
            return 1;
        }
    }
    return 0;
}

/* The object that has the host's code; the program itself, which is found without a name, where that is
 * no file of its own. (dladdr() would look at each of its some thousand symbols, too.) */
static void *object_at(const void *address)
{
    place sought = { .address = (uintptr_t)address };
    (void)dl_iterate_phdr(look_at_object, &sought);
    void *object = NULL;
    if (sought.file != NULL && *sought.file != '\0') {
        object = dlopen(sought.file, RTLD_LAZY | RTLD_NOLOAD);
    }
    return object != NULL ? object : dlopen(NULL, RTLD_LAZY);
}

static bool has(void *object, const char *name)
{
    return dlsym(object, name) != NULL;
}

const char *php_host_refusal(void *object)
{
    if (!has(object, "start_memory_manager")) {
        return NULL;
    }
    if (!has(object, SINCE_8_2)) {
        return "serves PHP 8.2 to 8.4, and this one is older";
    }
    if (has(object, SINCE_8_5)) {
        return "serves PHP 8.2 to 8.4, and this one is newer";
    }
    if (!has(object, RELEASE_ONLY)) {
        return "serves release builds of PHP, and this is a debug build";
    }
    return NULL;
}

void php_host_note_version(void)
{
    const char *version = php_host.get_zend_version();
    if (version != NULL && strncmp(version, ENGINE_PREFIX, strlen(ENGINE_PREFIX)) == 0) {
        size_t length = strcspn(version + strlen(ENGINE_PREFIX), ", \n");
        snprintf(php_host.version, sizeof php_host.version, "8.%.*s", (int)length,
            version + strlen(ENGINE_PREFIX));
    }
}

void php_host_refuse(const char *reason)
{
    fprintf(stderr, "tsrmalloc: %s\n", reason);
    exit(PHP_EXIT_NOT_SERVED);
}

/* ---- a late PHP that the archive is linked into ---- */

/* Of php/late.c; NULL where that is not linked. */
extern void tsrmalloc_php_delay(const char *message)
    __attribute__((weak, visibility("hidden")));

static void delay_error(bool delay, const char *format, ...) TSRM_PRINTF(2, 3);

/* As PHP's own, which is not there: without a delay the process ends. */
static void delay_error(bool delay, const char *format, ...)
{
    char message[PHP_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (!delay) {
        fprintf(stderr, "%s\n", message);
        abort();
    }
    tsrmalloc_php_delay(message);
}

/* ---- what the host has ---- */

static void find_functions(void *object)
{
    php_host = (php_host_functions){ .version = "8" };
    find(object, "get_zend_version", &php_host.get_zend_version);
    find(object, "zend_error_noreturn", &php_host.error_noreturn);
    find(object, "_zend_bailout", &php_host.bailout);
    find(object, "zend_get_executed_filename", &php_host.executed_filename);
    find(object, "zend_get_executed_lineno", &php_host.executed_lineno);
    find(object, "ts_allocate_id", &php_host.allocate_id);
    find(object, "ts_resource_ex", &php_host.resource_ex);
    if (tsrmalloc_php_delay != NULL) {
        php_host.delayed_error = delay_error;
    } else if (has(object, "zend_handle_delayed_oom")) {
        find(object, "zend_mm_delayed_error_or_panic", &php_host.delayed_error);
        find(object, "zend_alloc_in_memory_limit_error_reporting", &php_host.own_is_reporting);
        if (php_host.allocate_id != NULL) {
            find(object, "start_memory_manager", &php_host.own_start);
            find(object, "zend_mm_shutdown", &php_host.own_shutdown);
        } else {
            find(object, "zend_mm_set_heap", &php_host.own_set_heap);
        }
    }
}

void php_host_find(const void *address)
{
    void *object = object_at(address);
    const char *refusal = php_host_refusal(object);
    if (refusal != NULL) {
        php_host_refuse(refusal);
    }
    find_functions(object);
    if (php_host.get_zend_version == NULL || php_host.error_noreturn == NULL
            || php_host.bailout == NULL
            || (php_host.allocate_id == NULL) != (php_host.resource_ex == NULL)) {
        php_host_refuse("what called it exports not the functions of PHP that it needs");
    }
}
