<?php
// Everything that the engine keeps in the request heap, with a checksum of what it held.
$sum = '';
function note($value) { global $sum; $sum = md5($sum . serialize($value)); }

$array = [];
for ($i = 0; $i < 30000; $i++) {
    $array["key$i"] = str_repeat(chr(65 + $i % 26), $i % 700);
    if ($i % 3 == 0) unset($array['key' . intdiv($i, 2)]);
}
note($array);
ksort($array);
note(array_slice($array, 100, 500));
$text = '';
for ($i = 0; $i < 200000; $i++) $text .= $i;
note($text);
note(strrev(substr($text, 1000, 500000)));

class Node { public $next; public array $data = []; function __destruct() { note('gone'); } }
for ($i = 0; $i < 300; $i++) {
    $a = new Node; $b = new Node;
    $a->next = $b; $b->next = $a;           // a cycle
    $a->data[] = range(0, $i);
}
unset($a, $b);
note(gc_collect_cycles() > 0);

function numbers($n) { for ($i = 0; $i < $n; $i++) yield $i => str_repeat('x', $i); }
note(iterator_to_array(numbers(300)));
$make = fn ($n) => function () use (&$n) { return ++$n; };
$counters = array_map($make, range(1, 200));
note(array_map(fn ($c) => $c() + $c(), $counters));
for ($i = 0; $i < 200; $i++) {
    try { throw new RuntimeException("number $i", $i, new LogicException('inner')); }
    catch (Exception $e) { note($e->getMessage() . $e->getPrevious()->getMessage()); }
}
$deep = [];
$place = &$deep;
for ($i = 0; $i < 1000; $i++) { $place['in'] = [$i]; $place = &$place['in']; }
unset($place);
note($deep);
preg_match_all('/(\d)(\d)(\d)/', substr($text, 0, 60000), $found, PREG_SET_ORDER);
note($found);
note(json_decode(json_encode($found), true) == $found);
note(unserialize(serialize($array)) == $array);
eval('function made() { return ' . var_export(range(0, 2000), true) . '; }');
note(made());
$storage = new SplObjectStorage;
foreach (range(1, 1000) as $i) { $storage[new ArrayObject([$i])] = $i; }
note(count($storage));
$map = new WeakMap;
$keys = [];
foreach (range(1, 1000) as $i) { $keys[$i] = new stdClass; $map[$keys[$i]] = $i; if ($i % 2) unset($keys[$i]); }
note(count($map));
ob_start();
for ($i = 0; $i < 50000; $i++) echo "line $i\n";
note(ob_get_clean());
echo $sum, "\n";
