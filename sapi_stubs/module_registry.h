/* module_registry.h: the modules of the process, in the order in which they are started.
 * Errors are reported through sapi_report(). */
#ifndef TSRMALLOC_MODULE_REGISTRY_H
#define TSRMALLOC_MODULE_REGISTRY_H

#include "sapi.h"

/* Add a module, before zend_startup_modules. FAILURE: no name, a name twice, no memory. Main
 * thread. */
zend_result zend_register_module(zend_module_entry *module) SAPI_USE_RESULT;

/* Check the dependencies, sort, then make the globals and run MINIT of each. FAILURE: what was
 * started is ended again. Main thread. */
zend_result zend_startup_modules(TSRMLS_D) SAPI_USE_RESULT;

/* MSHUTDOWN in reverse order, globals gone, registry empty. Main thread. */
void zend_destroy_modules(TSRMLS_D);

/* RINIT in order; stops at the first that fails or bails out. The calling thread's request. */
zend_result zend_activate_modules(TSRMLS_D) SAPI_USE_RESULT;

/* RSHUTDOWN in reverse order of those whose RINIT was called, each protected. */
void zend_deactivate_modules(TSRMLS_D);

/* Modules in the order of start: index 0 .. count - 1. */
uint zend_module_count(void);
const zend_module_entry *zend_module_at(uint index);

#endif
