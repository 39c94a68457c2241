<?php
// The text with the figure of the request left out: the heaps round differently.
register_shutdown_function(function () {
    $error = error_get_last();
    echo preg_replace('/tried to allocate \d+/', 'tried to allocate N', $error['message']), "\n";
});
ini_set('display_errors', 0);
$held = [];
while (true) $held[] = str_repeat('x', 1000);
