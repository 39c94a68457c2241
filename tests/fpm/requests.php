<?php
// requests.php: asks for requests with the FastCGI client of php-fpm's own tests, on one connection that is
// kept. For each directory it reads `variables` (NAME=value lines) and the body, and writes `got` and
// `got.status`. See all_by_fcgi_inc in tests/fpm/requests.sh.
//     php requests.php FCGI_INC SOCKET DIRECTORY...
[, $client_file, $socket] = $argv;
require $client_file;

$client = new Adoy\FastCGI\Client("unix://$socket", -1);
$client->setKeepAlive(true);
$client->setReadWriteTimeout(30000);
foreach (array_slice($argv, 3) as $directory) {
    $variables = [];
    foreach (file("$directory/variables", FILE_IGNORE_NEW_LINES) as $line) {
        [$name, $value] = explode('=', $line, 2);
        $variables[$name] = $value;
    }
    $body = is_file("$directory/sent") ? file_get_contents("$directory/sent") : '';
    $answer = $client->request_data($variables, $body)['out_response'];
    [$head, $page] = explode("\r\n\r\n", $answer, 2);
    $status = preg_match('/^Status: (\d+)/m', $head, $match) ? $match[1] : '200';
    file_put_contents("$directory/got.status", "$status\n");
    file_put_contents("$directory/got", $page);
}
