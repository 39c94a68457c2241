/* lua_text: html.escape and url.encode.
 * Owns        nothing.
 * Thread      the state's.
 * Invariants  none.
 * Failure     Lua errors.
 * Tests       tests/unit/lua_library.c */
#include "config.h"

#include <string.h>

#include "lua_internal.h"

/* NULL: the byte means nothing in HTML. */
static const char *html_entity(char byte)
{
    static const char *const entities[256] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
    };
    return entities[(unsigned char)byte];
}

char *lua_engine_copy_escaped(char *to, const char *text, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        const char *entity = html_entity(text[index]);
        if (entity == NULL) {
            *to++ = text[index];
            continue;
        }
        while (*entity != '\0') {
            *to++ = *entity++;
        }
    }
    return to;
}

/* html.escape(text): the text without any character that means something in HTML, also inside
 * quoted attributes. */
static int html_escape(lua_State *state)
{
    enum { SHORT_MAX = 128 };
    char room[SHORT_MAX * LUA_ENGINE_ENTITY_SIZE_MAX];
    size_t size = 0;
    const char *text = luaL_checklstring(state, 1, &size);
    size_t plain = 0;
    while (plain < size && html_entity(text[plain]) == NULL) {
        plain++;
    }
    if (plain == size) {
        lua_settop(state, 1);
        return 1;
    }
    if (size <= SHORT_MAX) {
        lua_pushlstring(state, room, (size_t)(lua_engine_copy_escaped(room, text, size) - room));
        return 1;
    }
    lua_bytes out;
    lua_bytes_push(&out, state, size + size / 4);
    for (size_t index = 0; index < size; index += SHORT_MAX) {
        size_t piece = size - index < SHORT_MAX ? size - index : SHORT_MAX;
        const char *end = lua_engine_copy_escaped(room, text + index, piece);
        lua_bytes_add(&out, room, (size_t)(end - room));
    }
    lua_bytes_push_string(&out);
    return 1;
}

static bool is_unreserved(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')
        || (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("-._~", byte) != NULL);
}

/* url.encode(text): as in RFC 3986; a space is %20. */
static int url_encode(lua_State *state)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t size = 0;
    const char *text = luaL_checklstring(state, 1, &size);
    lua_bytes out;
    lua_bytes_push(&out, state, size + size / 2);
    for (size_t index = 0; index < size; index++) {
        unsigned char byte = (unsigned char)text[index];
        if (is_unreserved(byte)) {
            lua_bytes_add_byte(&out, text[index]);
        } else {
            lua_bytes_add(&out, (char[3]){ '%', digits[byte >> 4], digits[byte & 15] }, 3);
        }
    }
    lua_bytes_push_string(&out);
    return 1;
}

void lua_engine_open_text(lua_State *state)
{
    static const luaL_Reg html[] = { { "escape", html_escape }, { NULL, NULL } };
    static const luaL_Reg url[] = { { "encode", url_encode }, { NULL, NULL } };
    luaL_newlib(state, html);
    lua_setglobal(state, "html");
    luaL_newlib(state, url);
    lua_setglobal(state, "url");
}
