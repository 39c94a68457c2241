/* lua_engine: Lua 5.4 scripts as requests.
 * Owns        a runner's struct, in C library memory: it outlives requests. The interpreter is in
 *             the request heap and dies with its reset, unvisited.
 * Thread      load, unload: main thread. A runner: the worker that made it.
 * Invariants  I1  whatever a script does, lua_pcall in run_protected() is where it ends
 *             I2  behind end_request() run->state is NULL, or the heap is kept
 * Failure     an engine_result; run->error has the text, a traceback behind its first line.
 * Tests       tests/unit/lua_library.c, tests/unit/lua_malloc.c, tests/cli/lua.sh */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lua_internal.h"
#include "sapi.h"

/* Their addresses are where a kept state has its handler, and where another has its script. */
static const char handler_key, script_key;

/* ---- programs ---- */

static void unload(void *program)
{
    lua_program *self = program;
    free(self->path);
    free(self->text);
    free(self);
}

static bool is_readable(const char *path, char *error, size_t error_size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return false;
    }
    close(file);
    return true;
}

static bool copy_script(lua_program *self, const engine_script *script)
{
    if (script->path != NULL && (self->path = strdup(script->path)) == NULL) {
        return false;
    }
    if (script->text.data == NULL) {
        return true;
    }
    self->text_size = script->text.size;
    self->text = malloc(self->text_size + 1);
    if (self->text != NULL) {
        memcpy(self->text, script->text.data, self->text_size);
    }
    return self->text != NULL;
}

/* Without TZ each conversion of a time would copy the name of the default zone with malloc. */
static void name_time_zone(void)
{
    if (getenv("TZ") == NULL) {
        (void)setenv("TZ", ":/etc/localtime", 0);
    }
    tzset();
}

static void *load(const engine_script *script, char *error, size_t error_size)
{
    name_time_zone();
    if (script->path != NULL && script->text.data == NULL
        && !is_readable(script->path, error, error_size)) {
        return NULL;
    }
    lua_program *self = calloc(1, sizeof(*self));
    if (self == NULL || !copy_script(self, script)) {
        snprintf(error, error_size, "%s: no memory to hold the script",
            script->path != NULL ? script->path : "Lua");
        if (self != NULL) {
            unload(self);
        }
        return NULL;
    }
    return self;
}

static void describe(const void *program, FILE *out)
{
    const lua_program *self = program;
    fprintf(out, "%s: script for %s\n", self->path != NULL ? self->path : "any file", LUA_RELEASE);
}

static size_t request_count(const void *program)
{
    (void)program;
    return 1;
}

/* ---- runners ---- */

static void *runner_new(const void *program, unsigned int flags)
{
    lua_runner *run = calloc(1, sizeof(*run));
    if (run != NULL) {
        run->program = program;
        run->keeps_heap = (flags & ENGINE_KEEP_HEAP) != 0;
        /* Without room for images there are none. Untouched, it takes no memory. */
        run->images = run->keeps_heap ? NULL : calloc(LUA_IMAGE_COUNT, sizeof(*run->images));
    }
    return run;
}

/* Nothing but a walk through the state gives back what malloc gave. */
static void drop_state(lua_runner *run)
{
    if (run->state != NULL && !is_zend_mm()) {
        lua_close(run->state);
    }
    run->state = NULL;
    run->current = NULL;
}

static void runner_free(void *runner)
{
    lua_runner *run = runner;
    drop_state(run);
    free(run->images);
    free(run);
}

/* ---- a run ---- */

/* The message handler: any error object becomes a text with a traceback, while the frames are
 * there. */
static int add_traceback(lua_State *state)
{
    if (lua_engine_is_stopping(lua_runner_of(state))) {
        lua_settop(state, 1);
        return 1;
    }
    const char *message = lua_tostring(state, 1);
    if (message == NULL) {
        message = luaL_callmeta(state, 1, "__tostring") && lua_type(state, -1) == LUA_TSTRING
            ? lua_tostring(state, -1)
            : lua_pushfstring(state, "(the error is a %s value)", luaL_typename(state, 1));
    }
    luaL_traceback(state, state, message, 1);
    return 1;
}

/* Push the arguments behind the script, and leave them in the global `arg`. Returns how many. */
static int push_arguments(lua_State *state)
{
    const lua_runner *run = lua_runner_of(state);
    int count = (int)run->request->argument_count;
    luaL_checkstack(state, count + 3, "too many arguments");
    lua_createtable(state, count, 1);
    lua_pushstring(state, run->script.path);
    lua_rawseti(state, -2, 0);
    for (int index = 0; index < count; index++) {
        lua_pushstring(state, run->request->arguments[index]);
        lua_rawseti(state, -2, index + 1);
    }
    lua_setglobal(state, "arg");
    for (int index = 0; index < count; index++) {
        lua_pushstring(state, run->request->arguments[index]);
    }
    return count;
}

/* What is the same for every request of a script. */
static int prepare(lua_State *state)
{
    lua_engine_open_libraries(state);
    lua_engine_push_script(state);
    lua_rawsetp(state, LUA_REGISTRYINDEX, &script_key);
    return 0;
}

static int run_once(lua_State *state)
{
    (void)lua_rawgetp(state, LUA_REGISTRYINDEX, &script_key);
    lua_call(state, push_arguments(state), 0);
    return 0;
}

/* The first run with a kept heap: the script gives the function that serves requests. */
static int set_up_handler(lua_State *state)
{
    lua_engine_open_libraries(state);
    lua_engine_push_script(state);
    lua_call(state, push_arguments(state), 1);
    if (!lua_isfunction(state, -1)) {
        return luaL_error(state, "%s: gave a %s value, expected a function that serves a request",
            lua_runner_of(state)->script.path, luaL_typename(state, -1));
    }
    lua_rawsetp(state, LUA_REGISTRYINDEX, &handler_key);
    return 0;
}

static int run_handler(lua_State *state)
{
    if (lua_rawgetp(state, LUA_REGISTRYINDEX, &handler_key) != LUA_TFUNCTION) {
        lua_pop(state, 1);
        (void)set_up_handler(state);
        (void)lua_rawgetp(state, LUA_REGISTRYINDEX, &handler_key);
    }
    lua_engine_renew_request(state);
    lua_call(state, 0, 0);
    return 0;
}

static bool reaches(size_t limit, size_t held, size_t more)
{
    return limit != SIZE_MAX && (held > limit || more > limit - held);
}

/* The words of the heap's own errors, for an allocation that only gave NULL. */
static void describe_refusal(lua_runner *run)
{
    zend_mm_heap_statistics heap = { .limit = SIZE_MAX };
    zend_mm_process_statistics process;
    size_t wanted = run->refused_size;
    /* What a heap asks for when its segments are full. */
    size_t more = wanted > ZEND_MM_SEGMENT_SIZE ? wanted : ZEND_MM_SEGMENT_SIZE;
    (void)zend_mm_heap_stats(NULL, &heap);
    (void)zend_mm_process_stats(&process, NULL, 0);
    if (reaches(heap.limit, heap.real_size, more)) {
        snprintf(run->error, sizeof(run->error),
            "Allowed memory size of %zu bytes exhausted (tried to allocate %zu bytes)", heap.limit,
            wanted);
    } else if (reaches(process.limit, process.usage, more)) {
        snprintf(run->error, sizeof(run->error),
            "Allowed process memory size of %zu bytes exhausted (tried to allocate %zu bytes)",
            process.limit, wanted);
    } else {
        snprintf(run->error, sizeof(run->error),
            "Out of memory (allocated %zu bytes) (tried to allocate %zu bytes)", heap.real_size,
            wanted);
    }
}

static engine_result fail_without_memory(lua_runner *run)
{
    describe_refusal(run);
    return ENGINE_NO_MEMORY;
}

static engine_result stopped(lua_runner *run)
{
    snprintf(run->error, sizeof(run->error), "%s: stopped", run->script.path);
    return ENGINE_STOPPED;
}

static engine_result run_protected(lua_runner *run, lua_CFunction function)
{
    lua_State *state = run->state;
    lua_pushcfunction(state, add_traceback);
    lua_pushcfunction(state, function);
    int status = lua_pcall(state, 0, 0, -2);
    if (run->is_exiting) {
        return ENGINE_DONE;
    }
    if (engine_request_stop(run->request) != ENGINE_GO_ON) {
        return stopped(run);
    }
    if (status == LUA_OK) {
        return ENGINE_DONE;
    }
    if (status == LUA_ERRMEM) {
        return fail_without_memory(run);
    }
    const char *message = lua_tostring(state, -1);
    snprintf(run->error, sizeof(run->error), "%s", message != NULL ? message : "unknown error");
    return run->result == ENGINE_NO_FILE ? ENGINE_NO_FILE : ENGINE_FAILED;
}

/* All of a run whose heap is reset behind it. */
static engine_result run_script(lua_runner *run, bool is_prepared)
{
    engine_result result = is_prepared ? ENGINE_DONE : run_protected(run, prepare);
    lua_settop(run->state, 0);
    if (result != ENGINE_DONE) {
        run->arena_is_open = false;
        return result;
    }
    lua_image_save(run);
    return run_protected(run, run_once);
}

static engine_result end_output(lua_runner *run, engine_result result)
{
    engine_stop none = ENGINE_GO_ON;
    if (lua_engine_write_output(run)) {
        return result;
    }
    (void)atomic_compare_exchange_strong(&run->request->stop, &none, ENGINE_STOP_CLIENT_GONE);
    return result == ENGINE_DONE ? stopped(run) : result;
}

/* The request's script, or the program's, whose file is opened for this run alone. */
static bool open_script(lua_runner *run)
{
    const lua_program *program = run->program;
    if (run->request->script.path != NULL) {
        run->script = run->request->script;
        return true;
    }
    run->script = (engine_script){
        .path = program->path != NULL ? program->path : "Lua",
        .file = -1,
        .text = { program->text, program->text_size },
    };
    if (program->text == NULL && program->path != NULL) {
        run->script.file = open(program->path, O_RDONLY | O_CLOEXEC);
        if (run->script.file < 0) {
            snprintf(run->error, sizeof(run->error), "%s: %s", program->path, strerror(errno));
            return false;
        }
    }
    return true;
}

static void close_script(lua_runner *run)
{
    if (run->request->script.path == NULL && run->script.file >= 0) {
        close(run->script.file);
    }
}

/* A state that is prepared, or a new one; NULL in run->state: no memory. */
static bool make_state(lua_runner *run)
{
    run->heap = is_zend_mm() ? zend_mm_get_heap() : NULL;
    if (run->state != NULL) {
        return false;
    }
    if (run->arena == NULL && !run->keeps_heap) {
        lua_image_begin(run);
    }
    if (lua_image_restore(run)) {
        return true;
    }
    lua_image_open(run);
    run->state = lua_engine_state_new(run);
    return false;
}

static void begin_request(void *runner)
{
    lua_image_begin(runner);
}

static engine_result run_request(void *runner, size_t request_index, engine_request *request)
{
    (void)request_index;
    lua_runner *run = runner;
    run->request = request;
    run->allocation_count = 0;
    run->refused_size = 0;
    run->is_exiting = false;
    run->exit_status = 0;
    run->error[0] = '\0';
    run->output_size = 0;
    run->result = ENGINE_DONE;
    if (!open_script(run)) {
        return run->result = ENGINE_NO_FILE;
    }
    bool is_prepared = make_state(run);
    if (run->state == NULL) {
        run->result = fail_without_memory(run);
    } else {
        lua_engine_watch(run);
        run->result = run->keeps_heap ? run_protected(run, run_handler)
                                      : run_script(run, is_prepared);
        run->result = end_output(run, run->result);
        lua_engine_unwatch(run);
        lua_settop(run->state, 0);
    }
    close_script(run);
    return run->result;
}

/* A state that has been at its limit or was cut off is not trusted with another request. */
static bool end_request(void *runner)
{
    lua_runner *run = runner;
    run->arena = NULL;
    bool is_whole = run->result == ENGINE_DONE || run->result == ENGINE_FAILED;
    if (run->keeps_heap && is_whole && run->state != NULL
        && lua_rawgetp(run->state, LUA_REGISTRYINDEX, &handler_key) == LUA_TFUNCTION) {
        lua_settop(run->state, 0);
        return true;
    }
    drop_state(run);
    return false;
}

static uint64_t operation_count(const void *runner)
{
    return ((const lua_runner *)runner)->allocation_count;
}

static const char *runner_error(const void *runner)
{
    return ((const lua_runner *)runner)->error;
}

static int exit_status(const void *runner)
{
    return ((const lua_runner *)runner)->exit_status;
}

const sapi_engine lua_engine = {
    .name = "lua",
    .load = load,
    .unload = unload,
    .describe = describe,
    .request_count = request_count,
    .runner_new = runner_new,
    .runner_free = runner_free,
    .begin_request = begin_request,
    .run = run_request,
    .end_request = end_request,
    .operation_count = operation_count,
    .runner_error = runner_error,
    .exit_status = exit_status,
};
