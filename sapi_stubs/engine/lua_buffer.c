/* lua_buffer: bytes that grow while other things are pushed and popped above them.
 * Owns        one userdata of the state at a time; the state's collector frees it.
 * Thread      the state's.
 * Invariants  I1  size <= capacity; data is the userdata at `index`
 * Failure     Lua's memory error.
 * Tests       tests/unit/lua_library.c */
#include "config.h"

#include <string.h>

#include "lua_internal.h"

void lua_bytes_push(lua_bytes *bytes, lua_State *state, size_t capacity)
{
    capacity = capacity < 64 ? 64 : capacity;
    bytes->state = state;
    bytes->data = lua_newuserdatauv(state, capacity, 0);
    bytes->index = lua_gettop(state);
    bytes->size = 0;
    bytes->capacity = capacity;
}

char *lua_bytes_reserve(lua_bytes *bytes, size_t size)
{
    if (size > bytes->capacity - bytes->size) {
        size_t needed = 0;
        if (__builtin_add_overflow(bytes->size, size, &needed) || needed > SIZE_MAX / 2) {
            luaL_error(bytes->state, "a text of %f bytes is too long", (double)size);
        }
        /* Doubling alone: how often it grows depends on the text, not on its pieces. */
        size_t capacity = bytes->capacity;
        while (capacity < needed) {
            capacity *= 2;
        }
        char *data = lua_newuserdatauv(bytes->state, capacity, 0);
        memcpy(data, bytes->data, bytes->size);
        lua_replace(bytes->state, bytes->index);
        bytes->data = data;
        bytes->capacity = capacity;
    }
    return bytes->data + bytes->size;
}

void lua_bytes_push_string(lua_bytes *bytes)
{
    lua_pushlstring(bytes->state, bytes->data, bytes->size);
}
