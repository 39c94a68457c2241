<?php
// What page.php writes, by way of arrays and formats: more work for the interpreter than for the
// server. tables.lua does the same.
$rows = [];
for ($number = 1; $number <= 100; $number++) {
    $rows[] = ['id' => $number, 'name' => "Item $number", 'price' => $number * 1.25,
        'tags' => ['a' . $number % 7, 'b' . $number % 5]];
}

header('Content-Type: text/html; charset=utf-8');
echo '<!DOCTYPE html><html><body><h1>', htmlspecialchars($_GET['title'] ?? 'Items'),
    "</h1><table>\n";
$lines = [];
foreach ($rows as $row) {
    $lines[] = sprintf("<tr><td>%d</td><td>%s</td><td>%.2f</td><td>%s</td></tr>\n",
        $row['id'], htmlspecialchars($row['name']), $row['price'],
        htmlspecialchars(implode(', ', $row['tags'])));
}
echo implode('', $lines), '</table><script>const items=';
echo json_encode(array_slice($rows, 0, 50)), "</script></body></html>\n";
