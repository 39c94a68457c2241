#!/bin/sh
# fuzz: libFuzzer or AFL++ on one harness, from its corpus; what it finds new is kept in the build
# directory, so that a run that was interrupted goes on.
# usage: fuzz.sh HARNESS SECONDS [libfuzzer|afl]     in a build directory made by configure
#        fuzz.sh HARNESS minimise     of the inputs that both fuzzers kept, copies the fewest that
#                                     reach all that they reach to fuzz-minimise/HARNESS/corpus
set -eu

harness=$1
seconds=$2
fuzzer=${3:-libfuzzer}
[ "$seconds" != minimise ] || fuzzer=minimise
source=$(cd "$(dirname "$0")/../.." && pwd)
work=fuzz-$fuzzer/$harness
mkdir -p "$work/corpus"
# The model is of the heap as programs without a tool run it; AFL++'s runtime looks like AddressSanitizer.
: "${ZEND_MM_REDZONES:=0}"
export ZEND_MM_REDZONES
case $fuzzer in
    libfuzzer) compiler=clang flags=-fsanitize=fuzzer,address,undefined ;;
    minimise) compiler=clang flags=-fsanitize=fuzzer ;;
    afl) compiler=afl-clang-fast flags='-fsanitize=fuzzer' ;;
    *) echo "fuzz.sh: $fuzzer: expected libfuzzer or afl" >&2; exit 64 ;;
esac
case $harness in
    conf) extra=$(echo "$source"/sapi_stubs/fpm/conf*.c "$source"/sapi_stubs/fpm/log.c \
        "$source"/sapi_stubs/fpm/access_log.c) ;;
    options) extra=$source/sapi_stubs/cli/options.c ;;
    fastcgi)
        extra=$(echo "$source"/tests/fpm/fastcgi_transcript.c "$source"/sapi_stubs/fpm/fastcgi*.c) ;;
esac
# shellcheck disable=SC2086
$compiler -std=gnu11 -pthread -g -O1 $flags -fno-sanitize-recover=undefined -DZTS -I. -I"$source" \
    -I"$source/tsrm" -I"$source/alloc" -I"$source/sapi_stubs" "$source/tests/fuzz/$harness.c" \
    ${extra:-} "$source/tests/support/model.c" "$source"/sapi_stubs/engine/trace*.c \
    "$source/sapi_stubs/engine/line_reader.c" "$source"/sapi_stubs/*.c "$source"/alloc/*.c "$source"/tsrm/*.c -lz -o "$work/harness"
corpus=$source/tests/fuzz/corpus/$harness
if [ "$fuzzer" = minimise ]; then
    set -- "$work/corpus" "$corpus"
    for kept in "fuzz-libfuzzer/$harness/corpus" "fuzz-afl/$harness/afl/default/queue"; do
        [ ! -d "$kept" ] || set -- "$@" "$kept"
    done
    exec "$work/harness" -set_cover_merge=1 -use_counters=0 -close_fd_mask=2 "$@"
fi
if [ "$fuzzer" = libfuzzer ]; then
    # The heap of `operations` lives as long as the process, and LeakSanitizer cannot see into it.
    leaks=1
    [ "$harness" != operations ] || leaks=0
    ASAN_OPTIONS=detect_leaks=$leaks exec "$work/harness" -max_total_time="$seconds" \
        -artifact_prefix="$work/" -verbosity=1 -close_fd_mask=2 "$work/corpus" "$corpus"
fi
input=$corpus
[ ! -d "$work/afl/default" ] || input=-
AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 \
    exec afl-fuzz -V "$seconds" -i "$input" -o "$work/afl" -- "$work/harness"
