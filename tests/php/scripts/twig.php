<?php
require '/usr/share/php/Twig/autoload.php';
$loader = new \Twig\Loader\ArrayLoader([
    'row' => '<tr>{% for cell in row %}<td class="{{ cycle(["odd", "even"], loop.index0) }}">{{ cell|upper }}</td>{% endfor %}</tr>',
    'page' => '{% macro field(name) %}<b>{{ name }}</b>{% endmacro %}<h1>{{ title|e }}</h1><table>'
        . '{% for row in rows %}{{ include("row") }}{% if loop.index is divisible by(10) %}{{ _self.field("n" ~ loop.index) }}'
        . '{% endif %}{% endfor %}</table>{{ rows|map(r => r|join(","))|join(";")|slice(0, 2000) }}',
]);
$twig = new \Twig\Environment($loader);
$rows = [];
for ($i = 0; $i < 300; $i++) $rows[] = ["cell $i", str_repeat('<&>', $i % 9), md5($i)];
for ($i = 0; $i < 5; $i++) echo md5($twig->render('page', ['title' => "<page $i>", 'rows' => $rows])), "\n";
