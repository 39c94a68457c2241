<?php
// Strings around the border of each bin, of large and of huge blocks: made, grown, cut, freed.
$held = [];
$borders = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
    640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 4096, 8192, 65536, 1 << 20, 2093056,
    2097152, 3000000, 5 << 20];
$hash = hash_init('crc32b');
foreach ($borders as $size) {
    for ($around = -33; $around <= 8; $around += $size > 100000 ? 7 : 1) {
        $length = max(1, $size + $around);
        $text = str_repeat(chr(97 + $length % 26), $length);
        $grown = $text;
        for ($i = 0; $i < 5; $i++) $grown .= str_repeat('z', 1 + $length % 97);
        hash_update($hash, substr($grown, -200) . strlen($grown));
        if ($size < 100000) $held[] = $grown;
        $cut = substr($grown, 0, intdiv($length, 2) + 1);
        hash_update($hash, $cut[strlen($cut) - 1]);
    }
}
foreach ($held as $text) hash_update($hash, $text);
$held = array_filter($held, fn ($key) => $key % 3, ARRAY_FILTER_USE_KEY);
foreach ($held as $text) hash_update($hash, $text);
echo hash_final($hash), "\n";
