#!/bin/sh
# extensions: those that know the memory manager: opcache and its compiler, FFI, pcntl.
set -u
. "$abs_top_srcdir/tests/php/support.sh"

folder=$(php-config8.2 --extension-dir 2>/dev/null)

# The compiler writes the addresses of the memory manager's functions into its code.
if [ -f "$folder/opcache.so" ]; then
    for jit in disable function tracing; do
        for script in values fibers end; do
            same "opcache, jit=$jit: $script.php" -d zend_extension=opcache \
                -d opcache.enable_cli=1 -d opcache.enable=1 \
                -d opcache.jit_buffer_size=16M -d "opcache.jit=$jit" "$scripts/$script.php"
        done
    done
    mkdir "$work/cache"
    same "opcache with a file cache" -d zend_extension=opcache -d opcache.enable_cli=1 \
        -d "opcache.file_cache=$work/cache" -d opcache.file_cache_only=1 "$scripts/values.php"
else
    check_skip "opcache and its compiler" "opcache.so is not installed"
fi
if [ -f "$folder/ffi.so" ]; then
    same "FFI tells its own memory from PHP's" -d extension=ffi -d ffi.enable=1 "$scripts/ffi.php"
else
    check_skip "FFI tells its own memory from PHP's" "ffi.so is not installed"
fi
ours "$scripts/fork.php"
if [ "$status" -eq 77 ]; then
    check_skip "forked children go on with the heap" "this PHP has no pcntl"
else
    same "forked children go on with the heap" "$scripts/fork.php"
    check "all three were right" out_is "$(printf '10\n11\n12\n1003')"
fi
check_summary
