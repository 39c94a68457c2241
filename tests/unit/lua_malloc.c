/* While a Lua script runs, nothing calls malloc: counted by functions of those names in this
 * program, which the C library and Lua's own library call too. */
#include "config.h"

#include "tests/support/check.h"

#if !TSRMALLOC_LUA

int main(void)
{
    CHECK_CASE("a script calls malloc never");
    CHECK_SKIP("this build has no Lua");
    return check_summary();
}

#elif TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD

int main(void)
{
    CHECK_CASE("a script calls malloc never");
    CHECK_SKIP("the sanitizer has functions of the same names");
    return check_summary();
}

#else

#include <errno.h>

#include "tests/unit/lua_support.h"

/* glibc's own names for what it does. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static volatile bool is_counting;
static volatile unsigned int call_count;

static void count(void)
{
    call_count = call_count + is_counting;
}

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size)
{
    count();
    return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size)
{
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    count();
    *block = __libc_memalign(alignment, size);
    return *block != NULL ? 0 : ENOMEM;
}

void free(void *block)
{
    if (block != NULL) {
        count();
    }
    __libc_free(block);
}

/* Something of everything a page may do. No more than 100 places are sorted: beyond that Lua picks
 * pivots by the clock, and its stack grows as deep as they make it. Nor is the order of keys used,
 * which is another in each state. */
static const char everything[] =
    "local rows = {}\n"
    "for i = 1, 2000 do\n"
    "  rows[i] = { i, string.format('%05d %s %g', i, ('x'):rep(i % 50), i / 3) }\n"
    "end\n"
    "table.sort(table.move(rows, 1, 100, 1, {}), function(a, b) return a[2] > b[2] end)\n"
    "local text = json.encode(rows)\n"
    "assert(#json.decode(text) == 2000)\n"
    "local parts = {}\n"
    "for word in text:gmatch('%d+') do parts[#parts + 1] = html.escape('<' .. word .. '>') end\n"
    "local joined = table.concat(parts, '&')\n"
    "print(#joined, url.encode(('a b&'):rep(30)))\n"
    "print(os.date('%Y-%m-%d %H:%M:%S'), os.date('!%c', 0))\n"
    "print(os.time{ year = 2020, month = 1, day = 1 })\n"
    "print(pcall(error, { 'a table' }))\n"
    "print(pcall(string.rep, 'x', 100000000))\n"
    "local co = coroutine.wrap(function(n) for i = 1, n do coroutine.yield(i) end end)\n"
    "for i = 1, 10 do co(10) end\n"
    "print(load('return 1 + 1')(), utf8.char(228, 8364), math.random(10) > 0, tostring(1e300))\n"
    "for name, value in pairs(request.params()) do response.header('X-' .. name, value) end\n"
    "print(request.header('Host'), request.get.a, request.post.b, request.content_length)\n"
    "response.status(404)\n"
    "print(debug.traceback('here'), tonumber('0x1p4'), ('%a'):format(1), string.pack('>i4', 7))\n";

static const char *const params[] = {
    "HTTP_HOST", "example.org", "QUERY_STRING", "a=1%202&c[]=1&c[]=2", "CONTENT_LENGTH", "9",
    "CONTENT_TYPE", "application/x-www-form-urlencoded", NULL,
};

static void run_counted(void *runner, const char *code, engine_result expected)
{
    call_count = 0;
    is_counting = true;
    engine_result result = lua_support_run_in(runner, code);
    is_counting = false;
    CHECK(result == expected);
    /* In a debug build the heap's records of blocks lie in malloc memory. */
    if (!CHECK(call_count == 0 || ZEND_DEBUG) || result != expected) {
        printf("%u calls; %s\n", call_count, lua_engine.runner_error(runner));
    }
}

int main(void)
{
    char error[256];
    const engine_script none = { .file = -1 };
    CHECK_CASE("the counting functions count");
    is_counting = true;
    void *volatile probe = malloc(10);
    is_counting = false;
    free(probe);
    CHECK(call_count == 1);

    CHECK_CASE("the process starts");
    CHECK(lua_support_begin());
    void *program = lua_engine.load(&none, error, sizeof(error));
    void *runner = program != NULL ? lua_engine.runner_new(program, 0) : NULL;
    if (!CHECK(runner != NULL)) {
        return check_summary();
    }
    page.params = params;
    page.body = "b=%C3%A9&d";

    CHECK_CASE("a request with something of everything calls malloc never");
    run_counted(runner, everything, ENGINE_DONE);
    CHECK(strstr(page.out, "example.org\t1 2\t\xC3\xA9\t9") != NULL);
    uint64_t allocations = lua_engine.operation_count(runner);

    CHECK_CASE("nor does the next one, and it makes the same allocations");
    run_counted(runner, everything, ENGINE_DONE);
    CHECK(lua_engine.operation_count(runner) == allocations);
    CHECK(allocations > 10000);

    CHECK_CASE("nor one that fails");
    run_counted(runner, "local function f() error('x') end f()", ENGINE_FAILED);
    run_counted(runner, "a = = b", ENGINE_FAILED);

    CHECK_CASE("nor one at the memory limit");
    run_counted(runner, "local t = {} while true do t[#t + 1] = ('x'):rep(999) .. #t end",
        ENGINE_NO_MEMORY);
    CHECK(strstr(lua_engine.runner_error(runner), "Allowed memory size of 8388608 bytes") != NULL);

    CHECK_CASE("behind each of them the heap is empty, and the next request runs");
    TSRMLS_FETCH();
    CHECK(zend_memory_usage(0 TSRMLS_CC) == 0);
    run_counted(runner, "print(1)", ENGINE_DONE);
    CHECK(zend_memory_usage(0 TSRMLS_CC) == 0);
    CHECK(strcmp(page.out, "1\n") == 0);

    CHECK_CASE("the limit that is named is the one that was reached");
    CHECK(zend_mm_set_process_limit(zend_mm_process_usage() + ZEND_MM_SEGMENT_SIZE));
    run_counted(runner, "local t = {} while true do t[#t + 1] = ('x'):rep(999) .. #t end",
        ENGINE_NO_MEMORY);
    CHECK(strstr(lua_engine.runner_error(runner), "Allowed process memory size of ") != NULL);
    CHECK(zend_mm_set_process_limit(SIZE_MAX));

    lua_engine.runner_free(runner);
    lua_engine.unload(program);
    lua_support_end();
    return check_summary();
}

#endif
