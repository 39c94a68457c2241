# The tests of alloc/: a unit test per module, and what the process must not survive.

UNIT_TESTS += \
	tests/unit/segment_map \
	tests/unit/segment_table \
	tests/unit/segment \
	tests/unit/segment_pool \
	tests/unit/bin \
	tests/unit/huge \
	tests/unit/remote \
	tests/unit/storage \
	tests/unit/environment \
	tests/unit/heap_registry \
	tests/unit/heap \
	tests/unit/heap_pages \
	tests/unit/heap_huge \
	tests/unit/heap_realloc \
	tests/unit/heap_gc \
	tests/unit/heap_held \
	tests/unit/heap_stats \
	tests/unit/heap_check \
	tests/unit/globals \
	tests/unit/error \
	tests/unit/persistent \
	tests/unit/api \
	tests/unit/dispatch

tests_unit_segment_map_SOURCES = tests/unit/segment_map.c
tests_unit_segment_map_LDADD = $(UNIT_LDADD)
tests_unit_segment_table_SOURCES = tests/unit/segment_table.c
tests_unit_segment_table_LDADD = $(UNIT_LDADD)
tests_unit_segment_SOURCES = tests/unit/segment.c tests/unit/alloc_support.h
tests_unit_segment_LDADD = $(UNIT_LDADD)
tests_unit_segment_pool_SOURCES = tests/unit/segment_pool.c
tests_unit_segment_pool_LDADD = $(UNIT_LDADD)
tests_unit_bin_SOURCES = tests/unit/bin.c
tests_unit_bin_LDADD = $(UNIT_LDADD)
tests_unit_huge_SOURCES = tests/unit/huge.c tests/unit/alloc_support.h
tests_unit_huge_LDADD = $(UNIT_LDADD)
tests_unit_remote_SOURCES = tests/unit/remote.c
tests_unit_remote_LDADD = $(UNIT_LDADD)
tests_unit_storage_SOURCES = tests/unit/storage.c tests/unit/alloc_support.h
tests_unit_storage_LDADD = $(UNIT_LDADD)
tests_unit_environment_SOURCES = tests/unit/environment.c tests/unit/alloc_support.h
tests_unit_environment_LDADD = $(UNIT_LDADD)
tests_unit_heap_registry_SOURCES = tests/unit/heap_registry.c
tests_unit_heap_registry_LDADD = $(UNIT_LDADD)
tests_unit_heap_SOURCES = tests/unit/heap.c tests/unit/alloc_support.h
tests_unit_heap_LDADD = $(UNIT_LDADD)
tests_unit_heap_pages_SOURCES = tests/unit/heap_pages.c tests/unit/alloc_support.h
tests_unit_heap_pages_LDADD = $(UNIT_LDADD)
tests_unit_heap_huge_SOURCES = tests/unit/heap_huge.c tests/unit/alloc_support.h
tests_unit_heap_huge_LDADD = $(UNIT_LDADD)
tests_unit_heap_realloc_SOURCES = tests/unit/heap_realloc.c tests/unit/alloc_support.h
tests_unit_heap_realloc_LDADD = $(UNIT_LDADD)
tests_unit_heap_gc_SOURCES = tests/unit/heap_gc.c tests/unit/alloc_support.h
tests_unit_heap_gc_LDADD = $(UNIT_LDADD)
tests_unit_heap_held_SOURCES = tests/unit/heap_held.c tests/unit/alloc_support.h
tests_unit_heap_held_LDADD = $(UNIT_LDADD)
tests_unit_heap_stats_SOURCES = tests/unit/heap_stats.c tests/unit/alloc_support.h
tests_unit_heap_stats_LDADD = $(UNIT_LDADD)
tests_unit_heap_check_SOURCES = tests/unit/heap_check.c tests/unit/alloc_support.h
tests_unit_heap_check_LDADD = $(UNIT_LDADD)
tests_unit_globals_SOURCES = tests/unit/globals.c tests/unit/alloc_support.h
tests_unit_globals_LDADD = $(UNIT_LDADD)
tests_unit_error_SOURCES = tests/unit/error.c tests/unit/alloc_support.h
tests_unit_error_LDADD = $(UNIT_LDADD)
tests_unit_persistent_SOURCES = tests/unit/persistent.c tests/unit/alloc_support.h
tests_unit_persistent_LDADD = $(UNIT_LDADD)
tests_unit_api_SOURCES = tests/unit/api.c tests/unit/alloc_support.h
tests_unit_api_LDADD = $(UNIT_LDADD)
tests_unit_dispatch_SOURCES = tests/unit/dispatch.c tests/unit/alloc_support.h
tests_unit_dispatch_LDADD = $(UNIT_LDADD)

PLAIN_TESTS += \
	tests/death/misuse \
	tests/death/double_free \
	tests/death/overwritten \
	tests/death/resize \
	tests/death/remote \
	tests/death/bailout \
	tests/death/environment \
	tests/death/persistent

tests_death_misuse_SOURCES = tests/death/misuse.c tests/death/death.h
tests_death_misuse_LDADD = $(PLAIN_LDADD)
tests_death_double_free_SOURCES = tests/death/double_free.c tests/death/death.h
tests_death_double_free_LDADD = $(PLAIN_LDADD)
tests_death_overwritten_SOURCES = tests/death/overwritten.c tests/death/death.h
tests_death_overwritten_LDADD = $(PLAIN_LDADD)
tests_death_resize_SOURCES = tests/death/resize.c tests/death/death.h
tests_death_resize_LDADD = $(PLAIN_LDADD)
tests_death_remote_SOURCES = tests/death/remote.c tests/death/death.h
tests_death_remote_LDADD = $(PLAIN_LDADD)
tests_death_bailout_SOURCES = tests/death/bailout.c tests/death/death.h tests/support/place.h
tests_death_bailout_LDADD = $(PLAIN_LDADD)
tests_death_environment_SOURCES = tests/death/environment.c tests/death/death.h
tests_death_environment_LDADD = $(PLAIN_LDADD)
tests_death_persistent_SOURCES = tests/death/persistent.c tests/death/death.h
tests_death_persistent_LDADD = $(PLAIN_LDADD)

# ---- the heap against a model, under failures, between threads and over forks ----

PLAIN_TESTS += \
	tests/stress/heap_model \
	tests/stress/startup_threads \
	tests/stress/remote_threads \
	tests/stress/pool_threads \
	tests/stress/pool_progress \
	tests/stress/fork \
	tests/fault/heap_fault \
	tests/fault/storage_fault

alloc_stress_support = stress/random.h tests/support/alloc_support.h tests/support/place.h \
	tests/unit/tsrm_support.h
alloc_model_support = tests/support/model.c tests/support/model.h $(alloc_stress_support)

tests_stress_heap_model_SOURCES = tests/stress/heap_model.c tests/stress/heap_model.h \
	tests/stress/heap_model_operations.c $(alloc_model_support)
tests_stress_heap_model_LDADD = $(PLAIN_LDADD)
tests_stress_startup_threads_SOURCES = tests/stress/startup_threads.c $(alloc_stress_support)
tests_stress_startup_threads_LDADD = $(PLAIN_LDADD)
tests_stress_remote_threads_SOURCES = tests/stress/remote_threads.c tests/support/child.h \
	$(alloc_model_support)
tests_stress_remote_threads_LDADD = $(PLAIN_LDADD)
tests_stress_pool_threads_SOURCES = tests/stress/pool_threads.c $(alloc_stress_support)
tests_stress_pool_threads_LDADD = $(PLAIN_LDADD)
tests_stress_pool_progress_SOURCES = tests/stress/pool_progress.c
tests_stress_pool_progress_LDADD = $(PLAIN_LDADD)
tests_stress_fork_SOURCES = tests/stress/fork.c tests/support/child.h $(alloc_stress_support)
tests_stress_fork_LDADD = $(PLAIN_LDADD)
tests_fault_heap_fault_SOURCES = tests/fault/heap_fault.c tests/support/storage_fault.c \
	tests/support/storage_fault.h $(alloc_model_support)
tests_fault_heap_fault_LDADD = $(PLAIN_LDADD)
tests_fault_storage_fault_SOURCES = tests/fault/storage_fault.c $(alloc_stress_support)
tests_fault_storage_fault_LDADD = $(PLAIN_LDADD)

# ---- what a heap offers beyond allocation and free ----

UNIT_TESTS += \
	tests/unit/custom \
	tests/unit/observer \
	tests/unit/heap_aligned \
	tests/unit/user_storage

tests_unit_custom_SOURCES = tests/unit/custom.c tests/unit/alloc_support.h
tests_unit_custom_LDADD = $(UNIT_LDADD)
tests_unit_observer_SOURCES = tests/unit/observer.c tests/unit/alloc_support.h
tests_unit_observer_LDADD = $(UNIT_LDADD)
tests_unit_heap_aligned_SOURCES = tests/unit/heap_aligned.c tests/unit/alloc_support.h
tests_unit_heap_aligned_LDADD = $(UNIT_LDADD)
tests_unit_user_storage_SOURCES = tests/unit/user_storage.c tests/unit/alloc_support.h
tests_unit_user_storage_LDADD = $(UNIT_LDADD)

UNIT_TESTS += tests/unit/process_limit
tests_unit_process_limit_SOURCES = tests/unit/process_limit.c tests/unit/alloc_support.h
tests_unit_process_limit_LDADD = $(UNIT_LDADD)
PLAIN_TESTS += tests/stress/process_limit_threads tests/stress/stats_threads
tests_stress_stats_threads_SOURCES = tests/stress/stats_threads.c $(alloc_stress_support)
tests_stress_stats_threads_LDADD = $(PLAIN_LDADD)
tests_stress_process_limit_threads_SOURCES = tests/stress/process_limit_threads.c \
	$(alloc_stress_support)
tests_stress_process_limit_threads_LDADD = $(PLAIN_LDADD)

UNIT_TESTS += \
	tests/unit/block_table \
	tests/unit/tracked \
	tests/unit/debug \
	tests/unit/debug_build \
	tests/unit/debug_check \
	tests/unit/leaks \
	tests/unit/hardened
tests_unit_block_table_SOURCES = tests/unit/block_table.c stress/random.h
tests_unit_block_table_LDADD = $(UNIT_LDADD)
tests_unit_tracked_SOURCES = tests/unit/tracked.c tests/unit/alloc_support.h
tests_unit_tracked_LDADD = $(UNIT_LDADD)
tests_unit_debug_SOURCES = tests/unit/debug.c tests/unit/alloc_support.h
tests_unit_debug_LDADD = $(UNIT_LDADD)
tests_unit_debug_build_SOURCES = tests/unit/debug_build.c tests/unit/alloc_support.h \
	tests/unit/capture.h
tests_unit_debug_build_LDADD = $(UNIT_LDADD)
tests_unit_debug_check_SOURCES = tests/unit/debug_check.c tests/unit/alloc_support.h \
	tests/unit/capture.h
tests_unit_debug_check_LDADD = $(UNIT_LDADD)
tests_unit_leaks_SOURCES = tests/unit/leaks.c tests/unit/alloc_support.h tests/unit/capture.h
tests_unit_leaks_LDADD = $(UNIT_LDADD)
tests_unit_hardened_SOURCES = tests/unit/hardened.c tests/unit/alloc_support.h \
	stress/random.h
tests_unit_hardened_LDADD = $(UNIT_LDADD)

PLAIN_TESTS += tests/death/debug tests/death/debug_build tests/death/hardened tests/death/tracked \
	tests/stress/debug_threads
tests_death_debug_build_SOURCES = tests/death/debug_build.c tests/death/death.h
tests_death_debug_build_LDADD = $(PLAIN_LDADD)
tests_stress_debug_threads_SOURCES = tests/stress/debug_threads.c tests/support/child.h \
	$(alloc_stress_support)
tests_stress_debug_threads_LDADD = $(PLAIN_LDADD)
tests_death_tracked_SOURCES = tests/death/tracked.c tests/death/death.h
tests_death_tracked_LDADD = $(PLAIN_LDADD)
tests_death_debug_SOURCES = tests/death/debug.c tests/death/death.h
tests_death_debug_LDADD = $(PLAIN_LDADD)
tests_death_hardened_SOURCES = tests/death/hardened.c tests/death/death.h
tests_death_hardened_LDADD = $(PLAIN_LDADD)

UNIT_TESTS += tests/unit/process_stats
tests_unit_process_stats_SOURCES = tests/unit/process_stats.c tests/unit/alloc_support.h
tests_unit_process_stats_LDADD = $(UNIT_LDADD)

SCRIPT_TESTS += tests/death/hardened_misuse.sh

# ---- what Valgrind and AddressSanitizer see of blocks ----

UNIT_TESTS += tests/unit/shadow tests/unit/live_bits
tests_unit_live_bits_SOURCES = tests/unit/live_bits.c tests/unit/alloc_support.h
tests_unit_live_bits_LDADD = $(UNIT_LDADD)
tests_unit_shadow_SOURCES = tests/unit/shadow.c tests/unit/alloc_support.h
tests_unit_shadow_LDADD = $(UNIT_LDADD)
SCRIPT_TESTS += tests/shadow/tools.sh tests/shadow/suite.sh
dist_noinst_DATA += tests/shadow/program.c

# ---- what the documents say ----

SCRIPT_TESTS += tests/docs/compatibility.sh
