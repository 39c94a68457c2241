#!/bin/sh
# bench: how much CPU time and memory PHP programs take with the drop-in and without it. A round runs a
# program some times with and without, in turn (clock.c); ratios are medians, over the rounds, of the
# ratios within a round. The machine's speed drifts, so nothing else is compared.
#
# usage: php/bench/bench.sh BUILD_DIRECTORY RESULTS_DIRECTORY [ROUNDS]        (default: 11 rounds)
# Prints the tables and leaves them in RESULTS_DIRECTORY/results.md. Needs 6 GiB of memory;
# libphp8.2-embed, php8.2-dev, composer, phpunit, php-twig and dokuwiki.
set -eu

[ $# -ge 2 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
abs_top_srcdir=$(cd "$here/../.." && pwd)
abs_top_builddir=$(cd "$1" && pwd)
rounds=${3:-11}
export abs_top_srcdir abs_top_builddir
# shellcheck source=tests/php/support.sh
. "$abs_top_srcdir/tests/php/support.sh"
mkdir -p "$2"
results=$(cd "$2" && pwd)/results.md

fail() {
    echo "bench: $*" >&2
    exit 1
}
for file in /usr/bin/composer /usr/bin/phpunit /usr/share/php/Twig/autoload.php \
        /usr/share/dokuwiki/doku.php; do
    [ -e "$file" ] || fail "$file is not installed"
done
"${CC:-cc}" -O2 -o "$work/clock" "$here/clock.c" || fail "no compiler"

# ---- rounds ----

# measure RUNS PROGRAM ARGUMENT...: without the drop-in, and with it: CPU seconds, peak KiB, the figure
# printed last or 0 (clock.c).
measure() {
    runs=$1
    shift
    "$work/clock" "$runs" "$work/printed" "$drop_in" "$@" ||
        fail "it failed: $*: $(tail -n 3 "$work/printed")"
}

# take RUNS PROGRAM ARGUMENT...: all rounds of a program, a line each.
take() {
    round=0
    : >"$work/rounds"
    while [ $round -lt "$rounds" ]; do
        measure "$@" >>"$work/rounds"
        round=$((round + 1))
    done
}

# take_php RUNS ARGUMENT...: the same of the embed driver.
take_php() {
    runs=$1
    shift
    # shellcheck disable=SC2046
    take "$runs" "$embed" $(extensions) -d memory_limit=-1 -d date.timezone=UTC "$@"
}

# median EXPRESSION: of an awk expression over the rounds; of an even number, the lower middle.
median() {
    awk "{ print $1 }" "$work/rounds" | sort -n | sed -n "$(((rounds + 1) / 2))p"
}

# verdict VALUE RELATION GOAL: of the value as it is printed, three digits.
verdict() { awk "BEGIN { print (sprintf(\"%.3f\", $1) + 0 $2 $3) ? \"met\" : \"MISSED\" }"; }

# mean ROWS: the geometric mean of the first so many scripts.
mean() {
    awk -v rows="$1" 'NR <= rows { sum += log($1) } END { printf "%.3f", exp(sum / rows) }' \
        "$work/script_ratios"
}

memory_cells() {
    ratio=$(median '$5 / $2')
    awk "BEGIN { printf \"%.1f | %.1f | %.3f | %s |\\n\", $(median '$2') / 1024, \
        $(median '$5') / 1024, $ratio, \"$(verdict "$ratio" '<=' 1)\" }"
}

# script NAME RUNS ARGUMENT...: a row of the first table.
script() {
    name=$1
    shift
    take_php "$@"
    ratio=$(median '$4 / $1')
    echo "$ratio" >>"$work/script_ratios"
    awk "BEGIN { printf \"| %s | %.1f | %.1f | %.3f | %s | \", \"$name\", $(median '$1 * 1000'), \
        $(median '$4 * 1000'), $ratio, \"$(verdict "$ratio" '<=' 1)\" }"
    memory_cells
}

# replacement NAME GOAL ARGUMENT...: a row of the second table.
replacement() {
    name=$1
    goal=$2
    shift 2
    take_php 1 "$here/replace.php" "$@"
    ratio=$(median '$3 / $6')
    awk "BEGIN { printf \"| %s | %.2f | %.2f | %.2f | >= %s | %s | \", \"$name\", $(median '$3'), \
        $(median '$6'), $ratio, \"$goal\", \"$(verdict "$ratio" '>=' "$goal")\" }"
    memory_cells
}

# other NAME: a row of the third table, of the rounds that were taken.
other() {
    awk "BEGIN { printf \"| %s | %.1f | %.1f | %.3f | %.1f | %.1f | %.3f |\\n\", \"$1\", \
        $(median '$1 * 1000'), $(median '$4 * 1000'), $(median '$4 / $1'), \
        $(median '$2') / 1024, $(median '$5') / 1024, $(median '$5 / $2') }"
}

# ---- what was measured, and where ----

describe() {
    model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    php '-r' 'echo PHP_VERSION;'
    echo "Measured on $(date -u +%Y-%m-%d) with \`make bench-php\`: $rounds rounds, PHP" \
        "$(cat "$work/out") (Debian's embed), tsrmalloc" \
        "$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$abs_top_builddir/config.h"), Linux" \
        "$(uname -r), ${model:-$(uname -m)}, $(nproc) CPUs, transparent huge pages" \
        "$(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null)."
    echo
}

run_scripts() {
    COMPOSER_HOME=$work/composer COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_DISABLE_NETWORK=1
    export COMPOSER_HOME COMPOSER_ALLOW_SUPERUSER COMPOSER_DISABLE_NETWORK
    mkdir -p "$work/project" "$COMPOSER_HOME"
    ln -s /usr/share/php "$work/project/src"
    echo '{"name": "tsrmalloc/project", "autoload": {"classmap": ["src/"]}}' \
        >"$work/project/composer.json"
    make_wiki "$work/wiki"
    take_php 1 "$scripts/dokuwiki.php" "$work/wiki" wiki:syntax     # fills its caches

    echo "| script | CPU ms, without | with | ratio | <= 1.00 | peak MiB, without | with | ratio" \
        "| <= stock |"
    echo "|---|---|---|---|---|---|---|---|---|"
    script "dokuwiki page" 20 "$scripts/dokuwiki.php" "$work/wiki" wiki:syntax
    script "composer dump-autoload" 9 /usr/bin/composer -n -d "$work/project" dump-autoload -o
    script "phpunit" 20 /usr/bin/phpunit --do-not-cache-result --no-configuration "$scripts"
    script "twig page" 20 "$scripts/twig.php"
    script "values (micro-benchmarks)" 5 "$scripts/values.php"
    script "sizes (micro-benchmarks)" 5 "$scripts/sizes.php"
    echo
    echo "Geometric means of the CPU ratios: $(mean 4) of the four programs," \
        "$(mean 6) of all six (goal: <= 0.97): $(verdict "$(mean 6)" '<=' 0.97)."
}

run_others() {
    echo
    echo "| beside the goals | CPU ms, without | with | ratio | peak MiB, without | with | ratio |"
    echo "|---|---|---|---|---|---|---|"
    USE_ZEND_ALLOC_HUGE_PAGES=1
    export USE_ZEND_ALLOC_HUGE_PAGES
    take_php 20 "$scripts/dokuwiki.php" "$work/wiki" wiki:syntax
    other "dokuwiki page, USE_ZEND_ALLOC_HUGE_PAGES=1 for both"
    unset USE_ZEND_ALLOC_HUGE_PAGES
    node_package=$(sh "$abs_top_srcdir/tests/php/node.sh" --where)
    if [ -f "$node_package/index.js" ]; then
        take 2 "$(command -v node)" "$abs_top_srcdir/tests/php/node_requests.cjs" \
            "$node_package" "$scripts" 10 values.php sizes.php hello.php
        other "60 requests inside Node.js, 6 at once (PHP 8.4, ZTS, of its npm package)"
    else
        echo
        echo "(Inside Node.js: skipped, \`make check-php-zts\` has not fetched its package.)"
    fi
}

run_replacements() {
    echo
    echo "| strings, all live | CPU us each, without | with | times faster | goal | | peak MiB," \
        "without | with | ratio | <= stock |"
    echo "|---|---|---|---|---|---|---|---|---|---|"
    replacement "100,000 of 4-16 KiB, 200,000 replaced at random" 2.5 100000 200000 4096 16384
    replacement "2,000 of 2-3 MiB, 2,000 replaced at random" 2 2000 2000 2097152 3145728
}

{
    describe
    run_scripts
    run_others
    run_replacements
} | tee "$results.new"
grep -q 'of 2-3 MiB, 2,000 replaced' "$results.new" || exit 1
mv "$results.new" "$results"
