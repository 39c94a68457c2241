#!/bin/sh
# third_party: real programs on our heaps, by the preloaded tests/support/malloc_shim.c; each does
# the same without it, and what they print and write must be the same byte for byte.
# Environment: THIRD_PARTY_SCALE (1): so many times the work.
set -u
# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

shim=$abs_top_builddir/tests/support/.libs/malloc_shim.so
scripts=$abs_top_srcdir/tests/stress/third_party
scale=${THIRD_PARTY_SCALE:-1}
work=$(mktemp -d)
server=
end_server() {
    if [ -n "$server" ]; then
        kill -9 "$server" 2>/dev/null
        wait "$server" 2>/dev/null
    fi
    server=
}
trap 'end_server; rm -rf "$work"' EXIT
mkdir "$work/ours" "$work/theirs"
THIRD_PARTY_SCALE=$scale
PYTHONHASHSEED=0
PYTHONMALLOC=malloc
export THIRD_PARTY_SCALE PYTHONHASHSEED PYTHONMALLOC
unset MALLOC_SHIM_LIMIT

# on WHICH COMMAND...: on our heaps or on theirs. exec_on: in place of this shell.
exec_on() {
    LD_PRELOAD=$shim MALLOC_SHIM_LOG=$work/log
    [ "$1" = theirs ] || export LD_PRELOAD MALLOC_SHIM_LOG
    shift
    exec "$@"
}
on() { (exec_on "$@"); }

# served PROGRAM ALLOCATIONS: our heaps did serve it, with so many allocations at least.
served() {
    awk -v name="$1" -v least="$2" '$1 == name && $5 >= least { found = 1 } END { exit !found }' \
        "$work/log" || { echo "$1 was not on our heaps:"; cat "$work/log"; return 1; }
}

# same COMMAND...: `COMMAND which directory` ends with 0 and leaves the same files in both.
same() {
    rm -rf "$work/ours" "$work/theirs" "$work/log"
    mkdir "$work/ours" "$work/theirs"
    : >"$work/log"
    for which in theirs ours; do
        "$@" "$which" "$work/$which" >"$work/$which/out" 2>"$work/$which/err" ||
            { echo "on $which: status $?"; cd "$work" && tail -n 20 $which/out $which/err; return 1; }
    done
    [ -s "$work/ours/out" ] || { echo "it printed nothing"; return 1; }
    diff -r "$work/theirs" "$work/ours" | head -n 20 | grep . && return 1
    return 0
}

# has PROGRAM...: are they there?
has() {
    for program in "$@"; do
        command -v "$program" >/dev/null 2>&1 || return 1
    done
}

# run SENTENCE "PROGRAM..." LEAST COMMAND...: the programs that it needs, of which the first must
# show that it made so many allocations on our heaps.
run() {
    sentence=$1 programs=$2 least=$3
    shift 3
    # Word splitting is meant: names have no blanks.
    # shellcheck disable=SC2086
    if ! has $programs; then
        check_skip "$sentence" "not all of these are installed: $programs"
        return
    fi
    check "$sentence" same "$@"
    check "... and was on our heaps" served "${programs%% *}" "$least"
}

# ---- compressors ----

# Text, and what cannot be compressed.
make_data() {
    seq 1 $((700000 * scale))
    for _ in $(seq 1 "$scale"); do
        cat "$abs_top_srcdir"/traces/*.gz
    done
}
# pack PROGRAM ARGUMENTS WHICH DIRECTORY: round trip and compressed bytes.
pack() {
    # shellcheck disable=SC2086
    on "$3" "$1" $2 -c "$work/data" >"$4/packed" &&
        on "$3" "$1" -d $2 -c "$4/packed" | cmp - "$work/data" &&
        cksum <"$4/packed"
}

# ---- interpreters ----

lua() { on "$1" lua5.4 "$scripts/tables.lua" "$scale"; }
python() { on "$2" python3 "$scripts/$1.py" "$scale"; }

# ---- redis ----

cli() { redis-cli -s "$work/socket" "$@"; }
up() { [ "$(cli ping 2>/dev/null)" = PONG ]; }
start_server() {
    exec_on "$1" redis-server --port 0 --unixsocket "$work/socket" --dir "$2" --logfile "$2/log" \
        --save '' --io-threads 2 --io-threads-do-reads yes --enable-debug-command yes \
        --lazyfree-lazy-user-flush yes --lazyfree-lazy-user-del yes >/dev/null &
    server=$!
    tries=0
    until up; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ] || ! kill -0 "$server"; then
            cat "$2/log"
            return 1
        fi
        sleep 0.05
    done
}
stop_server() {
    cli shutdown nosave
    wait "$server"
    status=$?
    server=
    return $status
}
# The child that the commands have started in their midst has ended, and well.
saved() {
    until cli info persistence | grep -q '^rdb_bgsave_in_progress:0'; do sleep 0.05; done
    cli info persistence | grep '^rdb_last_bgsave_status:'
}
commands() { awk -v scale="$scale" -f "$scripts/commands.awk"; }
redis() {
    start_server "$1" "$2" || return 1
    # Its clients are threads, too; their figures differ from run to run.
    on "$1" redis-benchmark -s "$work/socket" --threads 2 -c 20 -P 8 -n $((2500 * scale)) \
        -r 10000 -d 200 -q -t set,get,lpush,lpop,hset,mset >/dev/null &&
        [ "$(cli flushall async)" = OK ] || return 1
    commands | cli && saved && cli debug digest && cli debug reload && cli debug digest &&
        cli dbsize || return 1
    stop_server || return 1
    # The server's times and the shape of its file are its own.
    rm -f "$2/log" "$2/dump.rdb"
}

# ---- stress-ng ----

# Its figures are times; that each kind of stress ended well is what both must say.
stress_ng() {
    on "$1" stress-ng --no-rand-seed --verify "--$3" 2 "--$3-ops" "$4" $5 2>"$work/stress" ||
        { cat "$work/stress"; return 1; }
    sed 's/.*\] //; s/ in [0-9.]*s.*//; /defaulting/d' "$work/stress"
}
stress_malloc() {
    stress_ng "$1" "$2" malloc $((20000 * scale)) '--malloc-pthreads 2 --malloc-touch'
}

# ---- all of them ----

if [ "$TSRMALLOC_DEBUG" = yes ]; then
    check_skip "programs on our heaps" "a debug build validates the whole heap again and again"
elif [ "$TSRMALLOC_SANITIZE" != no ]; then
    check_skip "programs on our heaps" "a sanitizer has a malloc of its own"
elif [ -z "$TSRMALLOC_SO" ] || [ ! -f "$shim" ]; then
    check_skip "programs on our heaps" "there are no shared objects in this build"
else
    make_data >"$work/data"
    run "xz in parallel packs the same bytes, and unpacks them" "xz" 50 \
        pack xz '-1 -T 2 --block-size=1MiB'
    run "zstd in parallel packs the same bytes, and unpacks them" "zstd" 50 pack zstd '-q -3 -T2'
    run "lua5.4 builds and collects the same tables and strings" "lua5.4" 100000 lua
    run "python3 writes and reads the same JSON" "python3" 1000 python json_work
    run "python3's threads come to the same sums" "python3" 1000 python threads_work
    run "redis-server holds the same data, under load, threads and fork" \
        "redis-server redis-cli redis-benchmark" 10000 redis
    run "stress-ng's malloc stressor ends well" "stress-ng" 10 stress_malloc
fi
check_summary
