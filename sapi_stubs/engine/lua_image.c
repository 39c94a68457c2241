/* lua_image: an interpreter that has opened its libraries and compiled its script, as a copy to
 * begin with: a request of the same script gets the bytes in place of the work.
 * Owns        run->arena, a block of the request heap; run->image, in C library memory.
 * Thread      the runner's.
 * Invariants  I1  everything the image points to is in it, static, or the runner: what was
 *                 allocated while the arena was open is in the arena, or there is no image
 *             I2  an image is used at the address where it was taken: blocks do not move
 *             I3  no block in the arena is given to the heap
 * Failure     none: without an image a request does the work.
 * Tests       tests/unit/lua_image.c */
#include "config.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lua_internal.h"

/* A script that was changed so lately, in seconds, may change again under the same time stamp. */
enum { SETTLED_AFTER = 2 };

bool lua_image_is_possible(const lua_runner *run)
{
    return !ZEND_DEBUG && !TSRMALLOC_SANITIZE_ADDRESS && !TSRMALLOC_SANITIZE_THREAD
        && !run->keeps_heap && run->image != NULL && is_zend_mm();
}

/* ---- the arena ---- */

void lua_image_begin(lua_runner *run)
{
    run->arena = lua_image_is_possible(run)
        ? erealloc_recoverable(NULL, LUA_IMAGE_SIZE_MAX) : NULL;
    run->arena_used = 0;
    run->arena_is_open = false;
}

void *lua_image_take(lua_runner *run, size_t size)
{
    size_t rounded = (size + 15) & ~(size_t)15;
    if (rounded < size || rounded > LUA_IMAGE_SIZE_MAX - run->arena_used) {
        run->arena_is_open = false;     /* what follows is elsewhere: no image */
        return NULL;
    }
    void *block = run->arena + run->arena_used;
    run->arena_used += rounded;
    return block;
}

/* ---- images ---- */

/* What tells one version of a script from another. false: it may change unnoticed. */
static bool identify(const lua_runner *run, lua_image_key *key)
{
    struct stat about;
    memset(key, 0, sizeof(*key));
    if (run->script.file < 0 || fstat(run->script.file, &about) != 0 || !S_ISREG(about.st_mode)
        || strlen(run->script.path) >= sizeof(key->path)
        || time(NULL) - about.st_mtim.tv_sec < SETTLED_AFTER
        || time(NULL) - about.st_ctim.tv_sec < SETTLED_AFTER) {
        return false;
    }
    key->device = about.st_dev;
    key->file = about.st_ino;
    key->size = about.st_size;
    key->changed = about.st_mtim;
    key->touched = about.st_ctim;
    strcpy(key->path, run->script.path);
    return true;
}

bool lua_image_restore(lua_runner *run)
{
    const lua_image *image = run->image;
    lua_image_key key;
    if (run->arena == NULL || image->size == 0 || image->address != run->arena
        || !identify(run, &key) || memcmp(&key, &image->key, sizeof(key)) != 0) {
        return false;
    }
    memcpy(run->arena, image->bytes, image->size);
    run->arena_used = image->size;
    run->allocation_count = image->allocation_count;
    run->state = image->state;
    return true;
}

void lua_image_open(lua_runner *run)
{
    run->arena_is_open = run->arena != NULL;
}

void lua_image_save(lua_runner *run)
{
    lua_image *image = run->image;
    if (!run->arena_is_open) {
        return;
    }
    run->arena_is_open = false;
    image->size = 0;
    if (lua_engine_is_stopping(run) || !identify(run, &image->key)) {
        return;
    }
    memcpy(image->bytes, run->arena, run->arena_used);
    image->size = run->arena_used;
    image->address = run->arena;
    image->state = run->state;
    image->allocation_count = run->allocation_count;
}
