/* lua_request: what a script sees of its request, and how it answers.
 *
 *   request.method .uri .query .path_info .script .address .content_type .content_length
 *   request.get .post                    tables of variables, made when they are first used
 *   request.param(name)  .params()       what the server passed: SERVER_NAME, HTTP_HOST, ...
 *   request.header(name) .headers()      the client's headers; names as in HTTP, in any case
 *   request.read([size]) .body()         the next bytes of the body or nil; all the rest of it
 *   request.log(text)                    a line for the SAPI's log
 *   response.status(number)  .header(name, value [, "add"])  .write(...)  .text(...)  .flush()
 *   print(...)
 *
 * Owns        nothing: texts are copied into the state.
 * Thread      the runner's.
 * Invariants  I1  the SAPI is called through engine_request_functions only
 * Failure     Lua errors; a client that is gone ends the run.
 * Tests       tests/unit/lua_library.c, tests/unit/lua_interrupt.c */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lua_internal.h"
#include "sapi.h"

#define READ_SIZE_DEFAULT 16384
#define HEADER_NAME_MAX 128

static const char request_key;  /* its address is where the registry has the request table */

static engine_request *request_of(lua_State *state)
{
    return lua_runner_of(state)->request;
}

static engine_text text_of(const char *text)
{
    return (engine_text){ text, strlen(text) };
}

static bool find_param(lua_State *state, engine_text name, engine_text *value)
{
    engine_request *request = request_of(state);
    return request->functions->param != NULL
        && request->functions->param(request->context, name, value);
}

static int push_param(lua_State *state, engine_text name)
{
    engine_text value;
    if (find_param(state, name, &value)) {
        lua_pushlstring(state, value.data, value.size);
    } else {
        lua_pushnil(state);
    }
    return 1;
}

/* ---- the body ---- */

static int stop_for_lost_client(lua_State *state)
{
    engine_stop none = ENGINE_GO_ON;
    (void)atomic_compare_exchange_strong(&request_of(state)->stop, &none, ENGINE_STOP_CLIENT_GONE);
    return lua_engine_raise_stop(state);
}

static size_t read_body(lua_State *state, char *buffer, size_t size)
{
    engine_request *request = request_of(state);
    if (request->functions->read_body == NULL) {
        return 0;
    }
    size_t got = request->functions->read_body(request->context, buffer, size);
    if (lua_engine_is_stopping(lua_runner_of(state))) {
        (void)lua_engine_raise_stop(state);
    }
    return got;
}

static int request_read(lua_State *state)
{
    lua_Integer wanted = luaL_optinteger(state, 1, READ_SIZE_DEFAULT);
    luaL_argcheck(state, wanted > 0 && wanted <= INT32_MAX, 1, "expected 1 to 2^31 - 1 bytes");
    lua_bytes bytes;
    lua_bytes_push(&bytes, state, (size_t)wanted);
    bytes.size = read_body(state, bytes.data, (size_t)wanted);
    if (bytes.size == 0) {
        lua_pushnil(state);
    } else {
        lua_bytes_push_string(&bytes);
    }
    return 1;
}

static void read_rest(lua_bytes *bytes, lua_State *state)
{
    lua_bytes_push(bytes, state, READ_SIZE_DEFAULT);
    size_t got = 0;
    do {
        char *room = lua_bytes_reserve(bytes, READ_SIZE_DEFAULT);
        got = read_body(state, room, READ_SIZE_DEFAULT);
        bytes->size += got;
    } while (got > 0);
}

static int request_body(lua_State *state)
{
    lua_bytes bytes;
    read_rest(&bytes, state);
    lua_bytes_push_string(&bytes);
    return 1;
}

/* ---- parameters and headers ---- */

static int request_param(lua_State *state)
{
    engine_text name;
    name.data = luaL_checklstring(state, 1, &name.size);
    return push_param(state, name);
}

static int request_params(lua_State *state)
{
    engine_request *request = request_of(state);
    engine_text name;
    engine_text value;
    lua_newtable(state);
    for (size_t index = 0; request->functions->param_at != NULL
            && request->functions->param_at(request->context, index, &name, &value); index++) {
        lua_pushlstring(state, name.data, name.size);
        lua_pushlstring(state, value.data, value.size);
        lua_rawset(state, -3);
    }
    return 1;
}

static char to_param_byte(char byte)
{
    if (byte >= 'a' && byte <= 'z') {
        return (char)(byte - 'a' + 'A');
    }
    return byte == '-' ? '_' : byte;
}

/* "Content-Type" is CONTENT_TYPE, "Accept-Language" is HTTP_ACCEPT_LANGUAGE. */
static int request_header(lua_State *state)
{
    char param[HEADER_NAME_MAX + 5] = "HTTP_";
    size_t size = 0;
    const char *name = luaL_checklstring(state, 1, &size);
    luaL_argcheck(state, size <= HEADER_NAME_MAX, 1, "expected at most 128 bytes");
    for (size_t index = 0; index < size; index++) {
        param[5 + index] = to_param_byte(name[index]);
    }
    engine_text own = { param + 5, size };
    bool is_own = (size == 12 && memcmp(own.data, "CONTENT_TYPE", 12) == 0)
        || (size == 14 && memcmp(own.data, "CONTENT_LENGTH", 14) == 0);
    return push_param(state, is_own ? own : (engine_text){ param, size + 5 });
}

/* Push the name of the header behind HTTP_NAME as HTTP writes it: Accept-Language. */
static void push_header_name(lua_State *state, const char *name, size_t size)
{
    lua_bytes out;
    lua_bytes_push(&out, state, size);
    bool begins_word = true;
    for (size_t index = 0; index < size; index++) {
        char byte = name[index];
        if (!begins_word && byte >= 'A' && byte <= 'Z') {
            byte = (char)(byte - 'A' + 'a');
        }
        begins_word = byte == '_';
        lua_bytes_add_byte(&out, begins_word ? '-' : byte);
    }
    lua_bytes_push_string(&out);
    lua_remove(state, -2);
}

static int request_headers(lua_State *state)
{
    engine_request *request = request_of(state);
    engine_text name;
    engine_text value;
    lua_newtable(state);
    for (size_t index = 0; request->functions->param_at != NULL
            && request->functions->param_at(request->context, index, &name, &value); index++) {
        if (name.size > 5 && memcmp(name.data, "HTTP_", 5) == 0) {
            push_header_name(state, name.data + 5, name.size - 5);
            lua_pushlstring(state, value.data, value.size);
            lua_rawset(state, -3);
        }
    }
    return 1;
}

static int request_log(lua_State *state)
{
    engine_request *request = request_of(state);
    const char *message = luaL_checkstring(state, 1);
    if (request->functions->log != NULL) {
        request->functions->log(request->context, SAPI_LOG_NOTICE, message);
    }
    return 0;
}

/* ---- fields that are made when they are asked for ---- */

typedef struct field {
    const char *name;
    const char *param;
} field;

static const field fields[] = {
    { "method", "REQUEST_METHOD" },
    { "uri", "REQUEST_URI" },
    { "query", "QUERY_STRING" },
    { "path_info", "PATH_INFO" },
    { "script", "SCRIPT_NAME" },
    { "address", "REMOTE_ADDR" },
    { "content_type", "CONTENT_TYPE" },
};

static int push_get(lua_State *state)
{
    engine_text query = { "", 0 };
    (void)find_param(state, text_of("QUERY_STRING"), &query);
    lua_engine_push_form(state, query.data, query.size);
    return 1;
}

static int push_post(lua_State *state)
{
    static const char form[] = "application/x-www-form-urlencoded";
    engine_text type = { "", 0 };
    if (!find_param(state, text_of("CONTENT_TYPE"), &type) || type.size < sizeof(form) - 1
        || strncasecmp(type.data, form, sizeof(form) - 1) != 0) {
        lua_newtable(state);
        return 1;
    }
    lua_bytes bytes;
    read_rest(&bytes, state);
    lua_engine_push_form(state, bytes.data, bytes.size);
    return 1;
}

static int push_content_length(lua_State *state)
{
    push_param(state, text_of("CONTENT_LENGTH"));
    if (!lua_isnil(state, -1)) {
        (void)lua_stringtonumber(state, lua_tostring(state, -1));
    }
    return 1;
}

static int push_field(lua_State *state, const char *name)
{
    for (size_t index = 0; index < sizeof(fields) / sizeof(fields[0]); index++) {
        if (strcmp(name, fields[index].name) == 0) {
            return push_param(state, text_of(fields[index].param));
        }
    }
    if (strcmp(name, "get") == 0) {
        return push_get(state);
    }
    if (strcmp(name, "post") == 0) {
        return push_post(state);
    }
    return strcmp(name, "content_length") == 0 ? push_content_length(state) : 0;
}

/* __index of request: what was made is kept, where a program may change it. */
static int request_index(lua_State *state)
{
    const char *name = lua_tostring(state, 2);
    if (name == NULL || push_field(state, name) == 0) {
        return 0;
    }
    lua_pushvalue(state, 2);
    lua_pushvalue(state, -2);
    lua_rawset(state, 1);
    return 1;
}

static void forget_field(lua_State *state, const char *name)
{
    lua_pushstring(state, name);
    lua_pushnil(state);
    lua_rawset(state, -3);
}

void lua_engine_renew_request(lua_State *state)
{
    (void)lua_rawgetp(state, LUA_REGISTRYINDEX, &request_key);
    for (size_t index = 0; index < sizeof(fields) / sizeof(fields[0]); index++) {
        forget_field(state, fields[index].name);
    }
    forget_field(state, "get");
    forget_field(state, "post");
    forget_field(state, "content_length");
    lua_pop(state, 1);
}

/* ---- the answer ---- */

static int fail_unless_taken(lua_State *state, const char *why)
{
    return why == NULL ? 0 : luaL_error(state, "%s", why);
}

static int response_status(lua_State *state)
{
    engine_request *request = request_of(state);
    lua_Integer status = luaL_checkinteger(state, 1);
    luaL_argcheck(state, status >= 100 && status <= 599, 1, "expected a status from 100 to 599");
    return request->functions->set_status == NULL ? 0
        : fail_unless_taken(state,
            request->functions->set_status(request->context, (unsigned int)status));
}

static int response_header(lua_State *state)
{
    static const char *const modes[] = { "replace", "add", NULL };
    engine_request *request = request_of(state);
    engine_text name;
    engine_text value;
    name.data = luaL_checklstring(state, 1, &name.size);
    value.data = luaL_checklstring(state, 2, &value.size);
    engine_header_mode mode = luaL_checkoption(state, 3, "replace", modes) == 0
        ? ENGINE_HEADER_REPLACE : ENGINE_HEADER_ADD;
    return request->functions->set_header == NULL ? 0
        : fail_unless_taken(state,
            request->functions->set_header(request->context, name, value, mode));
}

bool lua_engine_write_output(lua_runner *run)
{
    const engine_request *request = run->request;
    size_t size = run->output_size;
    run->output_size = 0;
    return size == 0 || request->functions->write(request->context, run->output, size);
}

static void write_output(lua_State *state, lua_runner *run)
{
    if (!lua_engine_write_output(run)) {
        (void)stop_for_lost_client(state);
    }
}

static void gather_long(lua_State *state, lua_runner *run, const char *data, size_t size)
{
    write_output(state, run);
    if (size <= sizeof(run->output)) {
        memcpy(run->output, data, size);
        run->output_size = size;
    } else if (!run->request->functions->write(run->request->context, data, size)) {
        (void)stop_for_lost_client(state);
    }
}

static inline void gather(lua_State *state, lua_runner *run, const char *data, size_t size)
{
    if (size > sizeof(run->output) - run->output_size) {
        gather_long(state, run, data, size);
        return;
    }
    lua_engine_copy(run->output + run->output_size, data, size);
    run->output_size += size;
}

/* With what means something in HTML as entities. */
static void gather_escaped(lua_State *state, lua_runner *run, const char *text, size_t size)
{
    enum { PIECE = 256 };
    _Static_assert(PIECE * LUA_ENGINE_ENTITY_SIZE_MAX <= LUA_OUTPUT_SIZE, "a piece fits");
    while (size > 0) {
        size_t piece = size < PIECE ? size : PIECE;
        if (piece * LUA_ENGINE_ENTITY_SIZE_MAX > sizeof(run->output) - run->output_size) {
            write_output(state, run);
        }
        char *at = run->output + run->output_size;
        run->output_size += (size_t)(lua_engine_copy_escaped(at, text, piece) - at);
        text += piece;
        size -= piece;
    }
}

static inline void gather_text(lua_State *state, lua_runner *run, int index, bool is_escaped)
{
    size_t size = 0;
    const char *text = lua_tolstring(state, index, &size);
    if (is_escaped) {
        gather_escaped(state, run, text, size);
    } else {
        gather(state, run, text, size);
    }
}

static inline void gather_value(lua_State *state, lua_runner *run, int index, bool is_escaped)
{
    if (lua_type(state, index) == LUA_TSTRING) {
        gather_text(state, run, index, is_escaped);
    } else if (lua_isinteger(state, index)) {
        char number[LUA_NUMBER_TEXT_SIZE];
        gather(state, run, number,
            lua_number_print_integer(number, lua_tointeger(state, index)));
    } else {
        /* By a metamethod, perhaps, which may write, too. */
        (void)luaL_tolstring(state, index, NULL);
        gather_text(state, run, -1, is_escaped);
        lua_pop(state, 1);
    }
}

/* Behind a call that has gathered. */
static int end_write(lua_State *state, lua_runner *run)
{
    if (!run->request->functions->holds_output) {
        write_output(state, run);
    }
    return 0;
}

static inline int write_all(lua_State *state, bool is_escaped)
{
    lua_runner *run = lua_runner_of(state);
    int count = lua_gettop(state);
    for (int index = 1; index <= count; index++) {
        gather_value(state, run, index, is_escaped);
    }
    return end_write(state, run);
}

static int response_write(lua_State *state)
{
    return write_all(state, false);
}

static int response_text(lua_State *state)
{
    return write_all(state, true);
}

int lua_engine_print(lua_State *state)
{
    lua_runner *run = lua_runner_of(state);
    int count = lua_gettop(state);
    for (int index = 1; index <= count; index++) {
        if (index > 1) {
            gather(state, run, "\t", 1);
        }
        gather_value(state, run, index, false);
    }
    gather(state, run, "\n", 1);
    return end_write(state, run);
}

static int response_flush(lua_State *state)
{
    engine_request *request = request_of(state);
    write_output(state, lua_runner_of(state));
    if (request->functions->flush != NULL && !request->functions->flush(request->context)) {
        return stop_for_lost_client(state);
    }
    return 0;
}

void lua_engine_open_request(lua_State *state)
{
    static const luaL_Reg request[] = {
        { "param", request_param }, { "params", request_params },
        { "header", request_header }, { "headers", request_headers },
        { "read", request_read }, { "body", request_body }, { "log", request_log },
        { NULL, NULL },
    };
    static const luaL_Reg response[] = {
        { "status", response_status }, { "header", response_header },
        { "write", response_write }, { "text", response_text }, { "flush", response_flush },
        { NULL, NULL },
    };
    luaL_newlib(state, request);
    lua_createtable(state, 0, 1);
    lua_pushcfunction(state, request_index);
    lua_setfield(state, -2, "__index");
    lua_setmetatable(state, -2);
    lua_pushvalue(state, -1);
    lua_rawsetp(state, LUA_REGISTRYINDEX, &request_key);
    lua_setglobal(state, "request");
    luaL_newlib(state, response);
    lua_setglobal(state, "response");
}
