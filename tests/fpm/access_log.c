/* access_log: every token, every error, and what clients may try. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fpm/access_log.h"
#include "tests/support/check.h"

static const char *variable(const void *context, const char *name)
{
    (void)context;
    return strcmp(name, "HTTP_HOST") == 0 ? "exa\"mple" : NULL;
}

static const char *header(const void *context, const char *name)
{
    (void)context;
    return strcmp(name, "Content-Type") == 0 ? "text/html" : NULL;
}

static const access_log_entry sample = {
    .pool = "www", .method = "GET", .uri = "/page.lua", .query = "a=1", .script = "/srv/page.lua",
    .user = NULL, .address = "127.0.0.1", .status = 200, .content_length = 12, .worker_tid = 4001,
    .server_pid = 4000, .begin_time = 1000000000, .end_time = 1000000002, .duration = 1234567890,
    .cpu_user = 12.5, .cpu_system = 0.25, .heap_peak = 3 * 1024 * 1024 + 5,
    .heap_real_size = 2 * 1024 * 1024, .heap_size = 4711, .reset_duration = 5999,
    .variable = variable, .header = header,
};

static const struct { const char *format, *line; } good[] = {
    { "%%", "%" }, { "100%%%%", "100%%" }, { "", "" }, { "text", "text" },
    { "%C %{user}C %{system}C %{total}C", "12.75 12.50 0.25 12.75" },
    { "%d %{seconds}d %{milliseconds}d %{milli}d %{mili}d",
      "1.235 1.235 1234.568 1234.568 1234.568" },
    { "%{microseconds}d %{MICRO}d", "1234567 1234567" },
    { "%{HTTP_HOST}e %{HTTP_NONE}e", "exa\\x22mple -" },
    { "%f %l %m %n %p %P", "/srv/page.lua 12 GET www 4001 4000" },
    { "%M %{bytes}M %{kilobytes}M %{kilo}M %{megabytes}M %{mega}M",
      "3145733 3145733 3072 3072 3 3" },
    { "%{Content-Type}o %{None}o", "text/html -" },
    { "%r%Q%q", "/page.lua?a=1" }, { "%R - %u %s", "127.0.0.1 - - 200" },
    { "%t|%T", "09/Sep/2001:01:46:40 +0000|09/Sep/2001:01:46:42 +0000" },
    { "%{%Y-%m-%d}t %{%H:%M}T", "2001-09-09 01:46" },
    { "%{peak} %{real} %{size} %{reset_us}", "3145733 2097152 4711 5" },
    { "%{size}d", "4711d" },
    { ACCESS_LOG_DEFAULT_FORMAT, "127.0.0.1 - - 09/Sep/2001:01:46:40 +0000 \"GET /page.lua\" 200" },
};

static const struct { const char *format, *error; } bad[] = {
    { "%", "%: unknown token" }, { "a %z b", "%z: unknown token" },
    { "%{x}z", "%{x}z: unknown token" }, { "%{x", "%{x: a brace without its end" },
    { "%{x}", "%{x}: unknown token" }, { "%e", "%e: expected a name in braces before the letter" },
    { "%{}o", "%{}o: expected a name in braces before the letter" },
    { "%{hours}d", "%{hours}d: no such argument in braces" },
    { "%{giga}M", "%{giga}M: no such argument in braces" },
    { "%{idle}C", "%{idle}C: no such argument in braces" },
    { "%{a}s", "%{a}s: this token has no argument in braces" },
};

static size_t print(const char *format, const access_log_entry *entry, char *line)
{
    char error[ACCESS_LOG_ERROR_SIZE] = "";
    access_log_format *compiled = access_log_compile(format, error);
    if (compiled == NULL) {
        printf("%s: %s\n", format, error);
        return 0;
    }
    size_t size = access_log_print(compiled, entry, line);
    access_log_format_free(compiled);
    return size;
}

static void check_tokens(void)
{
    char line[ACCESS_LOG_LINE_MAX + 1];
    CHECK_CASE("every token prints what it stands for");
    for (size_t index = 0; index < sizeof good / sizeof good[0]; index++) {
        size_t size = print(good[index].format, &sample, line);
        bool same = CHECK(size == strlen(good[index].line) + 1 && line[size - 1] == '\n' &&
            memcmp(line, good[index].line, size - 1) == 0);
        if (!same) {
            printf("%s gives %.*s", good[index].format, (int)size, line);
        }
    }
    CHECK_CASE("what there is not is a dash");
    CHECK(print("%f %m %n %r %R %u %{A}e%Q%q", &(access_log_entry){ 0 }, line) == 14);
    CHECK(memcmp(line, "- - - - - - -\n", 14) == 0);
}

static void check_errors(void)
{
    CHECK_CASE("every error names its token");
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        char error[ACCESS_LOG_ERROR_SIZE] = "";
        access_log_format *compiled = access_log_compile(bad[index].format, error);
        if (!CHECK(compiled == NULL && strcmp(error, bad[index].error) == 0)) {
            printf("%s: %s\n", bad[index].format, error);
        }
        access_log_format_free(compiled);
    }
    char long_token[200] = "%{", error[ACCESS_LOG_ERROR_SIZE];
    memset(long_token + 2, 'x', 64);
    strcpy(long_token + 66, "}e");
    CHECK(access_log_compile(long_token, error) == NULL);
    CHECK(strstr(error, "}: more than 63 bytes in braces") != NULL);
}

static void check_hostile(void)
{
    static char uri[2 * ACCESS_LOG_LINE_MAX];
    char line[ACCESS_LOG_LINE_MAX];
    access_log_entry entry = sample;
    CHECK_CASE("a client can end neither the line nor the quotes");
    entry.uri = "/a\"b\\c\r\nd\x7f\xc3\xa4";
    CHECK(print("\"%r\"", &entry, line) == 30);
    CHECK(memcmp(line, "\"/a\\x22b\\x5cc\\x0d\\x0ad\\x7f\xc3\xa4\"\n", 30) == 0);
    CHECK_CASE("a line that would be too long is cut and still ends");
    memset(uri, 'u', sizeof uri - 1);
    entry.uri = uri;
    CHECK(print("%r %s", &entry, line) == ACCESS_LOG_LINE_MAX);
    CHECK(line[ACCESS_LOG_LINE_MAX - 1] == '\n' && line[ACCESS_LOG_LINE_MAX - 2] == 'u');
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    check_tokens();
    check_errors();
    check_hostile();
    return check_summary();
}
