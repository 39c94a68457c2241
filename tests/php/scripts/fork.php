<?php
// Three children, each of which works and ends as a program of its own. 77: it cannot be done here.
if (!function_exists('pcntl_fork')) exit(77);
$held = range(1, 1000);
$children = [];
for ($i = 0; $i < 3; $i++) {
    $child = pcntl_fork();
    if ($child === 0) {
        for ($k = 0; $k < 20000; $k++) $held[] = str_repeat('x', $k % 3000);
        $held = array_slice($held, 0, 100);
        exit($held[50] === 51 ? 10 + $i : 1);
    }
    $children[] = $child;
}
foreach ($children as $child) {
    pcntl_waitpid($child, $status);
    echo pcntl_wexitstatus($status), "\n";
    $held[] = str_repeat('y', 5000);
}
echo count($held), "\n";
