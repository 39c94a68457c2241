<?php
// A small page: a table of 100 rows, and JSON of 50 objects. page.lua does the same.
$title = htmlspecialchars($_GET['title'] ?? 'Items');
header('Content-Type: text/html; charset=utf-8');
echo '<!DOCTYPE html><html><head><title>', $title, '</title></head><body><h1>', $title,
    "</h1><table>\n";
for ($number = 1; $number <= 100; $number++) {
    echo '<tr><td>', $number, '</td><td>', htmlspecialchars("Item <$number>"),
        '</td><td>', sprintf('%.2f', $number * 1.25), "</td></tr>\n";
}

$objects = [];
for ($number = 1; $number <= 50; $number++) {
    $objects[] = ['id' => $number, 'name' => "Item $number", 'price' => $number * 1.25];
}
echo '</table><script>const items=', json_encode($objects, JSON_PRESERVE_ZERO_FRACTION),
    "</script></body></html>\n";
