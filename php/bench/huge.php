<?php
// 5 GiB of live strings of 2 to 3 MiB, replaced at random.
mt_srand(1);
$held = [];
for ($i = 0; $i < 2000; $i++) $held[] = str_repeat('x', mt_rand(2 << 20, 3 << 20));
for ($i = 0; $i < 2000; $i++) $held[mt_rand(0, 1999)] = str_repeat('y', mt_rand(2 << 20, 3 << 20));
