#!/bin/sh
# usage: wrong options are exit status 64 with a line that says what was expected; -i, -v, --help.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

refused() {
    sentence=$1
    expected=$2
    shift 2
    run "$@"
    check "$sentence: exit status 64" status_is 64
    check "$sentence: says so" err "$expected"
    check "$sentence: nothing on stdout" nothing_on out
}

refused "no file" "FILE: expected at least one trace"
refused "an unknown option" "Try 'tsrmalloc-cli --help'" --nonsense "$data/small.zmt"
refused "an option without its argument" "Try 'tsrmalloc-cli --help'" -t
refused "no workers" "--threads: expected a number from 1 to 4096" -t 0 "$data/small.zmt"
refused "too many workers" "--threads: expected a number" -t 4097 "$data/small.zmt"
refused "workers that are no number" "--threads: expected a number" -t 4x "$data/small.zmt"
refused "an empty number" "--threads: expected a number" -t '' "$data/small.zmt"
refused "a number that overflows" "--repeat: expected a number" -n 99999999999999999999 \
    "$data/small.zmt"
refused "no turns" "--repeat: expected a number from 1 on" --repeat=0 "$data/small.zmt"
refused "an unknown directive" "no such directive" -d memory=1M "$data/small.zmt"
refused "a directive without a value" "a directive is given as name=value" -d memory_limit \
    "$data/small.zmt"
refused "a limit that is no size" "memory_limit takes a number of bytes" -d memory_limit=12MB \
    "$data/small.zmt"
refused "a trace and then code" "expected traces alone, or a script alone" "$data/small.zmt" -r 'x'
refused "a file and code" "expected one script" -f x.lua -r 'x'
refused "--verify with a script" "--verify: expected traces" --verify -r 'x'
refused "--persistent with a trace" "--persistent: expected a script" --persistent "$data/small.zmt"
if [ "$TSRMALLOC_ZTS" = no ]; then
    refused "two workers without ZTS" "no thread safety (ZTS)" -t 2 "$data/small.zmt"
fi

run --help
check "--help: exit status 0" status_is 0
for option in --file --run --persistent --threads --repeat memory_limit --verify --json --startup-trace --info --version; do
    check "--help names $option" out "$option"
done

run -v
check "-v: exit status 0" status_is 0
check "-v: names the program" out "tsrmalloc-cli "
if [ "$TSRMALLOC_ZTS" = yes ]; then kind=ZTS; else kind=NTS; fi
check "-v: says $kind" out "($kind"

run -i
check "-i: exit status 0" status_is 0
check "-i: thread safety" out "thread safety       $kind"
check "-i: storage" out "storage             mmap_anon"
check "-i: bins" out "2048 2560 3072"
check "-i: memory limit" out "134217728 bytes"
run -d memory_limit=-1 -i
check "-i: no memory limit" out "memory_limit        none"
ZEND_MM_MEM_TYPE=malloc run -i
check "-i: another storage" out "storage             malloc"
USE_ZEND_ALLOC=0 run -i
check "-i: the C library" out "C library"

check_summary
