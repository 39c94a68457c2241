/* lua_internal.h: what the files of the Lua engine share.
 *
 *   lua_engine   the table of functions, a run      lua_state    allocator, libraries, what is off
 *   lua_stop     interrupts, exit, coroutines       lua_request  request and response
 *   lua_form     GET and POST variables             lua_json     json   (lua_json_decode: its half)
 *   lua_text     html, url                          lua_buffer   bytes that grow
 *   lua_number   texts of numbers, string.format    lua_image    a state to begin with
 *
 * In all of them lua_error() may leave any function that takes a lua_State: nothing is held there
 * that the state does not own, and no zend_bailout() may come from below a Lua function. */
#ifndef TSRMALLOC_ENGINE_LUA_INTERNAL_H
#define TSRMALLOC_ENGINE_LUA_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "engine.h"
#include "zend_alloc.h"

enum {
    LUA_IMAGE_COUNT = 8,
    LUA_IMAGE_SIZE_MAX = 64 * 1024,
    LUA_IMAGE_GRAIN = 16,
    LUA_IMAGE_GRAIN_COUNT = LUA_IMAGE_SIZE_MAX / LUA_IMAGE_GRAIN,
    LUA_IMAGE_PIECE_COUNT_MAX = 128,
    LUA_OUTPUT_SIZE = 4096,
};

/* Compared as bytes: made of zeros first. */
typedef struct lua_image_key {
    dev_t device;
    ino_t file;
    off_t size;
    struct timespec changed, touched;
    char path[512];
} lua_image_key;

/* Grains of the arena. */
typedef struct lua_image_piece {
    uint16_t first, count;
} lua_image_piece;

/* See lua_image.c. Owner only. */
typedef struct lua_image {
    lua_image_key key;
    unsigned int piece_count;   /* 0: there is no image */
    const char *address;        /* where the arena must be */
    size_t arena_used;          /* bytes of it, with what is between the pieces */
    lua_State *state;           /* in them */
    uint64_t allocation_count;  /* that making it took */
    lua_image_piece pieces[LUA_IMAGE_PIECE_COUNT_MAX];
    char bytes[LUA_IMAGE_SIZE_MAX];     /* of the pieces, one behind the other */
} lua_image;

typedef struct lua_program {
    char *path;                 /* NULL: requests bring their scripts */
    char *text;                 /* NULL: read the file at path */
    size_t text_size;
} lua_program;

/* Owner only; `state`, `current` and `is_exiting` are also read by its signal handler. */
typedef struct lua_runner {
    const lua_program *program;
    bool keeps_heap;            /* ENGINE_KEEP_HEAP */
    zend_mm_heap *heap;         /* where the state is; NULL: there is none of ours */
    lua_State *volatile state;      /* in the request heap; NULL: none */
    lua_State *volatile current;    /* the coroutine that runs; `state` outside of any */
    lua_image *images;          /* LUA_IMAGE_COUNT of them; NULL: none are kept */
    unsigned int next_image;    /* is replaced by the next that is taken */
    char *arena;                /* in the request heap, LUA_IMAGE_SIZE_MAX bytes; NULL: none */
    size_t arena_used;
    uint64_t arena_dead[LUA_IMAGE_GRAIN_COUNT / 64];    /* bit per grain: of freed blocks */
    bool arena_is_open;         /* new blocks are taken from it */
    engine_request *request;    /* of the run */
    engine_script script;       /* of the run: the request's or the program's */
    uint64_t allocation_count;  /* in the run */
    size_t refused_size;        /* bytes that the allocator refused last; 0: none in the run */
    volatile bool is_exiting;   /* os.exit() was called */
    int exit_status;
    engine_result result;
    size_t output_size;
    char output[LUA_OUTPUT_SIZE];   /* of the answer's body, not yet handed to the SAPI */
    char error[2048];
} lua_runner;

static inline lua_runner *lua_runner_of(lua_State *state)
{
    return *(lua_runner **)lua_getextraspace(state);
}

/* ---- lua_state.c ---- */

/* A state in the calling thread's request heap. NULL: no memory. */
lua_State *lua_engine_state_new(lua_runner *run);
/* Lua shall not collect garbage before much has been allocated. */
void lua_engine_put_off_collector(lua_State *state);
/* Fill the globals. May raise errors. */
void lua_engine_open_libraries(lua_State *state);
/* Push the script that the run is about, compiled. Raises an error if that fails; what cannot be
 * read gives ENGINE_NO_FILE in run->result. */
void lua_engine_push_script(lua_State *state);

/* ---- lua_image.c ---- */

bool lua_image_is_possible(const lua_runner *run);
/* The request heap is as its reset has left it: take the arena, so that it lies where it did. */
void lua_image_begin(lua_runner *run);
/* Make an image the run's state. false: there is none of this script, at this place. */
bool lua_image_restore(lua_runner *run);
/* From here to lua_image_save(), which takes an image, new blocks are in the arena. */
void lua_image_open(lua_runner *run);
void lua_image_save(lua_runner *run);
/* A block of the arena. NULL: it is full. */
void *lua_image_take(lua_runner *run, size_t size);
/* A block of the arena, of so many bytes, is free: it will be in no image. */
void lua_image_drop(lua_runner *run, const void *block, size_t size);
static inline bool lua_image_has(const lua_runner *run, const void *block)
{
    return (uintptr_t)block - (uintptr_t)run->arena < LUA_IMAGE_SIZE_MAX && run->arena != NULL;
}

/* ---- lua_stop.c ---- */

/* Watch for interrupts from here to lua_engine_unwatch(): while run->state is there. */
void lua_engine_watch(lua_runner *run);
void lua_engine_unwatch(lua_runner *run);
bool lua_engine_is_stopping(const lua_runner *run);
/* Raise the error that ends the run; whoever catches it meets it again. Does not return. */
int lua_engine_raise_stop(lua_State *state);
/* os.exit([status]) */
int lua_engine_exit(lua_State *state);
/* xpcall(function, handler, ...) */
int lua_engine_xpcall(lua_State *state);
/* Replace what the coroutine library has by functions that know which coroutine runs. */
void lua_engine_open_coroutine(lua_State *state);

/* ---- libraries ---- */

void lua_engine_open_request(lua_State *state);
/* Hand the SAPI what was gathered for it. false: the client is gone. */
bool lua_engine_write_output(lua_runner *run);
/* The same state serves another request: forget what `request` remembers of the one before. */
void lua_engine_renew_request(lua_State *state);
void lua_engine_open_json(lua_State *state);
void lua_engine_open_text(lua_State *state);
/* Copy a text with its entities for HTML; each byte may take so many. Returns where it ends. */
enum { LUA_ENGINE_ENTITY_SIZE_MAX = 6 };
char *lua_engine_copy_escaped(char *to, const char *text, size_t size);
/* print(...) */
int lua_engine_print(lua_State *state);
/* Push a table of the variables in `a=b&c=d`. */
void lua_engine_push_form(lua_State *state, const char *text, size_t size);
/* 0 to 15; -1: not a hexadecimal digit. */
int lua_engine_hex_digit(char digit);

/* As memcpy(), without its call where the bytes are few: pieces of a page mostly are. */
static inline void lua_engine_copy(char *to, const char *from, size_t size)
{
    if (size > 16) {
        memcpy(to, from, size);
    } else if (size >= 8) {
        uint64_t first, last;
        memcpy(&first, from, 8);
        memcpy(&last, from + size - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + size - 8, &last, 8);
    } else if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + size - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + size - 4, &last, 4);
    } else if (size > 0) {
        char middle = from[size / 2], last = from[size - 1];
        to[0] = from[0];
        to[size / 2] = middle;
        to[size - 1] = last;
    }
}

/* ---- lua_buffer.c ---- */

/* Bytes in a userdata that stands at a fixed place of the stack. */
typedef struct lua_bytes {
    lua_State *state;
    int index;
    char *data;
    size_t size, capacity;
} lua_bytes;

/* Push an empty buffer with room for `capacity` bytes. */
void lua_bytes_push(lua_bytes *bytes, lua_State *state, size_t capacity);
/* Room for `size` more bytes; returns where they go. Add to bytes->size when they are there. */
char *lua_bytes_reserve(lua_bytes *bytes, size_t size);
static inline void lua_bytes_add(lua_bytes *bytes, const char *data, size_t size)
{
    char *room = size <= bytes->capacity - bytes->size ? bytes->data + bytes->size
        : lua_bytes_reserve(bytes, size);
    lua_engine_copy(room, data, size);
    bytes->size += size;
}
static inline void lua_bytes_add_byte(lua_bytes *bytes, char byte)
{
    if (bytes->size == bytes->capacity) {
        (void)lua_bytes_reserve(bytes, 1);
    }
    bytes->data[bytes->size++] = byte;
}
/* Push the bytes as a string. */
void lua_bytes_push_string(lua_bytes *bytes);

/* ---- lua_number.c ---- */

enum { LUA_NUMBER_TEXT_SIZE = 32 };

/* Write a number into `text`, of LUA_NUMBER_TEXT_SIZE bytes, without a NUL. Returns its bytes. */
size_t lua_number_print_integer(char *text, lua_Integer number);
/* As "%.*f" does. 0: it is not simple (above 10^11, more than 4 places), ask printf(3). */
size_t lua_number_print_fixed(char *text, double number, unsigned int precision);
/* The fewest places, at least one, with which it reads back as the same number. 0: as above. */
size_t lua_number_print_shortest(char *text, double number);
/* Replace string.format by one that is quick with %d, %s and %.2f, and else is Lua's. */
void lua_engine_open_format(lua_State *state);

/* json.decode(text) */
int lua_engine_json_decode(lua_State *state);
/* The address that stands for JSON's null in Lua. */
#define LUA_ENGINE_JSON_NULL NULL
#define LUA_ENGINE_JSON_DEPTH_MAX 128
/* The table on top of the stack is an object even if it is empty. */
void lua_engine_mark_json_object(lua_State *state);

#endif
