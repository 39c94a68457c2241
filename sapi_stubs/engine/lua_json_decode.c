/* lua_json_decode: json.decode, RFC 8259.
 * Owns        nothing: the text stays where Lua has it.
 * Thread      the state's.
 * Invariants  I1  `at` never passes `end`
 * Failure     a Lua error that names the byte, what is there and what was expected.
 * Tests       tests/unit/lua_library.c */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lua_internal.h"

/* No double needs more; strtod() is given a text that ends. */
#define NUMBER_SIZE_MAX 1024

typedef struct decoder {
    lua_State *state;
    const char *begin, *at, *end;
    int depth;
} decoder;

static void decode_value(decoder *in);

static void fail(decoder *in, const char *expected)
{
    char found[16];
    if (in->at == in->end) {
        snprintf(found, sizeof(found), "the end");
    } else if (*in->at > ' ' && *in->at < 127) {
        snprintf(found, sizeof(found), "'%c'", *in->at);
    } else {
        snprintf(found, sizeof(found), "byte 0x%02x", (unsigned char)*in->at);
    }
    luaL_error(in->state, "json: byte %d: found %s, expected %s", (int)(in->at - in->begin) + 1,
        found, expected);
}

static void skip_space(decoder *in)
{
    while (in->at < in->end
        && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r')) {
        in->at++;
    }
}

static bool take(decoder *in, char byte)
{
    if (in->at == in->end || *in->at != byte) {
        return false;
    }
    in->at++;
    return true;
}

/* ---- texts ---- */

static uint32_t take_hex(decoder *in)
{
    uint32_t code = 0;
    for (int count = 0; count < 4; count++, in->at++) {
        int digit = in->at < in->end ? lua_engine_hex_digit(*in->at) : -1;
        if (digit < 0) {
            fail(in, "four hexadecimal digits");
        }
        code = code << 4 | (uint32_t)digit;
    }
    return code;
}

static void add_code(lua_bytes *out, uint32_t code)
{
    if (code < 0x80) {
        lua_bytes_add_byte(out, (char)code);
        return;
    }
    if (code < 0x800) {
        lua_bytes_add_byte(out, (char)(0xc0 | code >> 6));
    } else {
        if (code < 0x10000) {
            lua_bytes_add_byte(out, (char)(0xe0 | code >> 12));
        } else {
            lua_bytes_add_byte(out, (char)(0xf0 | code >> 18));
            lua_bytes_add_byte(out, (char)(0x80 | (code >> 12 & 0x3f)));
        }
        lua_bytes_add_byte(out, (char)(0x80 | (code >> 6 & 0x3f)));
    }
    lua_bytes_add_byte(out, (char)(0x80 | (code & 0x3f)));
}

static void take_unicode(decoder *in, lua_bytes *out)
{
    uint32_t code = take_hex(in);
    if (code >= 0xd800 && code <= 0xdbff) {
        if (!take(in, '\\') || !take(in, 'u')) {
            fail(in, "the second half of a surrogate pair");
        }
        uint32_t low = take_hex(in);
        if (low < 0xdc00 || low > 0xdfff) {
            fail(in, "the second half of a surrogate pair before this");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        fail(in, "no second half of a surrogate pair alone before this");
    }
    add_code(out, code);
}

static void take_escape(decoder *in, lua_bytes *out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    if (take(in, 'u')) {
        take_unicode(in, out);
        return;
    }
    const char *found = in->at < in->end && *in->at != '\0' ? strchr(letters, *in->at) : NULL;
    if (found == NULL) {
        fail(in, "one of \" \\ / b f n r t u");
        return;
    }
    lua_bytes_add_byte(out, meant[found - letters]);
    in->at++;
}

/* Behind the opening quote; pushes the text. */
static void decode_text(decoder *in)
{
    const char *begin = in->at;
    while (in->at < in->end && *in->at != '"' && *in->at != '\\'
        && (unsigned char)*in->at >= ' ') {
        in->at++;
    }
    if (in->at < in->end && *in->at == '"') {
        lua_pushlstring(in->state, begin, (size_t)(in->at++ - begin));
        return;
    }
    lua_bytes out;
    lua_bytes_push(&out, in->state, (size_t)(in->at - begin) * 2);
    lua_bytes_add(&out, begin, (size_t)(in->at - begin));
    while (!take(in, '"')) {
        if (in->at == in->end || (unsigned char)*in->at < ' ') {
            fail(in, "more of a text, then '\"'");
        }
        if (take(in, '\\')) {
            take_escape(in, &out);
        } else {
            lua_bytes_add_byte(&out, *in->at++);
        }
    }
    lua_bytes_push_string(&out);
    lua_remove(in->state, -2);
}

/* ---- numbers ---- */

static size_t take_digits(decoder *in)
{
    const char *begin = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9') {
        in->at++;
    }
    return (size_t)(in->at - begin);
}

static void decode_number(decoder *in)
{
    char text[NUMBER_SIZE_MAX + 1];
    const char *begin = in->at;
    bool is_integer = true;
    (void)take(in, '-');
    if (!take(in, '0') && take_digits(in) == 0) {
        fail(in, "a value");
    }
    if (take(in, '.')) {
        is_integer = false;
        if (take_digits(in) == 0) {
            fail(in, "a digit");
        }
    }
    if (take(in, 'e') || take(in, 'E')) {
        is_integer = false;
        (void)(take(in, '+') || take(in, '-'));
        if (take_digits(in) == 0) {
            fail(in, "a digit");
        }
    }
    size_t size = (size_t)(in->at - begin);
    if (size > NUMBER_SIZE_MAX) {
        fail(in, "a shorter number");
    }
    memcpy(text, begin, size);
    text[size] = '\0';
    /* Lua's own conversion: what does not fit an integer becomes a float. */
    if (!is_integer || lua_stringtonumber(in->state, text) == 0) {
        lua_pushnumber(in->state, strtod(text, NULL));
    }
}

/* ---- lists and objects ---- */

static void enter(decoder *in)
{
    if (++in->depth > LUA_ENGINE_JSON_DEPTH_MAX) {
        luaL_error(in->state, "json: byte %d: more than %d lists and objects inside each other",
            (int)(in->at - in->begin), LUA_ENGINE_JSON_DEPTH_MAX);
    }
    luaL_checkstack(in->state, 8, "json");
}

static void decode_list(decoder *in)
{
    lua_Integer count = 0;
    enter(in);
    lua_newtable(in->state);
    skip_space(in);
    if (!take(in, ']')) {
        do {
            decode_value(in);
            lua_rawseti(in->state, -2, ++count);
        } while (take(in, ','));
        if (!take(in, ']')) {
            fail(in, "',' or ']'");
        }
    }
    in->depth--;
}

static void decode_object(decoder *in)
{
    enter(in);
    lua_newtable(in->state);
    lua_engine_mark_json_object(in->state);
    skip_space(in);
    if (!take(in, '}')) {
        do {
            skip_space(in);
            if (!take(in, '"')) {
                fail(in, "a key in quotes");
            }
            decode_text(in);
            skip_space(in);
            if (!take(in, ':')) {
                fail(in, "':'");
            }
            decode_value(in);
            lua_rawset(in->state, -3);
        } while (take(in, ','));
        if (!take(in, '}')) {
            fail(in, "',' or '}'");
        }
    }
    in->depth--;
}

static bool take_word(decoder *in, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0) {
        return false;
    }
    in->at += size;
    return true;
}

/* Pushes the value, and takes the space around it. */
static void decode_value(decoder *in)
{
    skip_space(in);
    if (take(in, '"')) {
        decode_text(in);
    } else if (take(in, '{')) {
        decode_object(in);
    } else if (take(in, '[')) {
        decode_list(in);
    } else if (take_word(in, "true")) {
        lua_pushboolean(in->state, 1);
    } else if (take_word(in, "false")) {
        lua_pushboolean(in->state, 0);
    } else if (take_word(in, "null")) {
        lua_pushlightuserdata(in->state, LUA_ENGINE_JSON_NULL);
    } else {
        decode_number(in);
    }
    skip_space(in);
}

int lua_engine_json_decode(lua_State *state)
{
    size_t size = 0;
    const char *text = luaL_checklstring(state, 1, &size);
    decoder in = { .state = state, .begin = text, .at = text, .end = text + size };
    decode_value(&in);
    if (in.at != in.end) {
        fail(&in, "the end");
    }
    return 1;
}
