/* The request side of tsrmalloc-fpm: everything from the bytes of a request to those of its answer,
 * with a fake connection around it. */
#include "config.h"

#include "tests/support/check.h"

#ifdef ZTS

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fpm/request_file.h"
#include "tests/fpm/request_fake.h"

static char folder[64];
static fpm_connection connection;

static bool has(const char *text, const char *part)
{
    bool found = strstr(text, part) != NULL;
    if (!found) {
        printf("no '%s' in '%.2000s'\n", part, text);
    }
    return found;
}

static void put_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

static void clear(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.end = FPM_IO_CLOSED;
    fake.sent_max = sizeof(fake.sent);
    memset(&connection, 0, sizeof(connection));
    connection.input = fake_input;
    strcpy(connection.address, "127.0.0.9");
}

/* Serve one request of what is on the wire. Returns whether the connection may be kept. */
static bool serve(void)
{
    TSRMLS_FETCH();
    fake.sent_size = 0;
    bool keeps = fpm_request_serve(fake_worker, &connection TSRMLS_CC);
    read_answer();
    CHECK(answer.is_well_formed);
    CHECK(zend_memory_usage(0 TSRMLS_CC) == 0 || SG(heap_is_kept));
    return keeps;
}

/* A request for `script`, whose params are those of a usual one and `extra` (up to NULL). */
static void send_request(const char *method, const char *script, const char *query,
    const char *const *extra)
{
    char texts[8][512];
    const char *params[32] = { NULL };
    size_t count = 0;
    snprintf(texts[0], 512, "REQUEST_METHOD=%s", method);
    snprintf(texts[1], 512, "SCRIPT_FILENAME=%s/www/%s", folder, script);
    snprintf(texts[2], 512, "SCRIPT_NAME=/%s", script);
    snprintf(texts[3], 512, "QUERY_STRING=%s", query);
    snprintf(texts[4], 512, "REQUEST_URI=/%s?%s", script, query);
    snprintf(texts[5], 512, "DOCUMENT_ROOT=%s/www", folder);
    snprintf(texts[6], 512, "HTTP_ACCEPT_LANGUAGE=de");
    for (size_t index = 0; index < 7; index++) {
        params[count++] = texts[index];
    }
    for (; extra != NULL && *extra != NULL; extra++) {
        params[count++] = *extra;
    }
    send_begin(true);
    send_params(params);
}

static bool get(const char *script, const char *query)
{
    clear();
    send_request("GET", script, query, NULL);
    send_body("", 0);
    return serve();
}

/* ---- pages of the pool ---- */

static void check_pages(void)
{
    CHECK_CASE("ping is answered without a script, and not cached");
    CHECK(get("ping", ""));
    CHECK(has(answer.out, "Content-Type: text/plain;charset=UTF-8\r\n"));
    CHECK(has(answer.out, "Cache-Control: no-cache, no-store, must-revalidate, max-age=0\r\n"));
    CHECK(has(answer.out, "\r\n\r\npong"));
    CHECK(answer.end_count == 1 && answer.protocol_status == FCGI_REQUEST_COMPLETE);

    CHECK_CASE("a HEAD request has headers alone");
    clear();
    send_request("HEAD", "ping", "", NULL);
    send_body("", 0);
    CHECK(serve());
    CHECK(has(answer.out, "text/plain") && strstr(answer.out, "pong") == NULL);

    CHECK_CASE("the status page has the snapshot, in the format that the query names");
    CHECK(get("status", ""));
    CHECK(has(answer.out, "pool:                 www"));
    CHECK(get("status", "json&full"));
    CHECK(has(answer.out, "application/json") && has(answer.out, "\"pid\":77"));

    CHECK_CASE("a pool for status pages serves those and health pages, and no scripts");
    fake_conf.is_status = true;
    CHECK(get("hello.lua", "") && has(answer.out, "Status: 404 Not Found\r\n"));
    CHECK(get("healthz", "") && has(answer.out, "alive"));
    CHECK(get("readyz", "") && has(answer.out, "Status: 503 Service Unavailable\r\n"));
    CHECK(get("metrics", "") && has(answer.out, "tsrmalloc_requests_total"));
    fake_conf.is_status = false;
    CHECK(get("healthz", "") && has(answer.out, "403"));
}

/* ---- which file ---- */

/* The script was found; a build without Lua says then that it cannot run it. */
static bool has_run(void)
{
    return TSRMALLOC_LUA ? strstr(answer.out, "Status:") == NULL
        : has(answer.err, "this build has no Lua");
}

static void check_files(void)
{
    CHECK_CASE("no script: 404, and the words that operators know on STDERR");
    CHECK(get("none.lua", ""));
    CHECK(has(answer.out, "Status: 404 Not Found\r\n") && has(answer.out, "File not found.\n"));
    CHECK(has(answer.err, "Primary script unknown"));

    CHECK_CASE("a wrong extension: 403, with a line in the log");
    CHECK(get("secret.txt", ""));
    CHECK(has(answer.out, "Status: 403 Forbidden\r\n") && has(answer.out, "Access denied.\n"));
    CHECK(has(fake.log, "has been denied (see security.limit_extensions)"));

    CHECK_CASE("a path that leads out of the root: 403, by .. and by a link");
    CHECK(get("../outside.lua", "") && has(answer.out, "Status: 403 Forbidden\r\n"));
    CHECK(get("link.lua", "") && has(answer.out, "Status: 403 Forbidden\r\n"));
    CHECK(has(fake.log, "not below the document root"));

    CHECK_CASE("a link that stays in the root is followed");
    CHECK(get("inner.lua", ""));
    CHECK(has_run());

    CHECK_CASE("without openat2 the file is looked at where it is");
    char path[256];
    snprintf(path, sizeof(path), "%s/www", folder);
    int root = open(path, O_PATH | O_DIRECTORY);
    int file = fpm_file_open_below(root, "hello.lua", false);
    CHECK(file >= 0);
    close(file);
    CHECK(fpm_file_open_below(root, "../outside.lua", false) < 0);
    CHECK(fpm_file_open_below(root, "link.lua", false) < 0);
    close(root);

    CHECK_CASE("Apache's prefix is no part of the path");
    char apache[] = "proxy:fcgi://127.0.0.1:9000/srv/a.lua?b=/c";
    CHECK(strcmp(fpm_file_script_path(apache), "/srv/a.lua") == 0);
    char balancer[] = "proxy:balancer://all/srv/a.lua";
    CHECK(strcmp(fpm_file_script_path(balancer), "/srv/a.lua") == 0);
    char nothing[] = "proxy:fcgi://host";
    CHECK(strcmp(fpm_file_script_path(nothing), "") == 0);
    char plain[] = "/srv/what?.lua";
    CHECK(strcmp(fpm_file_script_path(plain), "/srv/what?.lua") == 0);

    CHECK_CASE("a folder is no script");
    CHECK(get("folder.lua", "") && has(answer.out, "Status: 404"));

    CHECK_CASE("a root of the configuration counts more than DOCUMENT_ROOT");
    fake_conf.security_document_root = folder;
    CHECK(get("../outside.lua", "") && has_run());
    fake_conf.security_document_root = NULL;
}

#if TSRMALLOC_LUA

/* ---- scripts ---- */

static bool post(const char *script, const char *body, const char *length)
{
    const char *extra[] = { length, "CONTENT_TYPE=application/x-www-form-urlencoded", NULL };
    clear();
    send_request("POST", script, "", extra);
    send_body(body, strlen(body));
    return serve();
}

static void check_scripts(void)
{
    CHECK_CASE("a script's answer has its headers and body");
    put_file("www/hello.lua", "response.header('X-A', '1') response.status(201)"
        " print('hello', request.method, request.get.n, request.header('Accept-Language'))");
    CHECK(get("hello.lua", "n=a%20b"));
    CHECK(has(answer.out, "Status: 201 Created\r\nX-A: 1\r\nContent-type: text/html"));
    CHECK(has(answer.out, "\r\n\r\nhello\tGET\ta b\tde\n"));
    CHECK(has(fake.calls, "begin end "));

    CHECK_CASE("headers are replaced, added and refused");
    put_file("www/headers.lua", "local r = response r.header('Content-Type', 'a/b')"
        " r.header('X', '1') r.header('x', '2') r.header('X', '3', 'add')"
        " print(pcall(r.header, 'Y', 'a\\r\\nZ: b')) print(pcall(r.header, 'a b', 'c'))"
        " r.flush() print(pcall(r.status, 404))");
    CHECK(get("headers.lua", ""));
    CHECK(has(answer.out, "Content-Type: a/b\r\nx: 2\r\nX: 3\r\n\r\n"));
    CHECK(has(answer.out, "control character") && has(answer.out, "not a header's name"));
    CHECK(has(answer.out, "the status has been sent already"));

    CHECK_CASE("a form's variables, then the connection's next request");
    put_file("www/form.lua", "print(request.post.a, request.post.b[2], request.content_length)");
    CHECK(post("form.lua", "a=1+1&b[]=x&b[]=%C3%A9", "CONTENT_LENGTH=22"));
    CHECK(has(answer.out, "1 1\t\xC3\xA9\t22\n"));

    CHECK_CASE("a body that is shorter than its length: 400, and no script");
    CHECK(post("form.lua", "a=1", "CONTENT_LENGTH=10"));
    CHECK(has(answer.out, "Status: 400 Bad Request\r\n") && strstr(answer.out, "\t") == NULL);

    CHECK_CASE("a longer one is cut, and the connection stays in step");
    clear();
    const char *extra[] = { "CONTENT_LENGTH=3", NULL };
    put_file("www/body.lua", "print(request.body())");
    send_request("POST", "body.lua", "", extra);
    send_body("0123456789", 10);
    send_request("GET", "hello.lua", "", NULL);
    send_body("", 0);
    CHECK(serve() && has(answer.out, "\r\n\r\n012\n"));
    CHECK(serve() && has(answer.out, "hello"));

    CHECK_CASE("a large body is read in constant memory, whatever pieces it comes in");
    static char body[700000];
    memset(body, 'x', sizeof(body));
    const char *large[] = { "CONTENT_LENGTH=700000", NULL };
    put_file("www/count.lua",
        "local n = 0 for piece in request.read do n = n + #piece end print(n)");
    for (size_t piece = 0; piece <= 5000; piece += 5000) {
        clear();
        fake.piece = piece;
        send_request("POST", "count.lua", "", large);
        send_body(body, sizeof(body));
        CHECK(serve() && has(answer.out, "\r\n\r\n700000\n"));
    }

    CHECK_CASE("an answer larger than all buffers arrives whole");
    put_file("www/large.lua", "for i = 1, 10000 do print(i, ('y'):rep(100)) end");
    CHECK(get("large.lua", ""));
    CHECK(has(answer.out + answer.out_size - 120, "10000\tyyy") && answer.end_count == 1);
}

/* What the cli says of the same script; 0: it could not be asked. */
static uint64_t allocations_in_cli(const char *name)
{
    char command[512];
    char text[1024] = "";
    const char *build = getenv("abs_top_builddir");
    snprintf(command, sizeof(command), "%s/tsrmalloc-cli --json %s/www/%s",
        build != NULL ? build : ".", folder, name);
    FILE *cli = popen(command, "r");
    size_t size = cli != NULL ? fread(text, 1, sizeof(text) - 1, cli) : 0;
    text[size] = '\0';
    const char *operations = strstr(text, "\"operations\":");
    CHECK(cli != NULL && pclose(cli) == 0 && operations != NULL);
    return operations != NULL ? strtoull(operations + 13, NULL, 10) : 0;
}

static void check_allocations(void)
{
    CHECK_CASE("a script makes the same allocations here and in tsrmalloc-cli");
    put_file("www/page.lua", "local rows = {} for i = 1, 500 do rows[i] = { n = i, s = 'r' .. i }"
        " end local s = json.encode(rows) print(#s, html.escape(('<a&b>'):rep(20)))");
    CHECK(get("page.lua", ""));
    uint64_t here = lua_engine.operation_count(fake_worker->request.runner);
    CHECK(here > 1000 && allocations_in_cli("page.lua") == here);
}

static void check_failures(void)
{
    CHECK_CASE("an error: 500, its reason in the log and on STDERR, not in the body");
    put_file("www/error.lua", "print('before') error('it broke')");
    CHECK(get("error.lua", ""));
    CHECK(has(answer.out, "Status: 500 Internal Server Error\r\n"));
    CHECK(strstr(answer.out, "broke") == NULL && strstr(answer.out, "before") == NULL);
    CHECK(has(answer.err, "error.lua:1: it broke") && has(answer.err, "traceback"));
    CHECK(has(fake.log, "/error.lua?") && has(fake.log, "it broke"));
    CHECK(strstr(fake.log, "traceback") == NULL);

    CHECK_CASE("with display_errors the body has it");
    fake_conf.display_errors = true;
    CHECK(get("error.lua", "") && has(answer.out, "it broke"));
    fake_conf.display_errors = false;

    CHECK_CASE("an error behind sent bytes: the answer is cut, the connection closed");
    put_file("www/late.lua", "print('before') response.flush() error('late')");
    CHECK(!get("late.lua", ""));
    CHECK(has(answer.out, "before") && answer.end_count == 0);

    CHECK_CASE("the memory limit: 500 in PHP's words, and the next request runs");
    put_file("www/hungry.lua", "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end");
    CHECK(get("hungry.lua", ""));
    CHECK(has(answer.out, "Status: 500"));
    CHECK(has(answer.err, "Allowed memory size of 8388608 bytes exhausted (tried to allocate "));
    CHECK(atomic_load(&fake_counters.limit_hits) == 1);
    CHECK(get("hello.lua", "") && has(answer.out, "hello"));

    CHECK_CASE("a client that takes nothing more ends the run");
    clear();
    send_request("GET", "large.lua", "", NULL);
    send_body("", 0);
    fake.sent_max = 200000;
    CHECK(!serve());
    CHECK(answer.end_count == 0);
    CHECK(atomic_load(&fake_counters.aborts) == 1);

    CHECK_CASE("a body that stops coming: 408");
    clear();
    const char *extra[] = { "CONTENT_LENGTH=100000", NULL };
    send_request("POST", "count.lua", "", extra);
    send_record(FCGI_TYPE_STDIN, "abc", 3);
    fake.end = FPM_IO_TIMEOUT;
    CHECK(!serve());
    CHECK(has(answer.out, "Status: 408 Request Timeout"));

    CHECK_CASE("ABORT_REQUEST: END_REQUEST alone");
    clear();
    send_request("POST", "count.lua", "", extra);
    send_record(FCGI_TYPE_ABORT_REQUEST, "", 0);
    (void)serve();
    CHECK(answer.out_size == 0 && answer.end_count == 1);
}

static void check_persistent(void)
{
    CHECK_CASE("the persistent script keeps its interpreter, until another script runs");
    put_file("www/app.lua", "local n = 0 return function() n = n + 1"
        " print('turn', n, request.get.q) if request.get.fail then error('f') end end");
    CHECK(get("app.lua", "q=a") && has(answer.out, "turn\t1\ta"));
    CHECK(get("app.lua", "q=b&fail=1") && has(answer.out, "Status: 500"));
    CHECK(get("ping", "") && has(answer.out, "pong"));
    CHECK(get("app.lua", "") && has(answer.out, "turn\t3\tnil"));
    CHECK(get("hello.lua", "") && has(answer.out, "hello"));
    CHECK(get("app.lua", "") && has(answer.out, "turn\t1"));
}

#endif

static void check_trace(void)
{
    CHECK_CASE("a trace as a page: its figures");
    char text[8192];
    char path[4096];
    const char *source = getenv("abs_top_srcdir");
    snprintf(path, sizeof(path), "%s/tests/data/small.zmt", source != NULL ? source : ".");
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    put_file("www/small.zmt", text);
    CHECK(get("small.zmt", ""));
    CHECK(has(answer.out, "requests:    3\noperations:  22\n"));

    CHECK_CASE("a trace that is none: 500 with its line");
    put_file("www/bad.zmt", "nonsense\n");
    CHECK(get("bad.zmt", "") && has(answer.out, "Status: 500"));
    CHECK(has(answer.err, "bad.zmt:1: found 'nonsense'"));
}

static void check_the_rest(void)
{
    CHECK_CASE("a request that waited too long for a worker: 503");
    clear();
    fake_conf.request_queue_timeout = 100;
    connection.queue_wait = 200000000;
    send_request("GET", "ping", "", NULL);
    send_body("", 0);
    CHECK(serve() && has(answer.out, "Status: 503 Service Unavailable"));
    fake_conf.request_queue_timeout = 0;

    CHECK_CASE("the access log has the request, unless it is suppressed");
    char error[ACCESS_LOG_ERROR_SIZE];
    fake_conf.access_format_compiled = access_log_compile("%R %m %r %s %n %f", error);
    CHECK(get("ping", "") && has(fake.access, "127.0.0.9 GET /ping 200 www"));
    fpm_conf_pair suppressed = { .value = (char[]){ "/ping" } };
    fake_conf.access_suppress_path = &suppressed;
    CHECK(get("ping", "") && fake.access[0] == '\0');
    CHECK(get("none.lua", "") && has(fake.access, "404"));
    access_log_format_free(fake_conf.access_format_compiled);
    fake_conf.access_format_compiled = NULL;
    fake_conf.access_suppress_path = NULL;

    CHECK_CASE("a body that is larger than post_max_size: 413");
    clear();
    const char *extra[] = { "CONTENT_LENGTH=8388609", NULL };
    send_request("POST", "hello.lua", "", extra);
    (void)serve();
    CHECK(has(answer.out, "Status: 413 Content Too Large"));

    CHECK_CASE("what is no FastCGI closes the connection");
    clear();
    strcpy((char *)fake.wire, "GET / HTTP/1.0\r\n\r\n");
    fake.wire_size = 18;
    CHECK(!serve() && fake.sent_size == 0);

    CHECK_CASE("GET_VALUES is answered without a request");
    clear();
    send_record(FCGI_TYPE_GET_VALUES, "\016\000FCGI_MAX_CONNS", 16);
    fake.wire[3] = 0;
    fake.end = FPM_IO_TIMEOUT;
    CHECK(serve() && fake.sent_size > 0 && fake.sent[1] == FCGI_TYPE_GET_VALUES_RESULT);
}

/* ---- the process ---- */

static void log_message(const char *message, int priority TSRMLS_DC)
{
    (void)tsrm_ls;
    fpm_log(priority <= SAPI_LOG_ERROR ? FPM_LOG_ERROR : FPM_LOG_NOTICE, NULL, "%s", message);
}

static zend_result startup(sapi_module_struct *sapi)
{
    return php_module_startup(sapi, NULL, 0);
}

static void make_folder(void)
{
    char from[256];
    char to[256];
    /* Not in the build directory, whose name may be long. */
    strcpy(folder, "/tmp/request_test.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(from, sizeof(from), "%s/www", folder);
    CHECK(mkdir(from, 0755) == 0);
    snprintf(from, sizeof(from), "%s/www/folder.lua", folder);
    CHECK(mkdir(from, 0755) == 0);
    put_file("outside.lua", "print('outside')");
    put_file("www/secret.txt", "secret");
    put_file("www/hello.lua", "print('hello')");
    snprintf(to, sizeof(to), "%s/www/link.lua", folder);
    CHECK(symlink("../outside.lua", to) == 0);
    snprintf(to, sizeof(to), "%s/www/inner.lua", folder);
    CHECK(symlink("hello.lua", to) == 0);
}

static void remove_folder(void)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
}

int main(void)
{
    static char persistent[128];
    fpm_conf_pair admin = { .key = (char[]){ "persistent_script" }, .value = persistent };
    sapi_module_struct sapi = { .name = "fpm", .startup = startup, .log_message = log_message };
    const char *error = NULL;
    CHECK_CASE("the process and the worker start");
    make_folder();
    fpm_request_fill_sapi(&sapi);
    CHECK(php_ini_set("memory_limit=8M", &error));
    CHECK(tsrm_startup(1, 1, 0, NULL) && ts_resource(0) != NULL);
    CHECK(sapi_startup(&sapi) == SUCCESS && sapi_module.startup(&sapi) == SUCCESS);
    CHECK(engine_interrupt_setup());
    snprintf(persistent, sizeof(persistent), "%s/www/app.lua", folder);
    put_file("www/app.lua", "");
    fake_conf = (fpm_conf_pool){
        .name = (char[]){ "www" }, .ping_path = (char[]){ "/ping" },
        .pm_status_path = (char[]){ "/status" },
        .post_max_size = FPM_CONF_POST_MAX_SIZE, .pm_max_connections = 9, .pm_max_children = 4,
        .security_limit_extensions = (char[]){ ".lua .zmt" }, .php_admin_values = &admin,
    };
    fake_worker = calloc(1, sizeof(*fake_worker));
    fake_worker->conf = &fake_conf;
    clear();
    CHECK(fpm_request_worker_start(fake_worker));

    check_pages();
    check_files();
#if TSRMALLOC_LUA
    check_scripts();
    check_allocations();
    check_failures();
    check_persistent();
#endif
    check_trace();
    check_the_rest();

    CHECK_CASE("all ends");
    TSRMLS_FETCH();
    SG(server_context) = NULL;
    fpm_request_worker_end(fake_worker);
    free(fake_worker);
    php_module_shutdown(TSRMLS_C);
    sapi_shutdown();
    CHECK(tsrm_shutdown() == 0);
    remove_folder();
    return check_summary();
}

#else

int main(void)
{
    CHECK_CASE("the server is built with ZTS only");
    CHECK_SKIP("this build has no ZTS");
    return check_summary();
}

#endif
