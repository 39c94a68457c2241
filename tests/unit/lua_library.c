/* What scripts find: json, html, url, request, response; a case is a script and what it prints. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/lua_support.h"

static void *program;
static void *runner;

static void begin(void)
{
    char error[256];
    const engine_script none = { .file = -1 };
    cr_assert(lua_support_begin());
    program = lua_engine.load(&none, error, sizeof(error));
    cr_assert_not_null(program, "%s", error);
    runner = lua_engine.runner_new(program, 0);
    cr_assert_not_null(runner);
}

static void end(void)
{
    lua_engine.runner_free(runner);
    lua_engine.unload(program);
    lua_support_end();
}

TestSuite(lua_library, .init = begin, .fini = end, .timeout = 60);

static void prints(const char *code, const char *expected)
{
    engine_result result = lua_support_run_in(runner, code);
    cr_expect(result == ENGINE_DONE, "%s: %s", code, lua_engine.runner_error(runner));
    cr_expect(expected == NULL || strcmp(page.out, expected) == 0, "%s\nprints  %s\ninstead %s", code,
        page.out, expected);
}

/* The message of an error that the script catches. */
static void fails(const char *call, const char *expected)
{
    char code[512];
    snprintf(code, sizeof(code), "print(select(2, pcall(function() return %s end)))", call);
    engine_result result = lua_support_run_in(runner, code);
    cr_expect(result == ENGINE_DONE, "%s: %s", code, lua_engine.runner_error(runner));
    cr_expect(strstr(page.out, expected) != NULL, "%s\nprints %s\nnot    %s", call, page.out,
        expected);
}

Test(lua_library, format_is_what_it_is_in_lua)
{
    prints("print(string.format('%d %s %.0f %.2f %.0f%%', 7, 'a\\0b', -3.0, 2.675, 2.5):byte(1, -1))",
        "55\t32\t97\t0\t98\t32\t45\t51\t32\t50\t46\t54\t55\t32\t50\t37\n");
    prints("print(('%5d|%-4s|%x|%q|%g|%s|%.3s'):format(7, 'a', 255, 'b', 0.5, true, 'abcd'))",
        "    7|a   |ff|\"b\"|0.5|true|abc\n");
    prints("print(string.format('%s %s %d', 1, 2.5, 3.0), string.format(''), string.format('%%'))",
        "1 2.5 3\t\t%\n");
    prints("print(#string.format('%s', ('x'):rep(5000)), string.format('%.2f', 1e15))",
        "5000\t1000000000000000.00\n");
    fails("string.format('%d', 'x')",
        "bad argument #2 to 'format' (number expected, got string)");
    fails("string.format('%d')", "bad argument #2 to 'format' (no value)");
    fails("string.format('%y', 1)", "invalid conversion '%y' to 'format'");
    fails("string.format('%', 1)", "invalid conversion '%' to 'format'");
}

Test(lua_library, response_text_escapes_what_it_writes)
{
    prints("response.text('<a href=\"', 1, '\">', 2.5, \" & 'x'\")",
        "&lt;a href=&quot;1&quot;&gt;2.5 &amp; &#39;x&#39;");
    prints("response.text(('<'):rep(1000)) response.write(#('&lt;'):rep(1000) == 4000)", NULL);
    cr_expect(strlen(page.out) == 4004, "%zu bytes", strlen(page.out));
    cr_expect(strncmp(page.out, "&lt;&lt;", 8) == 0 && strstr(page.out, "&lt;true") != NULL);
}

Test(lua_library, json_writes_every_kind_of_value)
{
    prints("print(json.encode(nil), json.encode(true), json.encode(false), json.encode(json.null))",
        "null\ttrue\tfalse\tnull\n");
    prints("print(json.encode(7), json.encode(-0.5), json.encode(1e100), json.encode(2.0))",
        "7\t-0.5\t1e+100\t2.0\n");
    prints("print(json.encode(0.1), json.encode(1 / 3), json.encode(math.mininteger))",
        "0.1\t0.3333333333333333\t-9223372036854775808\n");
    prints("print(json.encode('a\"\\\\\\n\\0\\x1f/\xC3\xA4'))",
        "\"a\\\"\\\\\\n\\u0000\\u001f/\xC3\xA4\"\n");
    prints("print(json.encode{ 1, 'b', { 2 }, {} })", "[1,\"b\",[2],[]]\n");
    prints("print(json.encode{ a = { 1 } }, json.encode{ [2] = 1 })", "{\"a\":[1]}\t{\"2\":1}\n");
    prints("print(json.encode(json.object()), json.encode(json.object{ 1 }))", "{}\t{\"1\":1}\n");
}

Test(lua_library, json_says_what_it_cannot_write)
{
    fails("json.encode(print)", "json: a function value has no form in JSON");
    fails("json.encode(0 / 0)", "nan has no form in JSON");
    fails("json.encode(math.huge)", "inf has no form in JSON");
    fails("json.encode{ [{}] = 1 }", "json: a key is a table value, expected a text or a number");
    fails("json.encode('ab\\xff')", "json: byte 3 of a text is 0xff, expected UTF-8");
    fails("json.encode('\\xed\\xa0\\x80')", "json: byte 1 of a text is 0xed, expected UTF-8");
    fails("json.encode('\\xc0\\x80')", "expected UTF-8");
    fails("json.encode('\\xf4\\x90\\x80\\x80')", "expected UTF-8");
    fails("json.encode('\\xe2\\x82')", "expected UTF-8");
    fails("(function() local t = {} t[1] = t return json.encode(t) end)()",
        "json: more than 128 tables inside each other");
}

Test(lua_library, json_reads_every_kind_of_value)
{
    prints("print(json.decode('7'), json.decode('-1.5e1'), json.decode('12345678901234567890'))",
        "7\t-15.0\t1.2345678901235e+19\n");
    prints("print(json.decode(' true '), json.decode('false'), json.decode('null') == json.null)",
        "true\tfalse\ttrue\n");
    prints("print(json.decode('\"a\\\\n\\\\u00e4\\\\ud83d\\\\ude00\\\\/\"'))",
        "a\n\xC3\xA4\xF0\x9F\x98\x80/\n");
    prints("local t = json.decode('[1, [2, {\"a\" : {}}], []]')"
        " print(#t, t[2][1], json.encode(t[2][2]), #t[3])", "3\t2\t{\"a\":{}}\t0\n");
    prints("local t = json.decode('{\"a\": 1, \"b\": [null], \"a\": 2}')"
        " print(t.a, t.b[1] == json.null)", "2\ttrue\n");
}

Test(lua_library, json_names_the_byte_that_is_wrong)
{
    fails("json.decode('')", "json: byte 1: found the end, expected a value");
    fails("json.decode('[1,]')", "json: byte 4: found ']', expected a value");
    fails("json.decode('[1 2]')", "json: byte 4: found '2', expected ',' or ']'");
    fails("json.decode('{a: 1}')", "json: byte 2: found 'a', expected a key in quotes");
    fails("json.decode('{\"a\" 1}')", "json: byte 6: found '1', expected ':'");
    fails("json.decode('01')", "json: byte 2: found '1', expected the end");
    fails("json.decode('1.')", "json: byte 3: found the end, expected a digit");
    fails("json.decode('\"a\\n\"')", "json: byte 3: found byte 0x0a, expected more of a text");
    fails("json.decode('\"\\\\x\"')", "json: byte 3: found 'x', expected one of");
    fails("json.decode('\"\\\\u12g4\"')", "expected four hexadecimal digits");
    fails("json.decode('\"\\\\ud800\"')", "expected the second half of a surrogate pair");
    fails("json.decode('nul')", "json: byte 1: found 'n', expected a value");
    fails("json.decode(('['):rep(200))", "more than 128 lists and objects inside each other");
}

Test(lua_library, what_json_wrote_it_reads_back)
{
    prints("local ok = true for i = 1, 2000 do"
        " local x = math.random() * 10 ^ math.random(-300, 300) ok = ok"
        " and json.decode(json.encode(x)) == x end print(ok)", "true\n");
    prints("local s = {} for i = 0, 0x10ffff, 97 do if i < 0xd800 or i > 0xdfff then"
        " s[#s + 1] = utf8.char(i) end end s = table.concat(s)"
        " print(json.decode(json.encode(s)) == s)", "true\n");
}

Test(lua_library, html_and_url_escape_what_means_something)
{
    prints("print(html.escape('<a b=\"c\">&\\'</a>'), html.escape('plain'), html.escape(''))",
        "&lt;a b=&quot;c&quot;&gt;&amp;&#39;&lt;/a&gt;\tplain\t\n");
    prints("print(url.encode('a b/\xC3\xA4~-._&'))", "a%20b%2F%C3%A4~-._%26\n");
}

Test(lua_library, get_has_the_variables_of_the_query)
{
    static const char *const params[] = {
        "QUERY_STRING", "a=1&b=x+y%21&&=lost&c&d[]=1&d[]=2&a=2&e=%zz%4", NULL,
    };
    page.params = params;
    prints("local g = request.get print(g.a, g.b, g.c, #g.d, g.d[2], g.e, g[''], request.get == g)",
        "2\tx y!\t\t2\t2\t%zz%4\tnil\ttrue\n");
}

Test(lua_library, post_has_those_of_a_form_alone)
{
    static const char *const form[] = {
        "CONTENT_TYPE", "application/x-www-form-urlencoded; charset=utf-8", NULL,
    };
    static const char *const other[] = { "CONTENT_TYPE", "application/json", NULL };
    page.body = "name=J%C3%B6rg&x=1";
    page.body_piece = 3;
    page.params = form;
    prints("print(request.post.name, request.post.x, request.read())", "J\xC3\xB6rg\t1\tnil\n");
    page.params = other;
    prints("print(next(request.post), request.body())", "nil\tname=J%C3%B6rg&x=1\n");
}

Test(lua_library, the_request_shows_what_the_server_passed)
{
    static const char *const params[] = {
        "REQUEST_METHOD", "PUT", "REQUEST_URI", "/a?b", "HTTP_USER_AGENT", "t", "CONTENT_LENGTH",
        "12", "CONTENT_TYPE", "a/b", "SERVER_NAME", "here", NULL,
    };
    page.params = params;
    prints("print(request.method, request.uri, request.path_info, request.content_length + 1)",
        "PUT\t/a?b\tnil\t13\n");
    prints("print(request.header('user-agent'), request.headers()['User-Agent'],"
        " request.header('Content-Type'), request.header('None'))", "t\tt\ta/b\tnil\n");
    prints("print(request.param('SERVER_NAME'), request.params().SERVER_NAME, request.nonsense)",
        "here\there\tnil\n");
}

Test(lua_library, the_body_is_read_in_the_pieces_that_were_asked_for)
{
    page.body = "0123456789";
    prints("print(request.read(4), request.read(100), request.read())", "0123\t456789\tnil\n");
    fails("request.read(0)", "expected 1 to 2^31 - 1 bytes");
}

Test(lua_library, the_response_has_status_headers_and_bytes)
{
    prints("response.status(404) response.header('A', '1') response.header('B', '2', 'add')"
        " response.write('x', 1, 2.5, nil, true) print()", "x12.5niltrue\n");
    cr_expect(page.status == 404);
    cr_expect_str_eq(page.headers, "A=1;+B=2;");
    fails("response.status(99)", "expected a status from 100 to 599");
    fails("response.header('A', 'refused')", "the test refuses this");
    fails("response.header('A', 'b', 'c')", "invalid option 'c'");
}

static unsigned int count_at_flush;

static bool note_flush(void *context)
{
    (void)context;
    count_at_flush = page.write_count;
    return true;
}

static void hold_output(void)
{
    static engine_request_functions functions;
    functions = page_functions;
    functions.holds_output = true;
    functions.flush = note_flush;
    lua_request.functions = &functions;
}

Test(lua_library, each_call_that_writes_is_one_write)
{
    prints("response.write('a', 1, 2.5) print('b', {1} == 1) response.text('<')",
        "a12.5b\tfalse\n&lt;");
    cr_expect_eq(page.write_count, 3);
}

Test(lua_library, a_sapi_that_holds_back_gets_all_at_the_end)
{
    hold_output();
    prints("local o = setmetatable({}, "
        "{ __tostring = function() response.write('in ') return 'o' end })"
        "for i = 1, 9 do response.write(i) end print(o) response.text('<', o) response.write('')",
        "123456789in o\n&lt;in o");
    cr_expect_eq(page.write_count, 1);
    prints("response.write('a') response.flush() response.write('b')", "ab");
    cr_expect(count_at_flush == 1 && page.write_count == 2);
    prints("for i = 1, 500 do response.write('0123456789') end", NULL);
    cr_expect(page.write_count == 2 && page.out_size == 5000);
    prints("response.write('a') response.write(('x'):rep(5000)) response.write('b')", NULL);
    cr_expect(page.write_count == 3 && page.out_size == 5002 && page.out[5001] == 'b');
    prints("for i = 1, 200 do response.text('<<<<<<<<<<') end", NULL);
    cr_expect(page.out_size == 8000 && strncmp(page.out + 7992, "&lt;&lt;", 8) == 0);
}

Test(lua_library, what_was_held_back_comes_before_an_error_or_an_exit)
{
    hold_output();
    cr_expect_eq(lua_support_run_in(runner, "print('a') error('b')"), ENGINE_FAILED);
    cr_expect_str_eq(page.out, "a\n");
    prints("print('a') os.exit(3)", "a\n");
    prints("print('next')", "next\n");
}

Test(lua_library, a_client_that_is_gone_is_seen_at_the_end)
{
    hold_output();
    page.out_max = 3;
    cr_expect_eq(lua_support_run_in(runner, "print('abcd')"), ENGINE_STOPPED);
    cr_expect_eq(engine_request_stop(&lua_request), ENGINE_STOP_CLIENT_GONE);
}

Test(lua_library, coroutines_do_what_they_always_did)
{
    prints("local co = coroutine.create(function(a) local b = coroutine.yield(a + 1)"
        " error('e' .. b) end) print(coroutine.resume(co, 1))"
        " print(coroutine.resume(co, 5)) print(coroutine.resume(co))"
        " print(coroutine.status(co))",
        "true\t2\nfalse\ttest.lua:1: e5\nfalse\tcannot resume dead coroutine\ndead\n");
    prints("for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do"
        " response.write(i) end", "123");
    prints("local co co = coroutine.wrap(function() return pcall(co) end) print(co())",
        "false\tcannot resume non-suspended coroutine\n");
    prints("local co = coroutine.create(function() local x <close> = setmetatable({}, { __close ="
        " function() print('closed') end }) coroutine.yield() end) coroutine.resume(co)"
        " print(coroutine.close(co), coroutine.status(co))", "closed\ntrue\tdead\n");
    prints("print(xpcall(function(...) coroutine.isyieldable() error(...) end,"
        " function(m) return 'h' .. m end, 'x'))", "false\thtest.lua:1: x\n");
    prints("local co = coroutine.wrap(function() return xpcall(function() coroutine.yield(1)"
        " return 2 end, print) end) print(co(), co())", "1\ttrue\t2\n");
}

Test(lua_library, a_script_finds_its_own_changes_only)
{
    prints("string.own = 1 request.own = 2 _G.own = 3 print(own)", "3\n");
    prints("print(string.own, request.own, own)", "nil\tnil\tnil\n");
}
