<?php
register_shutdown_function(function () { echo "shutdown\n"; });
missing_function();
