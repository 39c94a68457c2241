/* machine: what a figure has to be read with.
 * Owns        nothing.
 * Thread      the main thread.
 * Invariants  none.
 * Failure     what the system does not tell is left out.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/report.h"

/* Change how an allocator behaves; a stranger must see that they were set. */
static const char *const variables[] = {
    "USE_ZEND_ALLOC", "USE_ZEND_ALLOC_HUGE_PAGES", "ZEND_MM_MEM_TYPE", "ZEND_MM_SEG_SIZE",
    "ZEND_MM_COMPACT", "ZEND_MM_REMOTE_FREE", "MALLOC_CONF", "MALLOC_ARENA_MAX",
    "GLIBC_TUNABLES", "LD_PRELOAD",
};

static void add(bench_fact *facts, size_t *count, const char *name, const char *text)
{
    if (*text != '\0' && *count < BENCH_FACT_MAX) {
        snprintf(facts[*count].name, sizeof facts[*count].name, "%s", name);
        snprintf(facts[*count].text, sizeof facts[*count].text, "%s", text);
        (*count)++;
    }
}

/* The rest of the first line that begins with `key`, behind blanks and a colon; "" if none does. */
static void read_line(const char *path, const char *key, char *text, size_t size)
{
    char line[512];
    FILE *file = fopen(path, "r");
    *text = '\0';
    while (file != NULL && *text == '\0' && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            const char *value = line + strlen(key);
            value += strspn(value, " \t:");
            snprintf(text, size, "%.*s", (int)strcspn(value, "\n"), value);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void read_processors(char *text, size_t size)
{
    char model[128];
    read_line("/proc/cpuinfo", "model name", model, sizeof model);
    snprintf(text, size, "%ld x %s", sysconf(_SC_NPROCESSORS_ONLN),
        *model != '\0' ? model : "processor");
}

static void read_memory(char *text, size_t size)
{
    char total[64];
    read_line("/proc/meminfo", "MemTotal", total, sizeof total);
    snprintf(text, size, "%.1f GiB", strtod(total, NULL) / (1 << 20));
}

static void read_variables(char *text, size_t size)
{
    *text = '\0';
    for (size_t index = 0; index < sizeof variables / sizeof variables[0]; index++) {
        const char *value = getenv(variables[index]);
        size_t used = strlen(text);
        if (value != NULL && used + 1 < size) {
            snprintf(text + used, size - used, "%s%s=%s", used > 0 ? " " : "", variables[index],
                value);
        }
    }
}

void bench_machine_load(char *text, size_t size)
{
    read_line("/proc/loadavg", "", text, size);
}

size_t bench_machine_facts(bench_fact *facts)
{
    struct utsname system;
    char text[200];
    size_t count = 0;
    read_processors(text, sizeof text);
    add(facts, &count, "processors", text);
    read_memory(text, sizeof text);
    add(facts, &count, "memory", text);
    if (uname(&system) == 0) {
        snprintf(text, sizeof text, "%.40s %.80s, %.40s", system.sysname, system.release,
            system.machine);
        add(facts, &count, "kernel", text);
    }
    read_line("/sys/kernel/mm/transparent_hugepage/enabled", "", text, sizeof text);
    add(facts, &count, "huge pages", text);
    bench_machine_load(text, sizeof text);
    add(facts, &count, "load at the end", text);
    add(facts, &count, "compiler", __VERSION__);
    read_variables(text, sizeof text);
    add(facts, &count, "environment", text);
    return count;
}
