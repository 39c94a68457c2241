/* conf: lines of the INI syntax, and values in their units. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fpm/conf_internal.h"
#include "tests/support/check.h"

static fpm_conf_line parse(const char *text)
{
    static char line[256], value[64];
    snprintf(line, sizeof(line), "%s", text);
    return fpm_conf_line_parse(line, "www", value, sizeof(value));
}

static bool is_entry(const char *text, const char *name, const char *key, const char *value)
{
    fpm_conf_line line = parse(text);
    return line.kind == FPM_CONF_LINE_ENTRY && strcmp(line.name, name) == 0
        && (key == NULL ? line.key == NULL : line.key != NULL && strcmp(line.key, key) == 0)
        && strcmp(line.value, value) == 0;
}

static void lines(void)
{
    CHECK_CASE("blank lines and comments are nothing");
    CHECK(parse("  \t\n").kind == FPM_CONF_LINE_EMPTY);
    CHECK(parse(" ; pm = static").kind == FPM_CONF_LINE_EMPTY);

    CHECK_CASE("a section is a name in brackets");
    CHECK(strcmp(parse("[ www ] ; the one").name, "www") == 0);
    CHECK(parse("[www").kind == FPM_CONF_LINE_ERROR);
    CHECK(parse("[]").kind == FPM_CONF_LINE_ERROR);
    CHECK(parse("[www] x").kind == FPM_CONF_LINE_ERROR);

    CHECK_CASE("an entry has a name, perhaps a key, and a value without its blanks and comment");
    CHECK(is_entry("pm=static", "pm", NULL, "static"));
    CHECK(is_entry("\tpm = a b  ; c\r\n", "pm", NULL, "a b"));
    CHECK(is_entry("env[A] = 1", "env", "A", "1"));
    CHECK(is_entry("list[] = /x", "list", "", "/x"));
    CHECK(is_entry("empty =", "empty", NULL, ""));
    CHECK(parse("pm static").kind == FPM_CONF_LINE_ERROR);
    CHECK(parse("env[A = 1").kind == FPM_CONF_LINE_ERROR);

    CHECK_CASE("quotes keep what is in them");
    CHECK(is_entry("f = \"%R \\\"%m; %r\\\"\" ; c", "f", NULL, "%R \"%m; %r\""));
    CHECK(is_entry("f = 'a $pool'", "f", NULL, "a $pool"));
    CHECK(is_entry("f = \"a \"b' c '", "f", NULL, "a b c "));
    CHECK(parse("f = \"a").kind == FPM_CONF_LINE_ERROR);

    CHECK_CASE("$pool and variables of the environment are replaced");
    setenv("TSRMALLOC_TEST_VALUE", "xyz", 1);
    CHECK(is_entry("f = /run/$pool.sock", "f", NULL, "/run/www.sock"));
    CHECK(is_entry("f = ${TSRMALLOC_TEST_VALUE}1$2", "f", NULL, "xyz1$2"));
    CHECK(is_entry("f = ${TSRMALLOC_TEST_NONE}", "f", NULL, ""));

    CHECK_CASE("a value that does not fit is refused");
    char text[200];
    memset(text, 'x', sizeof(text));
    memcpy(text, "f = ", 4);
    text[sizeof(text) - 1] = '\0';
    CHECK(parse(text).kind == FPM_CONF_LINE_ERROR);
}

static bool sets_time(const char *text, int64_t expected)
{
    fpm_conf_global global = { .process_control_timeout = -1 };
    const fpm_conf_directive *directive = fpm_conf_directive_find(fpm_conf_global_directives,
        "process_control_timeout");
    const char *error = fpm_conf_value_set(directive, &global, NULL, text);
    return (error == NULL) == (expected >= 0) && global.process_control_timeout == expected;
}

static void values(void)
{
    size_t size = 7;
    CHECK_CASE("times have units, seconds without");
    CHECK(sets_time("10", 10000) && sets_time("10s", 10000) && sets_time("250ms", 250));
    CHECK(sets_time("2m", 120000) && sets_time("1h", 3600000) && sets_time("1d", 86400000));
    CHECK(sets_time("", -1) && sets_time("x", -1) && sets_time("10x", -1) && sets_time("-1", -1));
    CHECK(sets_time("99999999999", -1));

    CHECK_CASE("sizes have units, bytes without");
    CHECK(fpm_conf_parse_size("16M", &size) && size == 16u << 20);
    CHECK(fpm_conf_parse_size("3k", &size) && size == 3u << 10);
    CHECK(fpm_conf_parse_size("5", &size) && size == 5);
    size = 7;
    CHECK(!fpm_conf_parse_size("5x", &size) && !fpm_conf_parse_size("99999999999G", &size));
    CHECK(!fpm_conf_parse_size("", &size) && !fpm_conf_parse_size("1Mx", &size) && size == 7);

    CHECK_CASE("every directive's default can be read");
    fpm_conf_pool *pool = fpm_conf_pool_new("www");
    if (CHECK(pool != NULL)) {
        CHECK(pool->listen_backlog == -1 && pool->pm_max_spawn_rate == 32);
        CHECK(pool->process_priority == FPM_CONF_UNSET && pool->clear_env);
        fpm_conf_pool_free(pool);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file != NULL) {
        fputs(text, file);
        fclose(file);
    }
}

static void files(void)
{
    char path[] = "/tmp/tsrmalloc-conf-XXXXXX";
    int file = mkstemp(path);
    CHECK_CASE("a file gives pools in its order, with their values and the defaults of the rest");
    write_file(path, "[global]\nlog_limit = 2048\n[b]\nlisten = /tmp/$pool.sock\npm = static\n"
        "pm.max_children = 2\nphp_admin_value[memory_limit] = 16M\n"
        "[a]\nlisten = /tmp/a.sock\npm = dynamic\npm.max_children = 9\npm.min_spare_servers = 1\n"
        "pm.max_spare_servers = 5\npm.status_listen = /tmp/s.sock\n");
    fpm_conf *conf = fpm_conf_load(path, "/usr", NULL);
    if (CHECK(file >= 0 && conf != NULL)) {
        const fpm_conf_pool *b = conf->pools, *a = b->next;
        CHECK(conf->pool_count == 3 && conf->global.log_limit == 2048);
        CHECK(strcmp(b->name, "b") == 0 && strcmp(b->listen, "/tmp/b.sock") == 0);
        CHECK(b->memory_limit == 16u << 20);
        CHECK(a->pm_start_servers == 3 && a->next->is_status);
        CHECK(strcmp(conf->global.error_log, "/usr/log/tsrmalloc-fpm.log") == 0);
        fpm_conf_free(conf);
    }

    CHECK_CASE("a file that includes itself is refused");
    char text[128];
    snprintf(text, sizeof(text), "include = %s\n", path);
    write_file(path, text);
    CHECK(fpm_conf_load(path, "/usr", NULL) == NULL);
    remove(path);
}

int main(void)
{
    lines();
    values();
    files();
    return check_summary();
}
