<?php
// One page of the wiki in $argv[1], as its server would ask for it; what differs by time is cut out.
error_reporting(0);
[, $wiki, $page] = $argv;
chdir($wiki);
$_SERVER += ['HTTP_HOST' => 'localhost', 'SERVER_NAME' => 'localhost', 'SERVER_PORT' => '80'];
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/doku.php';
$_SERVER['SCRIPT_FILENAME'] = "$wiki/doku.php";
$_SERVER['REQUEST_URI'] = "/doku.php?id=$page";
$_GET['id'] = $_REQUEST['id'] = $page;
ob_start(fn ($text) => preg_replace(['/\d{9,}/', '/[0-9a-f]{32}/', '/tseed=\w+/'], 'N', $text));
include "$wiki/doku.php";
