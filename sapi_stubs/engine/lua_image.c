/* lua_image: interpreters that have opened their libraries and compiled their script, as copies to
 * begin with: a request of the same script gets the bytes in place of the work. A runner keeps one
 * for each of the scripts that it compiled last.
 * Owns        run->arena, a block of the request heap; run->images, in C library memory.
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
        && !run->keeps_heap && run->images != NULL && is_zend_mm();
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
    size_t rounded = (size + LUA_IMAGE_GRAIN - 1) & ~(size_t)(LUA_IMAGE_GRAIN - 1);
    if (rounded < size || rounded > LUA_IMAGE_SIZE_MAX - run->arena_used) {
        run->arena_is_open = false;     /* what follows is elsewhere: no image */
        return NULL;
    }
    void *block = run->arena + run->arena_used;
    run->arena_used += rounded;
    return block;
}

void lua_image_drop(lua_runner *run, const void *block, size_t size)
{
    if (!run->arena_is_open) {
        return;     /* no image will be taken */
    }
    size_t grain = (size_t)((const char *)block - run->arena) / LUA_IMAGE_GRAIN;
    size_t end = grain + (size + LUA_IMAGE_GRAIN - 1) / LUA_IMAGE_GRAIN;
    for (; grain < end; grain++) {
        run->arena_dead[grain / 64] |= (uint64_t)1 << grain % 64;
    }
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

static lua_image *find_image(const lua_runner *run, const lua_image_key *key)
{
    for (unsigned int index = 0; index < LUA_IMAGE_COUNT; index++) {
        lua_image *image = &run->images[index];
        if (image->piece_count > 0 && memcmp(key, &image->key, sizeof(*key)) == 0) {
            return image;
        }
    }
    return NULL;
}

bool lua_image_restore(lua_runner *run)
{
    lua_image_key key;
    if (run->arena == NULL || !identify(run, &key)) {
        return false;
    }
    const lua_image *image = find_image(run, &key);
    if (image == NULL || image->address != run->arena) {
        return false;
    }
    const char *from = image->bytes;
    for (unsigned int index = 0; index < image->piece_count; index++) {
        size_t size = (size_t)image->pieces[index].count * LUA_IMAGE_GRAIN;
        memcpy(run->arena + (size_t)image->pieces[index].first * LUA_IMAGE_GRAIN, from, size);
        from += size;
    }
    run->arena_used = image->arena_used;
    run->allocation_count = image->allocation_count;
    run->state = image->state;
    return true;
}

void lua_image_open(lua_runner *run)
{
    run->arena_is_open = run->arena != NULL;
    memset(run->arena_dead, 0, sizeof(run->arena_dead));
}

static bool is_dead(const lua_runner *run, size_t grain)
{
    return (run->arena_dead[grain / 64] >> grain % 64 & 1) != 0;
}

/* Copy what is alive. With too many pieces the last has all that is left. */
static void copy_pieces(const lua_runner *run, lua_image *image)
{
    size_t end = run->arena_used / LUA_IMAGE_GRAIN;
    char *to = image->bytes;
    image->piece_count = 0;
    for (size_t grain = 0; grain < end;) {
        size_t first = grain;
        bool is_last = image->piece_count + 1 == LUA_IMAGE_PIECE_COUNT_MAX;
        while (grain < end && (is_last || !is_dead(run, grain))) {
            grain++;
        }
        size_t count = grain - first;
        memcpy(to, run->arena + first * LUA_IMAGE_GRAIN, count * LUA_IMAGE_GRAIN);
        to += count * LUA_IMAGE_GRAIN;
        image->pieces[image->piece_count++] =
            (lua_image_piece){ (uint16_t)first, (uint16_t)count };
        while (grain < end && is_dead(run, grain)) {
            grain++;
        }
    }
}

void lua_image_save(lua_runner *run)
{
    lua_image_key key;
    if (!run->arena_is_open || lua_engine_is_stopping(run) || !identify(run, &key)) {
        run->arena_is_open = false;
        return;
    }
    /* Libraries that are off, and what compiling left. Nothing has a finalizer. */
    (void)lua_gc(run->state, LUA_GCCOLLECT);
    lua_engine_put_off_collector(run->state);
    if (!run->arena_is_open) {
        return;     /* collecting allocated, and the arena was full */
    }
    run->arena_is_open = false;
    lua_image *image = find_image(run, &key);
    if (image == NULL) {
        image = &run->images[run->next_image];
        run->next_image = (run->next_image + 1) % LUA_IMAGE_COUNT;
    }
    image->key = key;
    copy_pieces(run, image);
    image->address = run->arena;
    image->arena_used = run->arena_used;
    image->state = run->state;
    image->allocation_count = run->allocation_count;
}
