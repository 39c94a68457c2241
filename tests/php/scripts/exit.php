<?php
register_shutdown_function(function () { echo "shutdown\n"; });
exit(42);
