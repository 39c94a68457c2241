<?php
$sum = 0;
$fibers = [];
for ($i = 0; $i < 200; $i++) {
    $fibers[$i] = new Fiber(function (int $n) {
        $held = str_repeat('x', $n * 50);
        for ($k = 0; $k < 5; $k++) $held .= Fiber::suspend(strlen($held));
        return strlen($held);
    });
    $sum += $fibers[$i]->start($i);
}
for ($k = 0; $k < 5; $k++) foreach ($fibers as $i => $fiber) $sum += $fiber->resume(str_repeat('y', $i)) ?? 0;
foreach ($fibers as $i => $fiber) if ($i % 2 && $fiber->isTerminated()) $sum += $fiber->getReturn();
echo $sum, "\n";
