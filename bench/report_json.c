/* report_json: the whole run as one JSON object.
 * Owns        the keys.
 * Thread      the main thread.
 * Invariants  I1  nothing but the object goes to `out`; what is no number is null
 * Failure     none.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <math.h>

#include "bench/figures.h"
#include "bench/report.h"

void bench_json_string(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20) {
            fprintf(out, "\\u%04x", byte);
        } else {
            fprintf(out, byte == '"' || byte == '\\' ? "\\%c" : "%c", byte);
        }
    }
    fputc('"', out);
}

void bench_json_number(double value, FILE *out)
{
    if (isfinite(value)) {
        fprintf(out, "%.6g", value);
    } else {
        fputs("null", out);
    }
}

static void key(const char *name, bool first, FILE *out)
{
    fputs(first ? "" : ",", out);
    bench_json_string(name, out);
    fputc(':', out);
}

static void number_field(const char *name, double value, FILE *out)
{
    key(name, false, out);
    bench_json_number(value, out);
}

static void print_ratio(const bench_row *row, const bench_cell *cell, FILE *out)
{
    bench_summary ratio = bench_summary_of_quotient(cell, &row->cells[0], METRIC_NS);
    number_field("times_ours", ratio.median, out);
    key("times_ours_quartiles", false, out);
    fputc('[', out);
    bench_json_number(ratio.low, out);
    fputc(',', out);
    bench_json_number(ratio.high, out);
    fputc(']', out);
}

/* Of the first round: a median of curves would be none that was seen. */
static void print_samples(const bench_result *result, FILE *out)
{
    key("samples", false, out);
    fputc('[', out);
    for (size_t index = 0; index < result->sample_count; index++) {
        const bench_sample *sample = &result->samples[index];
        fprintf(out, "%s[%.4g,%.0f,%.0f]", index > 0 ? "," : "", sample->ns, sample->rss,
            sample->live);
    }
    fputc(']', out);
}

/* Every round's figure, for who wants another mean. */
static void print_rounds(const bench_cell *cell, FILE *out)
{
    key("ns_rounds", false, out);
    for (size_t round = 0; round < cell->round_count; round++) {
        fputc(round == 0 ? '[' : ',', out);
        bench_json_number(cell->rounds[round].metrics[METRIC_NS], out);
    }
    fputc(']', out);
}

static void print_cell(const bench_run *run, const bench_row *row, size_t peer, FILE *out)
{
    const bench_cell *cell = &row->cells[peer];
    fputs("    {", out);
    key("workload", true, out);
    bench_json_string(row->workload->name, out);
    key("case", false, out);
    bench_json_string(row->name, out);
    key("allocator", false, out);
    bench_json_string(run->peers[peer].name, out);
    fprintf(out, ",\"rounds\":%zu", cell->round_count);
    if (*cell->left_out != '\0') {
        key("left_out", false, out);
        bench_json_string(cell->left_out, out);
    }
    for (size_t metric = 0; metric < METRIC_COUNT && cell->round_count > 0; metric++) {
        number_field(bench_metric_infos[metric].key,
            bench_summary_of_cell(cell, (bench_metric)metric).median, out);
    }
    if (cell->round_count > 0) {
        print_ratio(row, cell, out);
        print_rounds(cell, out);
    }
    if (cell->round_count > 0 && cell->rounds[0].sample_count > 0) {
        print_samples(&cell->rounds[0], out);
    }
    fputc('}', out);
}

static void print_machine(const bench_run *run, FILE *out)
{
    bench_fact facts[BENCH_FACT_MAX];
    size_t count = bench_machine_facts(facts);
    fputs("  \"machine\":{\"date\":", out);
    bench_json_string(run->date, out);
    key("load at the start", false, out);
    bench_json_string(run->load, out);
    for (size_t index = 0; index < count; index++) {
        key(facts[index].name, false, out);
        bench_json_string(facts[index].text, out);
    }
    fprintf(out, "},\n  \"options\":{\"rounds\":%u,\"repeat\":%u,\"threads\":%u,\"quick\":%s},\n",
        run->options->rounds, run->options->repeat, run->options->threads,
        run->options->quick ? "true" : "false");
}

static void print_allocators(const bench_run *run, FILE *out)
{
    fputs("  \"allocators\":[", out);
    for (size_t peer = 0; peer < run->options->peer_count; peer++) {
        const bench_peer_choice *choice = &run->options->peers[peer];
        fputs(peer == 0 ? "\n    {\"name\":" : ",\n    {\"name\":", out);
        bench_json_string(choice->name, out);
        key(*choice->missing != '\0' ? "missing" : "version", false, out);
        bench_json_string(*choice->missing != '\0' ? choice->missing : choice->version, out);
        fputc('}', out);
    }
    fputs("\n  ],\n", out);
}

void bench_report_json(const bench_run *run, FILE *out)
{
    fputs("{\n", out);
    print_machine(run, out);
    print_allocators(run, out);
    fputs("  \"results\":[\n", out);
    for (size_t row = 0; row < run->row_count; row++) {
        for (size_t peer = 0; peer < run->peer_count; peer++) {
            const bench_cell *cell = &run->rows[row].cells[peer];
            if (cell->round_count > 0 || *cell->left_out != '\0') {
                fputs(row + peer > 0 ? ",\n" : "", out);
                print_cell(run, &run->rows[row], peer, out);
            }
        }
    }
    fputs("\n  ],\n  \"targets\":[", out);
    bench_targets_json(run, out);
    fputs("\n  ]\n}\n", out);
}
