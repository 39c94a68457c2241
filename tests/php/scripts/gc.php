<?php
$held = [];
for ($i = 0; $i < 40000; $i++) $held[] = str_repeat('x', 40 + $i % 400);
$before = memory_get_usage(true);
$held = null;
$freed = gc_mem_caches();
if ($freed > 1000000 && memory_get_usage(true) < $before) echo "gc gave back\n";
$peak = memory_get_peak_usage();
memory_reset_peak_usage();
if (memory_get_peak_usage() < $peak && memory_get_peak_usage(true) == memory_get_usage(true)) {
    echo "peak was reset\n";
}
