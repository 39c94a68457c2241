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

PLAIN_TESTS += tests/stress/flat
tests_stress_flat_SOURCES = tests/stress/flat.c
tests_stress_flat_LDADD = $(PLAIN_LDADD)

# FLAT_PART: see there.
LONG_TESTS += tests/stress/flat_long.sh
EXTRA_DIST += tests/stress/flat_long.sh
long_test_needs += tests/stress/flat

# ---- every call to the system fails once ----

PLAIN_TESTS += tests/fault/syscall_sweep
tests_fault_syscall_sweep_SOURCES = tests/fault/syscall_sweep.c tests/fault/syscall_wrap.c \
    tests/fault/syscall_wrap.h
tests_fault_syscall_sweep_LDADD = $(PLAIN_LDADD)
# The linker sends these calls of the library to the test.
tests_fault_syscall_sweep_LDFLAGS = \
    -Wl,--wrap=mmap,--wrap=munmap,--wrap=mremap,--wrap=madvise,--wrap=mincore \
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

# ---- programs that know nothing of this library ----

# Preloaded, it serves malloc() from our heaps; a sanitizer has a malloc() of its own. -rpath makes
# libtool build a shared object.
if !SANITIZE_ANY
check_LTLIBRARIES += tests/support/malloc_shim.la
long_test_needs += tests/support/malloc_shim.la
endif
tests_support_malloc_shim_la_SOURCES = tests/support/malloc_shim.c
tests_support_malloc_shim_la_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_support_malloc_shim_la_LIBADD = libtsrmalloc-core.la
tests_support_malloc_shim_la_LDFLAGS = -module -avoid-version -rpath /nowhere
SCRIPT_TESTS += tests/stress/malloc_shim.sh
check_PROGRAMS += tests/stress/malloc_program
tests_stress_malloc_program_SOURCES = tests/stress/malloc_program.c
tests_stress_malloc_program_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_malloc_program_LDADD =

# Debian's redis, stress-ng, xz, zstd, lua and python on our heaps. THIRD_PARTY_SCALE: see there.
SCRIPT_TESTS += tests/stress/third_party.sh
EXTRA_DIST += tests/stress/third_party/commands.awk tests/stress/third_party/json_work.py \
    tests/stress/third_party/tables.lua tests/stress/third_party/threads_work.py

LONG_TESTS += tests/stress/third_party_long.sh
EXTRA_DIST += tests/stress/third_party_long.sh
