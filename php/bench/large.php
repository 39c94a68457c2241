<?php
// 1 GiB of live strings of 4 to 16 KiB, replaced at random.
mt_srand(1);
$held = [];
for ($i = 0; $i < 100000; $i++) $held[] = str_repeat('x', mt_rand(4096, 16384));
for ($i = 0; $i < 200000; $i++) $held[mt_rand(0, 99999)] = str_repeat('y', mt_rand(4096, 16384));
