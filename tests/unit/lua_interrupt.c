/* Another thread ends runs of Lua scripts, whatever they do. */
#include "config.h"

#include "tests/support/check.h"

#if !TSRMALLOC_LUA

int main(void)
{
    CHECK_CASE("an interrupt ends a run");
    CHECK_SKIP("this build has no Lua");
    return check_summary();
}

#else

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/lua_support.h"

static pthread_t runs;                  /* the thread with the scripts */
static atomic_bool is_running;          /* the script has said that it runs */
static atomic_bool is_done;             /* the run has ended */
static engine_stop reason;
static int blocked[2];                  /* a pipe that nobody writes to */

/* The script's print() says that it runs. */
static bool write_and_tell(void *context, const char *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    atomic_store(&is_running, true);
    return true;
}

/* A body that does not come: a call that blocks. */
static size_t read_nothing(void *context, char *buffer, size_t size)
{
    engine_request *request = context;
    atomic_store(&is_running, true);
    while (engine_request_stop(request) == ENGINE_GO_ON) {
        ssize_t got = read(blocked[0], buffer, size);
        if (got >= 0) {
            return (size_t)got;
        }
    }
    return 0;
}

/* Where the run was, as it said; then it is stopped. */
static char frames[4096];

static void keep_frames(void *context, const char *text)
{
    engine_request *request = context;
    snprintf(frames, sizeof(frames), "%s", text);
    atomic_store(&request->stop, ENGINE_STOP_TIMEOUT);
}

static const engine_request_functions functions = {
    .inspected = keep_frames,
    .read_body = read_nothing,
    .write = write_and_tell,
};

/* Again and again: an interrupt that comes just before a call blocks is followed by another. */
static void *interrupt(void *nothing)
{
    while (!atomic_load(&is_running)) {
        usleep(1000);
    }
    while (!atomic_load(&is_done)) {
        engine_interrupt(&lua_request, runs, reason);
        usleep(20000);
    }
    return nothing;
}

static void stops(void *runner, const char *code, engine_stop why)
{
    pthread_t interrupter;
    reason = why;
    atomic_store(&is_running, false);
    atomic_store(&is_done, false);
    atomic_store(&lua_request.stop, ENGINE_GO_ON);
    CHECK(pthread_create(&interrupter, NULL, interrupt, NULL) == 0);
    engine_result result = lua_support_run_in(runner, code);
    atomic_store(&is_running, true);
    atomic_store(&is_done, true);
    pthread_join(interrupter, NULL);
    if (!CHECK(result == ENGINE_STOPPED)) {
        printf("result %d: %s\n", result, lua_engine.runner_error(runner));
    }
    CHECK(engine_request_stop(&lua_request) == why);
}

static void check_loops(void *runner)
{
    CHECK_CASE("a loop");
    stops(runner, "print() while true do end", ENGINE_STOP_TIMEOUT);
    stops(runner, "print() for i = 1, math.huge do end", ENGINE_STOP_SHUTDOWN);
    stops(runner, "print() while true do local t = {} end", ENGINE_STOP_CLIENT_GONE);

    CHECK_CASE("a loop that catches all errors");
    stops(runner, "print() while true do pcall(function() while true do end end) end",
        ENGINE_STOP_TIMEOUT);
    stops(runner, "print() local function h() while true do end end"
        " while true do xpcall(function() while true do end end, h) end", ENGINE_STOP_TIMEOUT);

    CHECK_CASE("a loop in a coroutine, and in one inside another");
    stops(runner, "print() coroutine.wrap(function() while true do end end)()",
        ENGINE_STOP_TIMEOUT);
    stops(runner, "print() local function f() coroutine.resume(coroutine.create(function()"
        " while true do end end)) while true do end end while true do"
        " coroutine.resume(coroutine.create(f)) end", ENGINE_STOP_TIMEOUT);

    CHECK_CASE("a loop that changes coroutines all the time");
    stops(runner, "print() local co = coroutine.wrap(function() while true do coroutine.yield() end"
        " end) while true do co() end", ENGINE_STOP_TIMEOUT);

    CHECK_CASE("a loop in a variable that is closed, of a coroutine that is closed");
    stops(runner, "local co = coroutine.create(function() local v <close> = setmetatable({},"
        " { __close = function() print() while true do end end }) coroutine.yield() end)"
        " coroutine.resume(co) coroutine.close(co)", ENGINE_STOP_TIMEOUT);

    CHECK_CASE("a loop inside a function of Lua's library");
    stops(runner, "print() while true do table.sort({ 3, 2, 1 }, function(a, b) return a < b end);"
        " (('x'):rep(100)):gsub('x', function() return 'y' end) end", ENGINE_STOP_TIMEOUT);

    CHECK_CASE("a call that blocks");
    stops(runner, "request.read(1) while true do end", ENGINE_STOP_TIMEOUT);
}

static void *inspect(void *nothing)
{
    while (!atomic_load(&is_running)) {
        usleep(1000);
    }
    engine_inspect(&lua_request, runs, 3);
    return nothing;
}

static void check_inspection(void *runner)
{
    pthread_t inspector;
    CHECK_CASE("a run says where it is, and goes on until it is stopped");
    atomic_store(&is_running, false);
    atomic_store(&lua_request.stop, ENGINE_GO_ON);
    CHECK(pthread_create(&inspector, NULL, inspect, NULL) == 0);
    CHECK(lua_support_run_in(runner, "local function inner()\n while true do end end\n"
        "function outer() inner() return 1 end\nprint()\nouter() return 1") == ENGINE_STOPPED);
    pthread_join(inspector, NULL);
    if (!CHECK(strcmp(frames, "inner() test.lua:2\nouter() test.lua:3\n"
            "[main chunk]() test.lua:5\n") == 0)) {
        puts(frames);
    }
}

int main(void)
{
    char error[256];
    const engine_script none = { .file = -1 };
    CHECK_CASE("the process starts");
    CHECK(lua_support_begin() && pipe(blocked) == 0);
    lua_request.functions = &functions;
    lua_request.context = &lua_request;
    runs = pthread_self();
    void *program = lua_engine.load(&none, error, sizeof(error));
    void *runner = program != NULL ? lua_engine.runner_new(program, 0) : NULL;
    if (!CHECK(runner != NULL)) {
        return check_summary();
    }
    check_loops(runner);
    check_inspection(runner);

    CHECK_CASE("an interrupt that came before the run ends it at once");
    atomic_store(&lua_request.stop, ENGINE_STOP_SHUTDOWN);
    CHECK(lua_support_run_in(runner, "while true do end") == ENGINE_STOPPED);

    CHECK_CASE("one that comes behind a run does nothing");
    atomic_store(&lua_request.stop, ENGINE_GO_ON);
    CHECK(lua_support_run_in(runner, "print()") == ENGINE_DONE);
    engine_interrupt(&lua_request, runs, ENGINE_STOP_TIMEOUT);
    atomic_store(&lua_request.stop, ENGINE_GO_ON);
    CHECK(lua_support_run_in(runner, "print()") == ENGINE_DONE);

    CHECK_CASE("a client that is gone ends the run at the next write");
    lua_request.functions = &page_functions;
    page.out_max = 3;
    CHECK(lua_support_run_in(runner, "print(1) while true do pcall(print, 2) end")
        == ENGINE_STOPPED);
    CHECK(engine_request_stop(&lua_request) == ENGINE_STOP_CLIENT_GONE);

    lua_engine.runner_free(runner);
    lua_engine.unload(program);
    lua_support_end();
    return check_summary();
}

#endif
