/* lua_form: the variables of a query string or of a form's body.
 * Owns        nothing.
 * Thread      the state's.
 * Invariants  none.
 * Failure     Lua errors. Text that is not well formed is taken as it stands: a lone '%' is a '%'.
 * Tests       tests/unit/lua_library.c */
#include "config.h"

#include <string.h>

#include "lua_internal.h"

int lua_engine_hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* Push text with %XX and '+' decoded. */
static void push_decoded(lua_State *state, const char *text, size_t size)
{
    if (memchr(text, '%', size) == NULL && memchr(text, '+', size) == NULL) {
        lua_pushlstring(state, text, size);
        return;
    }
    lua_bytes out;
    lua_bytes_push(&out, state, size);
    for (size_t index = 0; index < size; index++) {
        int high = -1;
        int low = -1;
        if (text[index] == '%' && size - index > 2) {
            high = lua_engine_hex_digit(text[index + 1]);
            low = lua_engine_hex_digit(text[index + 2]);
        }
        if (high >= 0 && low >= 0) {
            lua_bytes_add_byte(&out, (char)(high * 16 + low));
            index += 2;
        } else {
            lua_bytes_add_byte(&out, text[index] == '+' ? ' ' : text[index]);
        }
    }
    lua_bytes_push_string(&out);
    lua_remove(state, -2);
}

/* `name` and `value` are on top of the table: store, and pop both. */
static void store(lua_State *state, int table)
{
    size_t size = 0;
    const char *name = lua_tolstring(state, -2, &size);
    if (size < 3 || memcmp(name + size - 2, "[]", 2) != 0) {
        lua_rawset(state, table);
        return;
    }
    /* name[]: append to the list of that name. */
    lua_pushlstring(state, name, size - 2);
    lua_pushvalue(state, -1);
    if (lua_rawget(state, table) != LUA_TTABLE) {
        lua_pop(state, 1);
        lua_createtable(state, 1, 0);
        lua_pushvalue(state, -2);
        lua_pushvalue(state, -2);
        lua_rawset(state, table);
    }
    /* ... name value short list */
    lua_pushvalue(state, -3);
    lua_rawseti(state, -2, (lua_Integer)lua_rawlen(state, -2) + 1);
    lua_pop(state, 4);
}

void lua_engine_push_form(lua_State *state, const char *text, size_t size)
{
    luaL_checkstack(state, 10, "too many variables");
    lua_newtable(state);
    int table = lua_gettop(state);
    const char *end = text + size;
    while (text < end) {
        const char *next = memchr(text, '&', (size_t)(end - text));
        next = next != NULL ? next : end;
        const char *equal = memchr(text, '=', (size_t)(next - text));
        const char *name_end = equal != NULL ? equal : next;
        const char *value = equal != NULL ? equal + 1 : next;
        if (name_end > text) {
            push_decoded(state, text, (size_t)(name_end - text));
            push_decoded(state, value, (size_t)(next - value));
            store(state, table);
        }
        text = next + 1;
    }
}
