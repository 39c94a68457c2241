/* statistics: a module that notes, at the end of each request, how much memory it had needed.
 * Owns        one cli_statistics for each thread, through a TSRM id.
 * Thread      a worker sees its own only.
 * Invariants  I1  RSHUTDOWN runs before the heap reset: the peaks are those of the request
 * Failure     none.
 * Tests       tests/cli/run.sh */
#include "config.h"

#include "cli.h"

#include <string.h>

#ifdef ZTS
static ts_rsrc_id statistics_id;            /* const after start-up */
#else
static cli_statistics statistics_globals;
#endif

static void statistics_ctor(void *globals TSRMLS_DC)
{
#ifdef ZTS
    (void)tsrm_ls;
#endif
    memset(globals, 0, sizeof(cli_statistics));
}

cli_statistics *cli_statistics_get(TSRMLS_D)
{
#ifdef ZTS
    return TSRMG_BULK(statistics_id, cli_statistics *);
#else
    return &statistics_globals;
#endif
}

static zend_result statistics_request_shutdown(SHUTDOWN_FUNC_ARGS)
{
    (void)type;
    (void)module_number;
    cli_statistics *statistics = cli_statistics_get(TSRMLS_C);
    size_t peak = zend_memory_peak_usage(0 TSRMLS_CC);
    size_t real_peak = zend_memory_peak_usage(1 TSRMLS_CC);
    statistics->peak = peak > statistics->peak ? peak : statistics->peak;
    statistics->real_peak = real_peak > statistics->real_peak ? real_peak : statistics->real_peak;
    return SUCCESS;
}

zend_module_entry cli_statistics_module = {
    .name = "statistics",
    .version = PACKAGE_VERSION,
    .request_shutdown_func = statistics_request_shutdown,
    .globals_size = sizeof(cli_statistics),
#ifdef ZTS
    .globals_id_ptr = &statistics_id,
#else
    .globals_ptr = &statistics_globals,
#endif
    .globals_ctor = statistics_ctor,
};
