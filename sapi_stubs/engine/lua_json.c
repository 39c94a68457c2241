/* lua_json: json.encode; the module's table.
 * Owns        nothing: the text grows in a buffer of the state.
 * Thread      the state's.
 * Invariants  I1  what comes out is valid JSON in valid UTF-8
 * Failure     a Lua error that says which value cannot be written.
 * Tests       tests/unit/lua_library.c */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lua_internal.h"

static const char object_key;   /* its address is where the registry has the metatable of objects */

static void encode_value(lua_bytes *out, int index, int depth);

/* ---- texts ---- */

/* Bytes of the UTF-8 character at `at`: 1 to 4; 0: there is none. */
static size_t character_size(const unsigned char *at, size_t left)
{
    static const struct { unsigned char mask, lead; uint32_t least; } forms[] = {
        { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 },
    };
    if (at[0] < 0x80) {
        return 1;
    }
    for (size_t more = 1; more <= 3; more++) {
        if ((at[0] & forms[more - 1].mask) != forms[more - 1].lead || more >= left) {
            continue;
        }
        uint32_t code = at[0] & (uint32_t)(unsigned char)~forms[more - 1].mask;
        for (size_t index = 1; index <= more; index++) {
            if ((at[index] & 0xc0) != 0x80) {
                return 0;
            }
            code = code << 6 | (at[index] & 0x3fu);
        }
        bool is_code = code >= forms[more - 1].least && code <= 0x10ffff
            && (code < 0xd800 || code > 0xdfff);
        return is_code ? more + 1 : 0;
    }
    return 0;
}

static void encode_special(lua_bytes *out, unsigned char byte)
{
    static const char named[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *at = byte != '\0' ? strchr(named, byte) : NULL;
    if (at != NULL) {
        lua_bytes_add(out, (char[2]){ '\\', letters[at - named] }, 2);
        return;
    }
    char text[7];
    snprintf(text, sizeof(text), "\\u%04x", byte);
    lua_bytes_add(out, text, 6);
}

/* Part of a text as it is: ASCII without controls, quotes and backslashes. */
static inline bool is_plain(unsigned char byte)
{
    return byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\';
}

static void encode_text(lua_bytes *out, const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t begin = 0;
    lua_bytes_add_byte(out, '"');
    for (size_t at = 0; at < size;) {
        unsigned char byte = bytes[at];
        if (is_plain(byte)) {
            at++;
            continue;
        }
        size_t step = character_size(bytes + at, size - at);
        if (step == 0) {
            luaL_error(out->state, "json: byte %d of a text is 0x%s, expected UTF-8", (int)at + 1,
                (const char[3]){ "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15], 0 });
        }
        if (byte < 0x80) {
            lua_bytes_add(out, text + begin, at - begin);
            encode_special(out, byte);
            begin = at + 1;
        }
        at += step;
    }
    lua_bytes_add(out, text + begin, size - begin);
    lua_bytes_add_byte(out, '"');
}

/* ---- numbers ---- */

/* The shortest decimal that reads back as the same number, for those that are not simple. */
static size_t print_float(lua_State *state, char *text, size_t room, double number)
{
    int size = 0;
    if (!isfinite(number)) {
        luaL_error(state, "json: the number %f has no form in JSON", number);
    }
    for (int digits = 15; digits <= 17; digits++) {
        size = snprintf(text, room, "%.*g", digits, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    if (strpbrk(text, ".e") == NULL) {
        /* A float stays one when it is read. */
        memcpy(text + size, ".0", 3);
        size += 2;
    }
    return (size_t)size;
}

static void encode_number(lua_bytes *out, int index)
{
    char text[40];
    size_t size;
    if (lua_isinteger(out->state, index)) {
        size = lua_number_print_integer(text, lua_tointeger(out->state, index));
    } else {
        double number = lua_tonumber(out->state, index);
        size = lua_number_print_shortest(text, number);
        size = size > 0 ? size : print_float(out->state, text, sizeof(text), number);
    }
    lua_bytes_add(out, text, size);
}

/* ---- tables ---- */

static bool is_marked_object(lua_State *state, int index)
{
    if (!lua_getmetatable(state, index)) {
        return false;
    }
    (void)lua_rawgetp(state, LUA_REGISTRYINDEX, &object_key);
    bool is_object = lua_rawequal(state, -1, -2);
    lua_pop(state, 2);
    return is_object;
}

/* A list has the keys 1 to n and no others. Returns n; -1: it is an object. */
static lua_Integer list_size(lua_State *state, int index)
{
    lua_Integer size = (lua_Integer)lua_rawlen(state, index);
    lua_Integer count = 0;
    if (is_marked_object(state, index)) {
        return -1;
    }
    lua_pushnil(state);
    while (lua_next(state, index) != 0) {
        lua_pop(state, 1);
        bool is_item = lua_isinteger(state, -1) && lua_tointeger(state, -1) >= 1
            && lua_tointeger(state, -1) <= size;
        if (!is_item) {
            lua_pop(state, 1);
            return -1;
        }
        count++;
    }
    return count == size ? size : -1;
}

static void encode_list(lua_bytes *out, int index, lua_Integer size, int depth)
{
    int value = lua_gettop(out->state) + 1;
    lua_bytes_add_byte(out, '[');
    for (lua_Integer item = 1; item <= size; item++) {
        if (item > 1) {
            lua_bytes_add_byte(out, ',');
        }
        (void)lua_rawgeti(out->state, index, item);
        encode_value(out, value, depth);
        lua_pop(out->state, 1);
    }
    lua_bytes_add_byte(out, ']');
}

static void encode_key(lua_bytes *out, int key)
{
    lua_State *state = out->state;
    int type = lua_type(state, key);
    size_t size = 0;
    if (type == LUA_TSTRING) {
        const char *text = lua_tolstring(state, key, &size);
        encode_text(out, text, size);
        return;
    }
    if (type != LUA_TNUMBER) {
        luaL_error(state, "json: a key is a %s value, expected a text or a number",
            lua_typename(state, type));
    }
    /* A copy: making the key itself a text would confuse lua_next(). */
    lua_pushvalue(state, key);
    const char *text = lua_tolstring(state, -1, &size);
    encode_text(out, text, size);
    lua_pop(state, 1);
}

static void encode_object(lua_bytes *out, int index, int depth)
{
    lua_State *state = out->state;
    int key = lua_gettop(state) + 1;
    bool any = false;
    lua_bytes_add_byte(out, '{');
    lua_pushnil(state);
    while (lua_next(state, index) != 0) {
        if (any) {
            lua_bytes_add_byte(out, ',');
        }
        any = true;
        encode_key(out, key);
        lua_bytes_add_byte(out, ':');
        encode_value(out, key + 1, depth);
        lua_pop(state, 1);
    }
    lua_bytes_add_byte(out, '}');
}

static void encode_table(lua_bytes *out, int index, int depth)
{
    if (depth >= LUA_ENGINE_JSON_DEPTH_MAX) {
        luaL_error(out->state, "json: more than %d tables inside each other",
            LUA_ENGINE_JSON_DEPTH_MAX);
    }
    luaL_checkstack(out->state, 10, "json");
    lua_Integer size = list_size(out->state, index);
    if (size >= 0) {
        encode_list(out, index, size, depth + 1);
    } else {
        encode_object(out, index, depth + 1);
    }
}

static void encode_value(lua_bytes *out, int index, int depth)
{
    lua_State *state = out->state;
    const char *text;
    size_t size = 0;
    switch (lua_type(state, index)) {
    case LUA_TNIL:
        lua_bytes_add(out, "null", 4);
        break;
    case LUA_TBOOLEAN:
        lua_bytes_add(out, lua_toboolean(state, index) ? "true" : "false",
            lua_toboolean(state, index) ? 4 : 5);
        break;
    case LUA_TNUMBER:
        encode_number(out, index);
        break;
    case LUA_TSTRING:
        text = lua_tolstring(state, index, &size);
        encode_text(out, text, size);
        break;
    case LUA_TTABLE:
        encode_table(out, index, depth);
        break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(state, index) == LUA_ENGINE_JSON_NULL) {
            lua_bytes_add(out, "null", 4);
            break;
        }
        /* fall through */
    default:
        luaL_error(state, "json: a %s value has no form in JSON", luaL_typename(state, index));
    }
}

/* json.encode(value) */
static int encode(lua_State *state)
{
    lua_bytes out;
    luaL_checkany(state, 1);
    lua_settop(state, 1);
    lua_bytes_push(&out, state, 256);
    encode_value(&out, 1, 0);
    lua_bytes_push_string(&out);
    return 1;
}

void lua_engine_mark_json_object(lua_State *state)
{
    (void)lua_rawgetp(state, LUA_REGISTRYINDEX, &object_key);
    lua_setmetatable(state, -2);
}

/* json.object([table]): the table, which is an object even if it is empty or looks like a list. */
static int object(lua_State *state)
{
    lua_settop(state, 1);
    if (lua_isnil(state, 1)) {
        lua_newtable(state);
        lua_replace(state, 1);
    }
    luaL_checktype(state, 1, LUA_TTABLE);
    lua_engine_mark_json_object(state);
    return 1;
}

void lua_engine_open_json(lua_State *state)
{
    static const luaL_Reg json[] = {
        { "encode", encode }, { "decode", lua_engine_json_decode }, { "object", object },
        { NULL, NULL },
    };
    lua_newtable(state);
    lua_rawsetp(state, LUA_REGISTRYINDEX, &object_key);
    luaL_newlib(state, json);
    lua_pushlightuserdata(state, LUA_ENGINE_JSON_NULL);
    lua_setfield(state, -2, "null");
    lua_setglobal(state, "json");
}
