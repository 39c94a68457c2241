/* A script's image gives the same pages as the work it stands for, and nothing of one request is in
 * the next. The scripts are files that were not changed lately: those of the source tree. */
#include "config.h"

#include "tests/support/check.h"
#include "zend_alloc.h"

#if !TSRMALLOC_LUA || ZEND_DEBUG || TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD

int main(void)
{
    CHECK_CASE("a script's image gives the same pages");
    CHECK_SKIP("this build has no images of scripts (no Lua, a debug build, or a sanitizer)");
    return check_summary();
}

#else

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/lua_internal.h"
#include "tests/unit/lua_support.h"

static lua_runner *runner;
static char first_page[sizeof(page.out)];

/* A request for a file; `before` bytes of its heap are in use when the engine hears of it. */
static engine_result run_file(const char *path, size_t before)
{
    TSRMLS_FETCH();
    page.out_size = 0;
    page.out[0] = '\0';
    page.headers[0] = '\0';
    int file = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    lua_request.script = (engine_script){ .path = path, .file = file };
    CHECK(php_request_startup(TSRMLS_C) == SUCCESS);
    if (before > 0) {
        CHECK(emalloc(before) != NULL);
    }
    engine_result result = lua_engine.run(runner, 0, &lua_request);
    SG(heap_is_kept) = lua_engine.end_request(runner);
    php_request_shutdown(TSRMLS_C);
    close(file);
    return result;
}

static size_t image_size(const lua_image *image)
{
    size_t size = 0;
    for (unsigned int index = 0; index < image->piece_count; index++) {
        size += (size_t)image->pieces[index].count * LUA_IMAGE_GRAIN;
    }
    return size;
}

static unsigned int image_count(void)
{
    unsigned int count = 0;
    for (unsigned int index = 0; index < LUA_IMAGE_COUNT; index++) {
        count += runner->images[index].piece_count > 0;
    }
    return count;
}

static void same_pages(const char *path)
{
    static lua_image taken[LUA_IMAGE_COUNT];
    CHECK_CASE("the first request of a script leaves an image, from which the others begin");
    CHECK(run_file(path, 0) == ENGINE_DONE && page.out_size > 1000);
    CHECK(runner->images[0].piece_count > 1 && runner->images[1].piece_count == 0);
    CHECK(image_size(&runner->images[0]) < runner->images[0].arena_used);
    uint64_t count = lua_engine.operation_count(runner);
    memcpy(first_page, page.out, sizeof(page.out));
    memcpy(taken, runner->images, sizeof(taken));
    for (unsigned int turn = 0; turn < 100; turn++) {
        CHECK(run_file(path, 0) == ENGINE_DONE && strcmp(page.out, first_page) == 0);
        CHECK(lua_engine.operation_count(runner) == count);
    }
    CHECK_CASE("no request changes it");
    CHECK(memcmp(runner->images, taken, sizeof(taken)) == 0);

    CHECK_CASE("where the image cannot lie at its place the work is done");
    CHECK(run_file(path, 512 * 1024) == ENGINE_DONE && strlen(page.out) == strlen(first_page));
    CHECK(run_file(path, 0) == ENGINE_DONE && strlen(page.out) == strlen(first_page));
}

static void two_scripts(const char *one, const char *other)
{
    CHECK_CASE("two scripts in turn are each itself");
    CHECK(run_file(one, 0) == ENGINE_DONE);
    size_t size = strlen(page.out);
    for (unsigned int turn = 0; turn < 10; turn++) {
        CHECK(run_file(other, 0) == ENGINE_DONE && strstr(page.out, "a1, b1") != NULL);
        CHECK(run_file(one, 0) == ENGINE_DONE && strlen(page.out) == size);
    }
    CHECK_CASE("each has its image, which is taken once");
    CHECK(image_count() == 2 && runner->next_image == 2);
}

/* Links, which are scripts of their own. */
static void many_scripts(const char *path)
{
    enum { SCRIPT_COUNT = LUA_IMAGE_COUNT + 3 };
    char links[SCRIPT_COUNT][64];
    CHECK_CASE("of more scripts than there are images the last ones have theirs");
    CHECK(run_file(path, 0) == ENGINE_DONE);
    /* Tables of another state may give their keys in another order. */
    size_t size = strlen(page.out);
    for (unsigned int index = 0; index < SCRIPT_COUNT; index++) {
        snprintf(links[index], sizeof(links[index]), "/tmp/tsrmalloc-image-%ld-%u.lua",
            (long)getpid(), index);
        CHECK(symlink(path, links[index]) == 0);
        CHECK(run_file(links[index], 0) == ENGINE_DONE && strlen(page.out) == size);
    }
    unsigned int next = runner->next_image;
    for (unsigned int index = 3; index < SCRIPT_COUNT; index++) {
        CHECK(run_file(links[index], 0) == ENGINE_DONE && strlen(page.out) == size);
    }
    CHECK(image_count() == LUA_IMAGE_COUNT && runner->next_image == next);
    for (unsigned int index = 0; index < SCRIPT_COUNT; index++) {
        unlink(links[index]);
    }
}

static void write_script(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void changed_script(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/tsrmalloc-image-%ld.lua", (long)getpid());
    CHECK_CASE("a script that was changed is seen at once");
    write_script(path, "print('one')");
    CHECK(run_file(path, 0) == ENGINE_DONE && strcmp(page.out, "one\n") == 0);
    write_script(path, "print('two')");
    CHECK(run_file(path, 0) == ENGINE_DONE && strcmp(page.out, "two\n") == 0);
    CHECK_CASE("one with an error says so, each time");
    write_script(path, "print('two'");
    for (unsigned int turn = 0; turn < 3; turn++) {
        CHECK(run_file(path, 0) == ENGINE_FAILED && page.out_size == 0);
        CHECK(strstr(lua_engine.runner_error(runner), "')' expected") != NULL);
    }
    unlink(path);
}

int main(void)
{
    char page_path[512], tables_path[512], error[256];
    const engine_script none = { .file = -1 };
    const char *source = getenv("abs_top_srcdir");
    snprintf(page_path, sizeof(page_path), "%s/bench/pages/page.lua",
        source != NULL ? source : "..");
    snprintf(tables_path, sizeof(tables_path), "%s/bench/pages/tables.lua",
        source != NULL ? source : "..");
    CHECK_CASE("the process begins");
    if (!CHECK(lua_support_begin())) {
        return check_summary();
    }
    void *program = lua_engine.load(&none, error, sizeof(error));
    CHECK(program != NULL);
    runner = lua_engine.runner_new(program, 0);
    CHECK(runner != NULL);
    same_pages(page_path);
    two_scripts(page_path, tables_path);
    many_scripts(page_path);
    changed_script();
    lua_engine.runner_free(runner);
    lua_engine.unload(program);
    lua_support_end();
    return check_summary();
}

#endif
