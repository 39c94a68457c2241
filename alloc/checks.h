/* checks: what the hot path asks of every small block. All are on, or with --disable-free-checks off;
 * one alone is switched by CPPFLAGS=-DZEND_MM_CHECK_...=0, to see what it costs. Whatever is not a
 * small block of the own heap is always checked: that is the slow path. */
#ifndef TSRMALLOC_CHECKS_H
#define TSRMALLOC_CHECKS_H

/* A freed address is the start of a slot, not inside one. */
#ifndef ZEND_MM_CHECK_SLOT_START
# define ZEND_MM_CHECK_SLOT_START ZEND_MM_FREE_CHECKS
#endif

/* A freed block is none of the two that were freed last in its bin. */
#ifndef ZEND_MM_CHECK_DOUBLE_FREE
# define ZEND_MM_CHECK_DOUBLE_FREE ZEND_MM_FREE_CHECKS
#endif

/* The link in a slot that is handed out leads to an address that can be a slot's. */
#ifndef ZEND_MM_CHECK_LINK
# define ZEND_MM_CHECK_LINK ZEND_MM_FREE_CHECKS
#endif

#endif
