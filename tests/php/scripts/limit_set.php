<?php
foreach (['1M', '2M', '64M', '-1', '2097152', '1'] as $limit) {
    var_dump(ini_set('memory_limit', $limit), ini_get('memory_limit'));
}
