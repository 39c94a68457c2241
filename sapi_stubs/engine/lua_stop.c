/* lua_stop: how a run is ended from outside (an interrupt) and from inside (os.exit).
 * Owns        the count hook of every coroutine; run->current; answers to engine_inspect().
 * Thread      the runner's; `arm` in its signal handler.
 * Invariants  I1  run->current is the coroutine whose code runs
 *             I2  once a run is stopping, every coroutine that comes to run raises the stop error
 *                 at its next instruction, whatever it catches
 *             I3  no function of a script runs inside a hook: there it could not be stopped
 * Failure     none. A function of Lua's library that computes for long in C is not interrupted.
 * Tests       tests/unit/lua_interrupt.c */
#include "config.h"

#include "lua_internal.h"

/* ThreadSanitizer delivers signals only where a thread calls into it, which a loop in Lua never
 * does: there the hook is always on. */
#define POLL_INTERVAL 1000

static const char stop_mark;    /* its address is the error */

bool lua_engine_is_stopping(const lua_runner *run)
{
    return run->is_exiting
        || (run->request != NULL && engine_request_stop(run->request) != ENGINE_GO_ON);
}

/* ---- where a run is ---- */

/* One frame: `name() file:line`. Nothing here allocates. */
static size_t print_frame(lua_State *state, lua_Debug *frame, char *text, size_t size)
{
    (void)lua_getinfo(state, "Sln", frame);
    const char *name = frame->name != NULL ? frame->name : "?";
    if (frame->what[0] == 'm') {
        name = "[main chunk]";
    }
    int used = frame->currentline > 0
        ? snprintf(text, size, "%s() %s:%d\n", name, frame->short_src, frame->currentline)
        : snprintf(text, size, "%s() %s\n", name, frame->short_src);
    return used > 0 && (size_t)used < size ? (size_t)used : 0;
}

static void say_where(lua_State *state, engine_request *request)
{
    char text[4096];
    size_t used = 0;
    unsigned int depth = atomic_exchange_explicit(&request->inspect_depth, 0,
        memory_order_acquire);
    if (depth == 0 || request->functions->inspected == NULL) {
        return;
    }
    text[0] = '\0';
    lua_Debug frame;
    for (int level = 0; level < (int)depth && lua_getstack(state, level, &frame); level++) {
        size_t more = print_frame(state, &frame, text + used, sizeof(text) - used);
        if (more == 0) {
            text[used] = '\0';
            break;
        }
        used += more;
    }
    request->functions->inspected(request->context, text);
}

/* ---- the hook ---- */

static void stop_hook(lua_State *state, lua_Debug *about)
{
    (void)about;
    say_where(state, lua_runner_of(state)->request);
    if (lua_engine_is_stopping(lua_runner_of(state))) {
        (void)lua_engine_raise_stop(state);
    }
    if (!TSRMALLOC_SANITIZE_THREAD) {
        /* From a run that was stopped, in a state that lives on. */
        lua_sethook(state, NULL, 0, 0);
    }
}

/* lua_sethook() may be called from a signal handler; loops look at what it sets. */
static void arm_state(lua_State *state)
{
    lua_sethook(state, stop_hook, LUA_MASKCOUNT, 1);
}

static void arm(void *data)
{
    lua_runner *run = data;
    if (lua_engine_is_stopping(run)
        || atomic_load_explicit(&run->request->inspect_depth, memory_order_relaxed) != 0) {
        arm_state(run->state);
        arm_state(run->current);
    }
}

void lua_engine_watch(lua_runner *run)
{
    run->current = run->state;
    if (TSRMALLOC_SANITIZE_THREAD) {
        lua_sethook(run->state, stop_hook, LUA_MASKCOUNT, POLL_INTERVAL);
    }
    engine_interrupt_watch(arm, run);
    /* What came before is only seen by looking. */
    arm(run);
}

void lua_engine_unwatch(lua_runner *run)
{
    engine_interrupt_watch(NULL, NULL);
    lua_sethook(run->state, NULL, 0, 0);
}

int lua_engine_raise_stop(lua_State *state)
{
    arm_state(lua_runner_of(state)->state);
    arm_state(state);
    lua_pushlightuserdata(state, (void *)&stop_mark);
    return lua_error(state);
}

int lua_engine_exit(lua_State *state)
{
    lua_runner *run = lua_runner_of(state);
    int status = 0;
    if (lua_isboolean(state, 1)) {
        status = lua_toboolean(state, 1) ? 0 : 1;
    } else {
        status = (int)(luaL_optinteger(state, 1, 0) & 0xff);
    }
    run->exit_status = status;
    run->is_exiting = true;
    return lua_engine_raise_stop(state);
}

/* ---- message handlers ---- */

/* Lua calls a message handler where the error is raised. For the stop error that is inside the
 * hook, where no other hook runs, so a handler that does not end could not be stopped. */
static int guarded_handler(lua_State *state)
{
    if (lua_engine_is_stopping(lua_runner_of(state))) {
        return 1;
    }
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_insert(state, 1);
    lua_call(state, lua_gettop(state) - 1, 1);
    return 1;
}

/* Also where a call goes on that had yielded; `below` values are no results. */
static int finish_xpcall(lua_State *state, int status, lua_KContext below)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(state, 0);
        lua_pushvalue(state, -2);
        return 2;
    }
    return lua_gettop(state) - (int)below;
}

int lua_engine_xpcall(lua_State *state)
{
    int argument_count = lua_gettop(state) - 2;
    luaL_checktype(state, 2, LUA_TFUNCTION);
    lua_pushvalue(state, 2);
    lua_pushcclosure(state, guarded_handler, 1);
    lua_replace(state, 2);
    lua_pushboolean(state, 1);
    lua_pushvalue(state, 1);
    lua_rotate(state, 3, 2);
    int status = lua_pcallk(state, argument_count, LUA_MULTRET, 2, 2, finish_xpcall);
    return finish_xpcall(state, status, 2);
}

/* ---- coroutines ---- */

static void enter(lua_runner *run, lua_State *state)
{
    run->current = state;
    if (lua_engine_is_stopping(run)) {
        arm_state(state);
    }
}

/* Resume `coroutine` with what is on top of `state`. Returns how many values it left there; -1: an
 * error, which is on top. */
static int resume(lua_State *state, lua_State *coroutine, int argument_count)
{
    lua_runner *run = lua_runner_of(state);
    int result_count = 0;
    if (!lua_checkstack(coroutine, argument_count)) {
        lua_pushliteral(state, "too many arguments to resume");
        return -1;
    }
    lua_xmove(state, coroutine, argument_count);
    enter(run, coroutine);
    int status = lua_resume(coroutine, state, argument_count, &result_count);
    enter(run, state);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(coroutine, state, 1);
        return -1;
    }
    if (!lua_checkstack(state, result_count + 1)) {
        lua_pop(coroutine, result_count);
        lua_pushliteral(state, "too many results to resume");
        return -1;
    }
    lua_xmove(coroutine, state, result_count);
    return result_count;
}

static lua_State *check_coroutine(lua_State *state)
{
    lua_State *coroutine = lua_tothread(state, 1);
    luaL_argexpected(state, coroutine != NULL, 1, "coroutine");
    return coroutine;
}

/* coroutine.resume(coroutine, ...) */
static int coroutine_resume(lua_State *state)
{
    lua_State *coroutine = check_coroutine(state);
    int count = resume(state, coroutine, lua_gettop(state) - 1);
    lua_pushboolean(state, count >= 0);
    lua_insert(state, count >= 0 ? -(count + 1) : -2);
    return count >= 0 ? count + 1 : 2;
}

/* The function that coroutine.wrap() gives. */
static int resume_wrapped(lua_State *state)
{
    lua_State *coroutine = lua_tothread(state, lua_upvalueindex(1));
    int count = resume(state, coroutine, lua_gettop(state));
    if (count >= 0) {
        return count;
    }
    int status = lua_status(coroutine);
    if (status != LUA_OK && status != LUA_YIELD) {
        /* It died: its pending to-be-closed variables are closed, which may fail in turn. */
        lua_runner *run = lua_runner_of(state);
        enter(run, coroutine);
        status = lua_resetthread(coroutine);
        enter(run, state);
        if (status != LUA_OK) {
            lua_xmove(coroutine, state, 1);
        }
    }
    if (status != LUA_ERRMEM && lua_type(state, -1) == LUA_TSTRING) {
        luaL_where(state, 1);
        lua_insert(state, -2);
        lua_concat(state, 2);
    }
    return lua_error(state);
}

/* coroutine.wrap(function) */
static int coroutine_wrap(lua_State *state)
{
    luaL_checktype(state, 1, LUA_TFUNCTION);
    lua_State *coroutine = lua_newthread(state);
    lua_pushvalue(state, 1);
    lua_xmove(state, coroutine, 1);
    lua_pushcclosure(state, resume_wrapped, 1);
    return 1;
}

/* coroutine.close(coroutine): Lua's own function, called while `current` is right. */
static int coroutine_close(lua_State *state)
{
    lua_runner *run = lua_runner_of(state);
    lua_State *coroutine = check_coroutine(state);
    lua_settop(state, 1);
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_pushvalue(state, 1);
    enter(run, coroutine);
    int status = lua_pcall(state, 1, LUA_MULTRET, 0);
    enter(run, state);
    return status == LUA_OK ? lua_gettop(state) - 1 : lua_error(state);
}

void lua_engine_open_coroutine(lua_State *state)
{
    static const luaL_Reg own[] = {
        { "resume", coroutine_resume },
        { "wrap", coroutine_wrap },
        { NULL, NULL },
    };
    luaL_requiref(state, LUA_COLIBNAME, luaopen_coroutine, 1);
    luaL_setfuncs(state, own, 0);
    lua_getfield(state, -1, "close");
    lua_pushcclosure(state, coroutine_close, 1);
    lua_setfield(state, -2, "close");
    lua_pop(state, 1);
}
