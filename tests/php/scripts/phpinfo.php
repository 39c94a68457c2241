<?php
ob_start();
phpinfo(INFO_GENERAL);
preg_match('/Zend Memory Manager.*/', ob_get_clean(), $row);
echo $row[0];
