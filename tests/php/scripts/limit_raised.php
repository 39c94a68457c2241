<?php
ini_set('memory_limit', '8M');
$held = [];
for ($i = 0; $i < 1500; $i++) $held[] = str_repeat('x', 4000);
ini_set('memory_limit', '32M');
for ($i = 0; $i < 4000; $i++) $held[] = str_repeat('x', 4000);
echo count($held), "\n";
var_dump(@ini_set('memory_limit', '4M'));
echo preg_replace('/usage is \d+/', 'usage is N', error_get_last()['message']), "\n";
$held = null;
gc_mem_caches();
var_dump(ini_set('memory_limit', '4M'));
echo ini_get('memory_limit'), "\n";
