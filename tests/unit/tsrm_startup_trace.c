/* The start-up trace: what is reported, in which order, nested how. Built without ZTS as well. */
#include "config.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tsrm/startup_trace.h"

#ifdef ZTS
#include "tests/unit/tsrm_support.h"
#endif

struct record {
    tsrm_startup_event event;
    char function[32];
    char decision[256];
};

static struct record records[32];
static int record_count;

static void record(const tsrm_startup_event *event, void *arg)
{
    struct record *next = &records[record_count++];

    cr_assert_eq(arg, &records);
    next->event = *event;
    strcpy(next->function, event->function);
    strcpy(next->decision, event->decision);
}

Test(tsrm_startup_trace, without_a_sink_there_is_no_token)
{
    cr_assert_eq(tsrm_startup_trace_enter("step"), 0);
    tsrm_startup_trace_leave(0, "step", "nothing");
    cr_assert_eq(record_count, 0);
}

Test(tsrm_startup_trace, steps_nest_and_say_what_they_decided)
{
    uint64_t outer, inner;

    tsrm_set_startup_trace(record, &records);
    outer = tsrm_startup_trace_enter("outer");
    inner = tsrm_startup_trace_enter("inner");
    cr_assert(outer != 0 && inner >= outer);
    tsrm_startup_trace_leave(inner, "inner", "%d of %s", 3, "these");
    tsrm_startup_trace_leave(outer, "outer", "done");
    cr_assert_eq(record_count, 4);
    cr_assert_str_eq(records[0].function, "outer");
    cr_assert_eq(records[0].event.depth, 0);
    cr_assert_not(records[0].event.leaving);
    cr_assert_str_eq(records[0].decision, "");
    cr_assert_eq(records[0].event.duration_ns, 0);
    cr_assert_eq(records[1].event.depth, 1);
    cr_assert(records[2].event.leaving);
    cr_assert_eq(records[2].event.depth, 1);
    cr_assert_str_eq(records[2].decision, "3 of these");
    cr_assert_eq(records[3].event.depth, 0);
    cr_assert_eq(records[3].event.thread, records[0].event.thread);
    cr_assert_geq(records[3].event.duration_ns, records[2].event.duration_ns);
}

Test(tsrm_startup_trace, a_long_decision_is_cut)
{
    char text[1000];
    uint64_t token;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    tsrm_set_startup_trace(record, &records);
    token = tsrm_startup_trace_enter("step");
    tsrm_startup_trace_leave(token, "step", "%s", text);
    cr_assert_eq(strlen(records[1].decision), 255);
}

#ifdef ZTS

static ts_rsrc_id id;

static void ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    (void)tsrm_ls;
}

static void *start_and_free(void *arg)
{
    (void)arg;
    ts_resource(0);
    ts_free_thread();
    return NULL;
}

static void expect(int index, bool leaving, const char *function, const char *decision)
{
    cr_assert_lt(index, record_count);
    cr_assert_eq(records[index].event.leaving, leaving);
    cr_assert_str_eq(records[index].function, function);
    cr_assert_not_null(strstr(records[index].decision, decision), "%s", records[index].decision);
}

Test(tsrm_startup_trace, tsrm_reports_its_own_steps_per_thread)
{
    tsrm_set_startup_trace(record, &records);
    tsrm_begin();
    cr_assert_neq(ts_allocate_id(&id, 24, ctor, NULL), 0);
    thread_result(thread_run(start_and_free, NULL));
    tsrm_shutdown();
    tsrm_set_startup_trace(NULL, NULL);
    expect(0, false, "tsrm_startup", "");
    expect(1, true, "tsrm_startup", "started");
    expect(2, false, "ts_resource_ex", "");
    expect(3, true, "ts_resource_ex", "new entry, 0 ids: ready");
    expect(5, true, "ts_allocate_id", "id 1, 24 bytes, constructed in 1 entries");
    expect(7, true, "ts_resource_ex", "new entry, 1 ids: ready");
    expect(9, true, "ts_free_thread", "1 resources destroyed");
    expect(11, true, "tsrm_shutdown", "0 entries left");
    cr_assert_eq(record_count, 12);
    cr_assert_neq(records[7].event.thread, records[5].event.thread);
    cr_assert_eq(records[9].event.thread, records[7].event.thread);
}

#endif
