/* metric: the names of what can be found.
 * Owns        the table.
 * Thread      any.
 * Invariants  none.
 * Failure     none.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/metric.h"

#include <math.h>
#include <string.h>

#define BENCH_METRIC_INFO(symbol, key, heading, unit) { key, heading, unit },
const bench_metric_info bench_metric_infos[METRIC_COUNT] = { BENCH_METRICS(BENCH_METRIC_INFO) };
#undef BENCH_METRIC_INFO

void bench_result_clear(bench_result *result)
{
    memset(result, 0, sizeof *result);
    for (size_t metric = 0; metric < METRIC_COUNT; metric++) {
        result->metrics[metric] = (double)NAN;
    }
}
