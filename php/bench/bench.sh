#!/bin/sh
# bench: how much CPU time and memory PHP programs take with the drop-in, as a part of what they take
# without it. Each round runs every program with and without, in turn; printed are the medians, over
# the rounds, of the ratios within a round. The machine's speed drifts, so nothing else is compared.
#
# usage: php/bench/bench.sh BUILD_DIRECTORY [ROUNDS]        (default: 11 rounds)
# Needs: libphp8.2-embed php8.2-dev; composer, phpunit, php-twig and dokuwiki for their rows.
set -eu

[ $# -ge 1 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
abs_top_srcdir=$(cd "$here/../.." && pwd)
abs_top_builddir=$(cd "$1" && pwd)
rounds=${2:-11}
export abs_top_srcdir abs_top_builddir
# shellcheck source=tests/php/support.sh
. "$abs_top_srcdir/tests/php/support.sh"

extensions=
for name in ctype iconv mbstring tokenizer xml dom simplexml xmlwriter phar posix; do
    [ ! -f "$(php-config8.2 --extension-dir)/$name.so" ] ||
        extensions="$extensions -d extension=$name"
done

# measure LIBRARY ARGUMENT...: one run's user CPU seconds, all its CPU seconds, peak resident KiB.
measure() {
    library=$1
    shift
    # shellcheck disable=SC2086
    LD_PRELOAD=$library "$work/clock" "$embed" $extensions -d memory_limit=-1 "$@" \
        2>&1 >/dev/null | tail -n 1
}

cat >"$work/clock.c" <<'SOURCE'
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int status;
    struct rusage usage;
    pid_t child = fork();
    if (child == 0) {
        execv(argv[1], argv + 1);
        _exit(127);
    }
    if (argc < 2 || wait4(child, &status, 0, &usage) != child || status == 127 << 8) {
        return 1;
    }
    double user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    double kernel = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    fprintf(stderr, "%.6f %.6f %ld\n", user, user + kernel, usage.ru_maxrss);
    return 0;
}
SOURCE
"${CC:-cc}" -o "$work/clock" "$work/clock.c"

# median FIGURE: of the ratios of one figure; an even number of rounds takes the lower middle.
median() {
    awk -v figure="$1" '{ print $(figure + 3) / $figure }' "$work/ratios" | sort -n |
        sed -n "$(((rounds + 1) / 2))p"
}

# row NAME ARGUMENT...: one program, `rounds` times with and without.
row() {
    row_name=$1
    shift
    round=0
    : >"$work/ratios"
    while [ $round -lt "$rounds" ]; do
        # Who comes first changes from round to round.
        if [ $((round % 2)) -eq 0 ]; then
            stock=$(measure "" "$@")
            ours=$(measure "$drop_in" "$@")
        else
            ours=$(measure "$drop_in" "$@")
            stock=$(measure "" "$@")
        fi
        echo "$stock $ours" >>"$work/ratios"
        round=$((round + 1))
    done
    printf '| %s | %.3f | %.3f | %.3f |\n' "$row_name" "$(median 1)" "$(median 2)" "$(median 3)"
}

echo "| with / without the drop-in | user CPU time | with the system's | peak memory |"
echo "|---|---|---|---|"
COMPOSER_HOME=$work/composer COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_DISABLE_NETWORK=1
export COMPOSER_HOME COMPOSER_ALLOW_SUPERUSER COMPOSER_DISABLE_NETWORK
if [ -d /usr/share/php/Composer ]; then
    mkdir -p "$work/project" "$COMPOSER_HOME"
    ln -s /usr/share/php "$work/project/src"
    echo '{"name": "tsrmalloc/project", "autoload": {"classmap": ["src/"]}}' \
        >"$work/project/composer.json"
    row "composer dump-autoload" /usr/bin/composer -n -d "$work/project" dump-autoload -o
fi
[ ! -f /usr/bin/phpunit ] || row phpunit /usr/bin/phpunit --do-not-cache-result --no-configuration \
    "$scripts/DiffTest.php"
[ ! -d /usr/share/php/Twig ] || row "twig page" "$scripts/twig.php"
row "values (micro-benchmarks)" "$scripts/values.php"
row "sizes (micro-benchmarks)" "$scripts/sizes.php"
row "100,000 strings of 4-16 KiB, 200,000 replaced" "$here/large.php"
row "2,000 strings of 2-3 MiB, 2,000 replaced" "$here/huge.php"
