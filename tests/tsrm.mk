# Tests of tsrm/. Units run one test per process (Criterion); stress programs also run under TSan.

tsrm_unit_tests_any = \
    tests/unit/tsrm_macros_nts \
    tests/unit/tsrm_startup_trace

tests_unit_tsrm_macros_nts_SOURCES = tests/unit/tsrm_macros_nts.c tests/unit/tsrm_macros.h
tests_unit_tsrm_macros_nts_CPPFLAGS = $(AM_CPPFLAGS) -UZTS
tests_unit_tsrm_macros_nts_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_startup_trace_SOURCES = tests/unit/tsrm_startup_trace.c
tests_unit_tsrm_startup_trace_LDADD = $(UNIT_LDADD)

UNIT_TESTS += $(tsrm_unit_tests_any)

if ZTS

tsrm_unit_tests_zts = \
    tests/unit/tsrm_context \
    tests/unit/tsrm_fork \
    tests/unit/tsrm_helpers \
    tests/unit/tsrm_ids \
    tests/unit/tsrm_oom \
    tests/unit/tsrm_os \
    tests/unit/tsrm_recursion \
    tests/unit/tsrm_slot \
    tests/unit/tsrm_startup \
    tests/unit/tsrm_thread_table \
    tests/unit/tsrm_threads

tests_unit_tsrm_context_SOURCES = tests/unit/tsrm_context.c
tests_unit_tsrm_context_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_fork_SOURCES = tests/unit/tsrm_fork.c
tests_unit_tsrm_fork_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_helpers_SOURCES = tests/unit/tsrm_helpers.c
tests_unit_tsrm_helpers_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_ids_SOURCES = tests/unit/tsrm_ids.c
tests_unit_tsrm_ids_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_oom_SOURCES = tests/unit/tsrm_oom.c
tests_unit_tsrm_oom_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_os_SOURCES = tests/unit/tsrm_os.c
tests_unit_tsrm_os_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_recursion_SOURCES = tests/unit/tsrm_recursion.c
tests_unit_tsrm_recursion_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_slot_SOURCES = tests/unit/tsrm_slot.c
tests_unit_tsrm_slot_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_startup_SOURCES = tests/unit/tsrm_startup.c
tests_unit_tsrm_startup_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_thread_table_SOURCES = tests/unit/tsrm_thread_table.c
tests_unit_tsrm_thread_table_LDADD = $(UNIT_LDADD)
tests_unit_tsrm_threads_SOURCES = tests/unit/tsrm_threads.c
tests_unit_tsrm_threads_LDADD = $(UNIT_LDADD)

tsrm_stress_tests = \
    tests/stress/tsrm_churn \
    tests/stress/tsrm_late_id \
    tests/stress/tsrm_lookup \
    tests/stress/tsrm_recursion \
    tests/stress/tsrm_thread_end

tests_stress_tsrm_churn_SOURCES = tests/stress/tsrm_churn.c
tests_stress_tsrm_churn_LDADD = $(PLAIN_LDADD)
tests_stress_tsrm_late_id_SOURCES = tests/stress/tsrm_late_id.c
tests_stress_tsrm_late_id_LDADD = $(PLAIN_LDADD)
tests_stress_tsrm_lookup_SOURCES = tests/stress/tsrm_lookup.c
tests_stress_tsrm_lookup_LDADD = $(PLAIN_LDADD)
tests_stress_tsrm_recursion_SOURCES = tests/stress/tsrm_recursion.c
tests_stress_tsrm_recursion_LDADD = $(PLAIN_LDADD)
tests_stress_tsrm_thread_end_SOURCES = tests/stress/tsrm_thread_end.c
tests_stress_tsrm_thread_end_LDADD = $(PLAIN_LDADD)

UNIT_TESTS += $(tsrm_unit_tests_zts)
PLAIN_TESTS += $(tsrm_stress_tests)

endif

# Headers of several of them, named outside the conditional so that every tree distributes them.
EXTRA_DIST += tests/unit/tsrm_macros.h tests/unit/tsrm_support.h
