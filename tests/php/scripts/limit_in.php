<?php
// Meets the limit in the place that is named, and prints what the end of the program still does.
function fill() { $held = []; while (true) $held[] = str_repeat('x', 2000); }
ini_set('display_errors', 0);
register_shutdown_function(function () {
    $error = error_get_last();
    echo 'last error: ', preg_replace('/tried to allocate \d+/', 'tried to allocate N',
        $error['message'] ?? 'none'), "\n";
    echo 'room again: ', strlen(str_repeat('y', 1 << 20)), "\n";
});
class Late { function __destruct() { echo "destructor\n"; fill(); } }
switch ($argv[1]) {
case 'main': fill();
case 'shutdown': register_shutdown_function('fill'); break;
case 'output': ob_start(function ($text) { fill(); return $text; }); echo 'text'; ob_end_flush(); break;
case 'destructor': $late = new Late; unset($late); break;
case 'handler':
    set_error_handler(function ($number, $text) { echo "handler: $text\n"; fill(); });
    set_exception_handler(function ($e) { echo "exception handler\n"; });
    echo $undefined; break;
case 'handled':
    set_error_handler(function ($number, $text) { echo "the handler has no part in this\n"; });
    set_exception_handler(function ($e) { echo "nor has this one\n"; });
    try { fill(); } catch (Throwable $e) { echo "it is no exception\n"; } finally { echo "finally\n"; }
    break;
case 'end': $GLOBALS['late'] = new Late; break;
case 'compile':
case 'include':
    $file = tempnam(sys_get_temp_dir(), 'limit');
    register_shutdown_function(fn () => unlink($file));
    $out = fopen($file, 'w');
    fwrite($out, '<?php return [');
    for ($i = 0; $i < ($argv[1] == 'include' ? 60000 : 1000000); $i++) fwrite($out, "'text', ");
    fwrite($out, '];');
    fclose($out);
    include $file; break;
case 'sort':
    $list = range(0, 1000);
    usort($list, function ($a, $b) { fill(); return $a <=> $b; }); break;
case 'generator':
    $numbers = (function () { try { yield 1; fill(); } finally { echo "finally\n"; } })();
    foreach ($numbers as $n) echo $n, "\n";
    break;
}
echo "after\n";
