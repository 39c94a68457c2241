# Tests of tsrmalloc-stress, of the system calls that fail, and of the heap under real programs.

# ---- the program ----

PLAIN_TESTS += tests/stress/tool_modes
tests_stress_tool_modes_SOURCES = tests/stress/tool_modes.c
tests_stress_tool_modes_LDADD =

SCRIPT_TESTS += tests/stress/tool.sh

# STRESS_SECONDS, STRESS_THREADS: see there. `make check-long` in a build with sanitizers is the form
# for these.
LONG_TESTS += tests/stress/tool_long.sh
EXTRA_DIST += tests/stress/tool_long.sh

# ---- every call to the system fails once ----

PLAIN_TESTS += tests/fault/syscall_sweep
tests_fault_syscall_sweep_SOURCES = tests/fault/syscall_sweep.c tests/fault/syscall_wrap.c \
    tests/fault/syscall_wrap.h
tests_fault_syscall_sweep_LDADD = $(PLAIN_LDADD)
# The linker sends these calls of the library to the test.
tests_fault_syscall_sweep_LDFLAGS = \
    -Wl,--wrap=mmap,--wrap=munmap,--wrap=mremap,--wrap=madvise \
    -Wl,--wrap=open,--wrap=read,--wrap=close,--wrap=getrandom \
    -Wl,--wrap=posix_memalign,--wrap=aligned_alloc \
    -Wl,--wrap=pthread_create,--wrap=pthread_mutex_init,--wrap=pthread_key_create \
    -Wl,--wrap=pthread_setspecific,--wrap=pthread_atfork

# ---- every call for memory fails once, in the modes that keep records ----

PLAIN_TESTS += tests/fault/modes_oom
tests_fault_modes_oom_SOURCES = tests/fault/modes_oom.c
tests_fault_modes_oom_LDADD = $(PLAIN_LDADD)
tests_fault_modes_oom_LDFLAGS = \
    -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=mmap,--wrap=mprotect \
    -Wl,--wrap=backtrace_symbols
