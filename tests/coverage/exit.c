/* exit: writes the counts of a process that leaves without exit(), where they would be lost: death
 * tests abort, and forked children end by _exit(). The linker's --wrap sends both here, in programs
 * and in the shared library, which each have counts of their own; see coverage.sh.
 * Owns        nothing.
 * Thread      any.
 * Invariants  none
 * Failure     none.
 * Tests       make coverage: only this way zend_mm_panic() and TSRM's fork_child() are seen. */
#include <stdlib.h>

void __gcov_dump(void);         /* gcc's */
_Noreturn void __real_abort(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap_abort(void);
_Noreturn void __wrap__exit(int status);

void __wrap_abort(void)
{
    __gcov_dump();
    __real_abort();
}

void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
