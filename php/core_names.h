/* core_names: functions of the core whose names belong to other functions in PHP, with other
 * arguments. Read before everything else in each file that the drop-in is built from. */
#ifndef TSRMALLOC_PHP_CORE_NAMES_H
#define TSRMALLOC_PHP_CORE_NAMES_H

#define zend_alloc_in_memory_limit_error_reporting tsrmalloc_is_reporting
#define zend_memory_peak_usage tsrmalloc_memory_peak_usage
#define zend_memory_usage tsrmalloc_memory_usage
#define zend_mm_get_storage tsrmalloc_get_storage
#define zend_mm_is_custom_heap tsrmalloc_is_custom_heap
#define zend_mm_shutdown tsrmalloc_shutdown
#define zend_mm_startup_ex tsrmalloc_startup_ex
#define zend_set_memory_limit tsrmalloc_set_memory_limit

#endif
