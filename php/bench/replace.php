<?php
// Strings of random lengths, all live, replaced at random: prints the CPU microseconds of one.
// replace.php COUNT REPLACEMENTS SHORTEST LONGEST
[, $count, $replacements, $shortest, $longest] = array_map('intval', $argv);

function cpu(): int
{
    $usage = getrusage();
    return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1000000
        + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
}

mt_srand(1);
$held = [];
for ($i = 0; $i < $count; $i++) $held[] = str_repeat('x', mt_rand($shortest, $longest));
$start = cpu();
for ($i = 0; $i < $replacements; $i++)
    $held[mt_rand(0, $count - 1)] = str_repeat('y', mt_rand($shortest, $longest));
printf("%.3f\n", (cpu() - $start) / $replacements);
