<?php
class Last { function __destruct() { echo "destructor ", strlen(str_repeat('d', 10000)), "\n"; } }
$last = new Last;
register_shutdown_function(function () { echo "shutdown ", strlen(str_repeat('s', 3 << 20)), "\n"; });
ob_start(fn ($text) => strtoupper($text));
echo "output\n";
