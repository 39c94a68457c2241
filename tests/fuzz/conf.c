/* conf: a configuration file of tsrmalloc-fpm. What is accepted keeps what its checks promise.
 * Owns        a file in memory.
 * Thread      one.
 * Invariants  I1  what is accepted can be served: see conf_check.c
 * Failure     abort.
 * Tests       this is one. */
#define _GNU_SOURCE
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fpm/conf.h"
#include "fpm/log.h"
#include "tests/fuzz/fuzz.h"

static void expect_pool(const fpm_conf_pool *pool)
{
    FUZZ_EXPECT(pool->listen != NULL && pool->pm != FPM_PM_UNSET && pool->pm_max_children >= 1);
    FUZZ_EXPECT(pool->pm != FPM_PM_DYNAMIC
        || (pool->pm_start_servers >= pool->pm_min_spare_servers
            && pool->pm_start_servers <= pool->pm_max_spare_servers
            && pool->pm_max_spare_servers <= pool->pm_max_children));
    FUZZ_EXPECT(pool->request_slowlog_timeout == 0 || pool->slowlog != NULL);
    FUZZ_EXPECT((pool->access_log == NULL) == (pool->access_format_compiled == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    /* A pattern could name a device that blocks. */
    if (memmem(data, size, "include", strlen("include")) != NULL) {
        return 0;
    }
    int file = memfd_create("conf", MFD_CLOEXEC);
    FUZZ_EXPECT(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    fpm_log_set_level(FPM_LOG_ALERT + 1);
    fpm_conf *conf = fpm_conf_load(path, "/", NULL);
    if (conf != NULL) {
        size_t count = 0;
        for (const fpm_conf_pool *pool = conf->pools; pool != NULL; pool = pool->next) {
            expect_pool(pool);
            count++;
        }
        FUZZ_EXPECT(count == conf->pool_count && count > 0);
        fpm_log_set_level(FPM_LOG_ALERT + 1);       /* the configuration has set its own */
        fpm_conf_dump(conf);
        fpm_conf_free(conf);
    }
    close(file);
    return 0;
}
