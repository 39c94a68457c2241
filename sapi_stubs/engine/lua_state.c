/* lua_state: an interpreter in the request heap: its allocator, what scripts find in it, how they
 * are read.
 * Owns        run->refused_size, run->allocation_count.
 * Thread      the runner's.
 * Invariants  I1  the allocator never bails out: Lua's frames would be left behind
 *             I2  nothing in the globals opens a file, loads machine code or byte code, or ends the
 *                 process; no finalizer can be set, as nobody would interrupt it
 * Failure     NULL at the memory limit, which Lua turns into its memory error.
 * Tests       tests/unit/lua_library.c, tests/unit/lua_malloc.c, tests/cli/lua.sh */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua_internal.h"
#include "zend_alloc.h"

/* ---- memory ---- */

/* KiB that are allocated before Lua collects garbage: the reset of the heap takes what most
 * requests leave, and they stay inside the segment that a heap always has. A step of negative size
 * puts the collector off by so much. */
enum { COLLECT_BEHIND = 1024 };

static void *take_new(lua_runner *run, size_t size)
{
    void *block = run->arena_is_open ? lua_image_take(run, size) : NULL;
    if (block != NULL) {
        return block;
    }
    return run->heap != NULL ? zend_mm_try_alloc(run->heap, size)
                             : erealloc_recoverable(NULL, size);
}

/* A block of the arena moves. */
static void *move_out(lua_runner *run, void *block, size_t old_size, size_t new_size)
{
    void *moved = take_new(run, new_size);
    if (moved != NULL) {
        memcpy(moved, block, old_size < new_size ? old_size : new_size);
        lua_image_drop(run, block, old_size);
    }
    return moved;
}

/* For a new block Lua passes its type as the old size. */
static void *allocate(void *data, void *block, size_t old_size, size_t new_size)
{
    lua_runner *run = data;
    bool is_in_arena = lua_image_has(run, block);
    if (new_size == 0) {
        if (is_in_arena) {
            lua_image_drop(run, block, old_size);
        } else {
            efree(block);
        }
        return NULL;
    }
    run->allocation_count++;
    void *given = block == NULL ? take_new(run, new_size)
        : is_in_arena ? move_out(run, block, old_size, new_size)
        : erealloc_recoverable(block, new_size);
    if (given != NULL) {
        return given;
    }
    if (block != NULL && new_size <= old_size) {
        return block;
    }
    run->refused_size = new_size;
    return NULL;
}

void lua_engine_put_off_collector(lua_State *state)
{
    (void)lua_gc(state, LUA_GCSTEP, -COLLECT_BEHIND);
}

lua_State *lua_engine_state_new(lua_runner *run)
{
    lua_State *state = lua_newstate(allocate, run);
    if (state != NULL) {
        *(lua_runner **)lua_getextraspace(state) = run;
        lua_engine_put_off_collector(state);
    }
    return state;
}

/* ---- libraries ---- */

/* load(chunk, name, mode, env) for text only: Lua does not check byte code, it can do anything. */
static int load_text(lua_State *state)
{
    int count = lua_gettop(state);
    if (count < 3) {
        lua_settop(state, 3);
        count = 3;
    }
    lua_pushliteral(state, "t");
    lua_replace(state, 3);
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_insert(state, 1);
    lua_call(state, count, LUA_MULTRET);
    return lua_gettop(state);
}

/* setmetatable(table, metatable) without finalizers. */
static int set_metatable(lua_State *state)
{
    if (lua_istable(state, 2)) {
        lua_pushliteral(state, "__gc");
        if (lua_rawget(state, 2) != LUA_TNIL) {
            return luaL_error(state, "__gc is off: a request's memory dies with the request");
        }
        lua_pop(state, 1);
    }
    int count = lua_gettop(state);
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_insert(state, 1);
    lua_call(state, count, LUA_MULTRET);
    return lua_gettop(state);
}

/* os.getenv(name): a parameter of the request. */
static int os_getenv(lua_State *state)
{
    const engine_request *request = lua_runner_of(state)->request;
    engine_text name = { NULL, 0 };
    engine_text value;
    name.data = luaL_checklstring(state, 1, &name.size);
    if (request->functions->param == NULL
        || !request->functions->param(request->context, name, &value)) {
        lua_pushnil(state);
        return 1;
    }
    lua_pushlstring(state, value.data, value.size);
    return 1;
}

/* Field `name` of the table on top becomes `wrapper`, which has Lua's function as its upvalue. */
static void add_wrapped(lua_State *state, int base, const char *name, lua_CFunction wrapper)
{
    lua_getfield(state, base, name);
    lua_pushcclosure(state, wrapper, 1);
    lua_setfield(state, -2, name);
}

/* A new table of globals, with what may stay of Lua's. Taking fields away from Lua's own would
 * leave holes, and what fills them depends on the state's random hash seed: then two runs of a
 * script would not make the same allocations. */
static void open_base(lua_State *state)
{
    static const char *const kept[] = {
        "assert", "collectgarbage", "error", "getmetatable", "ipairs", "next", "pairs", "pcall",
        "rawequal", "rawget", "rawlen", "rawset", "select", "tonumber", "tostring", "type",
        "_VERSION",
    };
    lua_createtable(state, 0, 64);
    lua_pushcfunction(state, luaopen_base);
    lua_call(state, 0, 1);
    lua_insert(state, -2);
    int base = lua_gettop(state) - 1;
    for (size_t index = 0; index < sizeof(kept) / sizeof(kept[0]); index++) {
        lua_getfield(state, base, kept[index]);
        lua_setfield(state, -2, kept[index]);
    }
    add_wrapped(state, base, "load", load_text);
    add_wrapped(state, base, "setmetatable", set_metatable);
    lua_pushvalue(state, -1);
    lua_setfield(state, -2, LUA_GNAME);
    lua_rawseti(state, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pop(state, 1);
    lua_register(state, "print", lua_engine_print);
    lua_register(state, "xpcall", lua_engine_xpcall);
}

/* What is in `kept` of the library that `open` makes, as the global `name`. */
static void open_part(lua_State *state, const char *name, lua_CFunction open,
    const char *const *kept)
{
    lua_newtable(state);
    lua_pushcfunction(state, open);
    lua_call(state, 0, 1);
    for (; *kept != NULL; kept++) {
        lua_getfield(state, -1, *kept);
        lua_setfield(state, -3, *kept);
    }
    lua_pop(state, 1);
    lua_setglobal(state, name);
}

static void open_os(lua_State *state)
{
    static const char *const kept[] = { "clock", "date", "difftime", "time", NULL };
    open_part(state, LUA_OSLIBNAME, luaopen_os, kept);
    lua_getglobal(state, LUA_OSLIBNAME);
    lua_pushcfunction(state, lua_engine_exit);
    lua_setfield(state, -2, "exit");
    lua_pushcfunction(state, os_getenv);
    lua_setfield(state, -2, "getenv");
    lua_pop(state, 1);
}

void lua_engine_open_libraries(lua_State *state)
{
    static const luaL_Reg whole[] = {
        { LUA_TABLIBNAME, luaopen_table },
        { LUA_STRLIBNAME, luaopen_string },
        { LUA_MATHLIBNAME, luaopen_math },
        { LUA_UTF8LIBNAME, luaopen_utf8 },
    };
    static const char *const debug_kept[] = { "traceback", NULL };
    open_base(state);
    for (size_t index = 0; index < sizeof(whole) / sizeof(whole[0]); index++) {
        luaL_requiref(state, whole[index].name, whole[index].func, 1);
        lua_pop(state, 1);
    }
    lua_engine_open_format(state);
    open_os(state);
    open_part(state, LUA_DBLIBNAME, luaopen_debug, debug_kept);
    lua_engine_open_coroutine(state);
    lua_engine_open_request(state);
    lua_engine_open_json(state);
    lua_engine_open_text(state);
}

/* ---- scripts ---- */

static int fail_reading(lua_State *state, const char *path, int error)
{
    lua_runner_of(state)->result = ENGINE_NO_FILE;
    return luaL_error(state, "%s: %s", path, strerror(error));
}

/* Push a buffer with all of the file. */
static void read_script(lua_bytes *out, lua_State *state, const engine_script *script)
{
    struct stat about;
    if (fstat(script->file, &about) != 0) {
        fail_reading(state, script->path, errno);
    }
    /* One more than the size, so that the end is met without growing. */
    lua_bytes_push(out, state, S_ISREG(about.st_mode) ? (size_t)about.st_size + 1 : 4096);
    for (;;) {
        char *room = lua_bytes_reserve(out, 1);
        ssize_t got = read(script->file, room, out->capacity - out->size);
        if (got < 0 && errno == EINTR && !lua_engine_is_stopping(lua_runner_of(state))) {
            continue;
        }
        if (got < 0) {
            fail_reading(state, script->path, errno);
        }
        if (got == 0) {
            return;
        }
        out->size += (size_t)got;
    }
}

static void push_compiled(lua_State *state, const char *path, engine_text text)
{
    static const char mark[] = "\xEF\xBB\xBF";      /* UTF-8's byte order mark */
    if (text.size >= 3 && memcmp(text.data, mark, 3) == 0) {
        text.data += 3;
        text.size -= 3;
    }
    if (text.size > 0 && text.data[0] == '#') {
        /* A first line for the system. Its newline stays, for the line numbers. */
        const char *end = memchr(text.data, '\n', text.size);
        text.size = end != NULL ? text.size - (size_t)(end - text.data) : 0;
        text.data = end;
    }
    lua_pushfstring(state, "@%s", path);
    if (luaL_loadbufferx(state, text.data, text.size, lua_tostring(state, -1), "t") != LUA_OK) {
        lua_error(state);
    }
    lua_remove(state, -2);
}

void lua_engine_push_script(lua_State *state)
{
    const engine_script *script = &lua_runner_of(state)->script;
    if (script->file < 0) {
        push_compiled(state, script->path, script->text);
        return;
    }
    lua_bytes text;
    read_script(&text, state, script);
    push_compiled(state, script->path, (engine_text){ text.data, text.size });
    lua_remove(state, text.index);
}
