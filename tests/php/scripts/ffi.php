<?php
$held = [];
for ($i = 0; $i < 500; $i++) {
    $owned = FFI::new("char[$i]", true);
    $not_owned = FFI::new("char[" . ($i * 7 + 1) . "]", false);
    $persistent = FFI::new("char[" . ($i + 1) . "]", false, true);
    $persistent[$i] = 'x';
    FFI::free($not_owned);
    FFI::free($persistent);
    if ($i % 3) $held[] = $owned;
}
echo count($held), "\n";
