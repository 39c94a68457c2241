/* report.h: what a run found: tables, JSON, pictures, and how it compares with what is aimed at. */
#ifndef TSRMALLOC_BENCH_REPORT_H
#define TSRMALLOC_BENCH_REPORT_H

#include "bench/run.h"
#include "bench/table.h"

/* Machine, kernel, versions, date, options. */
void bench_report_machine(const bench_run *run, bench_style style, FILE *out);
void bench_report_workload(const bench_run *run, const bench_workload *workload, bench_style style,
    FILE *out);
/* What each check costs: from builds of ours without it. Nothing if there are none. */
void bench_report_variants(const bench_run *run, bench_style style, FILE *out);
/* Nothing if no target was measured. */
void bench_report_targets(const bench_run *run, bench_style style, FILE *out);

void bench_report_json(const bench_run *run, FILE *out);
void bench_targets_json(const bench_run *run, FILE *out);
void bench_json_string(const char *text, FILE *out);
/* null for what is no number. */
void bench_json_number(double value, FILE *out);

/* Draw the pictures that the run has figures for into `directory`, by gnuplot. false: something
 * went wrong and was said. */
bool bench_report_pictures(const bench_run *run, const char *directory)
    __attribute__((warn_unused_result));
bool bench_gnuplot_is_there(void);

/* name and text of each fact about the machine. */
typedef struct bench_fact {
    char name[24], text[200];
} bench_fact;

#define BENCH_FACT_MAX 10
size_t bench_machine_facts(bench_fact *facts);
/* Of the last minutes, as the kernel counts it; "" where it does not. */
void bench_machine_load(char *text, size_t size);

#endif
