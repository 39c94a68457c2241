/* options.h: the command line. */
#ifndef TSRMALLOC_BENCH_OPTIONS_H
#define TSRMALLOC_BENCH_OPTIONS_H

#include "bench/run.h"

typedef enum bench_parse { PARSE_RUN, PARSE_DONE, PARSE_USAGE } bench_parse;

/* DONE: --help or --version, all is said. USAGE: a line on stderr says what is wrong. */
bench_parse bench_options_parse(int argc, char **argv, bench_options *options);

#endif
