<?php
ini_set('display_errors', 0);
register_shutdown_function(function () {
    echo preg_replace('/tried to allocate \d+/', 'tried to allocate N', error_get_last()['message']), "\n";
});
$text = str_repeat('x', 20 << 20);
$text .= str_repeat('y', 60 << 20);
