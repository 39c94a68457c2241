<?php
printf("real %d, peak %d\n", memory_get_usage(true), memory_get_peak_usage(true));
