/* status: every format of the status page over a sample.
 * With arguments FORMAT [full]: prints that page of the sample, for the tests that are scripts. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fpm/status_sample.h"
#include "tests/support/check.h"

static char page[64 * 1024];
static size_t page_size;

static void gather(void *context, const char *data, size_t size)
{
    (void)context;
    if (page_size + size < sizeof page) {
        memcpy(page + page_size, data, size);
        page_size += size;
    }
    page[page_size] = '\0';
}

static const status_sink sink = { gather, NULL };

static const char *make_page(const status_pool *pool, status_format format, bool full)
{
    page_size = 0;
    page[0] = '\0';
    status_write(pool, format, full, &sink);
    return page;
}

static bool has(const char *text)
{
    bool found = strstr(page, text) != NULL;
    if (!found) {
        printf("not there: %s\nin:\n%s\n", text, page);
    }
    return found;
}

static size_t occurrences(const char *text)
{
    size_t count = 0;
    for (const char *at = page; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

/* ---- php-fpm's layouts ---- */

static const char short_text[] =
    "pool:                 www\n"
    "process manager:      dynamic\n"
    "start time:           09/Sep/2001:01:46:40 +0000\n"
    "start since:          100\n"
    "accepted conn:        1602\n"
    "listen queue:         1\n"
    "max listen queue:     9\n"
    "listen queue len:     511\n"
    "idle processes:       1\n"
    "active processes:     1\n"
    "total processes:      2\n"
    "max active processes: 2\n"
    "max children reached: 3\n"
    "slow requests:        4\n";

static const char short_json[] =
    "{\"pool\":\"www\",\"process manager\":\"dynamic\",\"start time\":1000000000,"
    "\"start since\":100,\"accepted conn\":1602,\"listen queue\":1,\"max listen queue\":9,"
    "\"listen queue len\":511,\"idle processes\":1,\"active processes\":1,\"total processes\":2,"
    "\"max active processes\":2,\"max children reached\":3,\"slow requests\":4}";

static const char short_xml[] =
    "<?xml version=\"1.0\" ?>\n<status>\n<pool>www</pool>\n"
    "<process-manager>dynamic</process-manager>\n<start-time>1000000000</start-time>\n"
    "<start-since>100</start-since>\n<accepted-conn>1602</accepted-conn>\n"
    "<listen-queue>1</listen-queue>\n<max-listen-queue>9</max-listen-queue>\n"
    "<listen-queue-len>511</listen-queue-len>\n<idle-processes>1</idle-processes>\n"
    "<active-processes>1</active-processes>\n<total-processes>2</total-processes>\n"
    "<max-active-processes>2</max-active-processes>\n"
    "<max-children-reached>3</max-children-reached>\n<slow-requests>4</slow-requests>\n</status>";

static void check_short(void)
{
    CHECK_CASE("the short text, json and xml pages are php-fpm's, byte for byte");
    CHECK(strcmp(make_page(sample_pools, STATUS_FORMAT_TEXT, false), short_text) == 0);
    CHECK(strcmp(make_page(sample_pools, STATUS_FORMAT_JSON, false), short_json) == 0);
    CHECK(strcmp(make_page(sample_pools, STATUS_FORMAT_XML, false), short_xml) == 0);
    CHECK_CASE("the short html page has php-fpm's head and rows");
    make_page(sample_pools, STATUS_FORMAT_HTML, false);
    CHECK(has("<head><title>PHP-FPM Status Page</title></head>\n<body>\n<table>\n"
        "<tr><th>pool</th><td>www</td></tr>\n<tr><th>process manager</th><td>dynamic</td></tr>\n"));
    CHECK(has("<tr><th>slow requests</th><td>4</td></tr>\n</table>\n</body></html>"));
    CHECK_CASE("plain openmetrics is php-fpm's block up to its end");
    make_page(sample_pools, STATUS_FORMAT_OPENMETRICS, false);
    CHECK(has("# HELP phpfpm_up Could pool www using a dynamic PM on PHP-FPM be reached?\n"
        "# TYPE phpfpm_up gauge\nphpfpm_up 1\n# HELP phpfpm_start_since "));
    CHECK(page[0] == '#' && occurrences("# TYPE ") == 12);
    CHECK(has("\nphpfpm_listen_queue_length 511\n"));
    CHECK(has("\nphpfpm_slow_requests 4\n# EOF\n"));
}

static void check_full(void)
{
    CHECK_CASE("a full text page lists every worker behind a line of stars");
    make_page(sample_pools, STATUS_FORMAT_TEXT, true);
    CHECK(has("slow requests:        4\nmemory peak:          8388608\n"));
    CHECK(has("\n\n************************\npid:                  4001\n"
        "state:                Running\nstart time:           09/Sep/2001:01:46:40 +0000\n"
        "start since:          100\nrequests:             812\nrequest duration:     35127\n"
        "request method:       GET\nrequest URI:          /page.lua?rows=100&list=2\n"
        "content length:       0\nuser:                 -\nscript:               "
        "/srv/www/page.lua\nlast request cpu:     0.00\nlast request memory:  0\n"));
    CHECK(has("last request cpu:     100.00\nlast request memory:  4194304\nworker:"));
    CHECK(occurrences("\n*****") == 2);
    CHECK(occurrences("\nheap limit:           16777216\n") == 1);
    CHECK(occurrences("\nheap limit:           0\n") == 1);
}

/* ---- hostile texts ---- */

static void check_escapes(void)
{
    CHECK_CASE("what a client sent cannot end a line of the text page");
    make_page(sample_pools, STATUS_FORMAT_TEXT, true);
    CHECK(has("request method:       PO\"ST?\n"));
    CHECK(has("request URI:          /<script>alert(1)</script>?a='b'&c=\"d\"\\????\xef\xbf\xbd"
        "\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd]]>\n"));
    CHECK_CASE("nor a string of the json page");
    make_page(sample_pools, STATUS_FORMAT_JSON, true);
    CHECK(has("\"request uri\":\"/<script>alert(1)</script>?a='b'&c=\\\"d\\\"\\\\\\u0001\\u000d"
        "\\u000a\\u0000\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd"));
    CHECK_CASE("nor an element of the xml and html pages");
    make_page(sample_pools, STATUS_FORMAT_XML, true);
    CHECK(has("<request-uri>/&lt;script&gt;alert(1)&lt;/script&gt;?a=&#39;b&#39;&amp;c=&quot;d"
        "&quot;\\????"));
    make_page(sample_pools, STATUS_FORMAT_HTML, true);
    CHECK(occurrences("<script>") == 1);
    CHECK(occurrences("title=\"/&lt;script&gt;") == 1);
    CHECK_CASE("nor a label of a metric");
    make_page(&sample_pools[1], STATUS_FORMAT_OPENMETRICS, true);
    CHECK(has("tsrmalloc_requests_total{pool=\"s\\\"l\\\\ow\"} 0\n"));
}

/* ---- metrics ---- */

static void check_metrics(void)
{
    CHECK_CASE("each metric is named once for all pools");
    page_size = 0;
    status_write_metrics(sample_pools, 2, &sink);
    CHECK(occurrences("# TYPE tsrmalloc_requests_total counter\n") == 1);
    CHECK(occurrences("\ntsrmalloc_requests_total{") == 2);
    CHECK(has("\ntsrmalloc_threads{pool=\"www\",state=\"Running\"} 1\n"));
    CHECK(has("\ntsrmalloc_heap_size_bytes{pool=\"www\",thread=\"0\"} 1300000\n"));
    CHECK_CASE("buckets of a histogram add up to its count");
    CHECK(has("tsrmalloc_request_duration_seconds_bucket{pool=\"www\",le=\"1e-05\"} 0\n"
        "tsrmalloc_request_duration_seconds_bucket{pool=\"www\",le=\"3.2e-05\"} 3\n"
        "tsrmalloc_request_duration_seconds_bucket{pool=\"www\",le=\"0.0001\"} 803\n"));
    CHECK(has("tsrmalloc_request_duration_seconds_bucket{pool=\"www\",le=\"100\"} 1601\n"
        "tsrmalloc_request_duration_seconds_bucket{pool=\"www\",le=\"+Inf\"} 1602\n"
        "tsrmalloc_request_duration_seconds_sum{pool=\"www\"} 0.123456789\n"
        "tsrmalloc_request_duration_seconds_count{pool=\"www\"} 1602\n"));
    CHECK_CASE("an observation falls into the first bucket whose bound it does not exceed");
    CHECK(status_bucket(0) == 0 && status_bucket(10000) == 0 && status_bucket(10001) == 1);
    CHECK(status_bucket(100000000000) == STATUS_BUCKET_COUNT - 2);
    CHECK(status_bucket(UINT64_MAX) == STATUS_BUCKET_COUNT - 1);
}

/* ---- the query ---- */

static bool asks(const char *query, status_format format, bool full)
{
    bool is_full = !full;
    return status_query(query, strlen(query), &is_full) == format && is_full == full;
}

static void check_query(void)
{
    CHECK_CASE("the query names the format by a key");
    CHECK(asks("", STATUS_FORMAT_TEXT, false));
    CHECK(asks("full", STATUS_FORMAT_TEXT, true));
    CHECK(asks("json", STATUS_FORMAT_JSON, false));
    CHECK(asks("full&xml", STATUS_FORMAT_XML, true));
    CHECK(asks("html=1&full=", STATUS_FORMAT_HTML, true));
    CHECK(asks("a=b&openmetrics", STATUS_FORMAT_OPENMETRICS, false));
    CHECK(asks("jsonx&fullest&xjson&=json", STATUS_FORMAT_TEXT, false));
    CHECK(asks("&&", STATUS_FORMAT_TEXT, false));
    CHECK_CASE("headers end in a blank line and forbid caches");
    page_size = 0;
    status_write_headers(status_content_type(STATUS_FORMAT_JSON, false), &sink);
    CHECK(has("\r\nCache-Control: no-cache, no-store, must-revalidate, max-age=0\r\n"
        "Content-Type: application/json\r\n\r\n"));
}

static int print_page(const char *format, bool full)
{
    if (strcmp(format, "metrics") == 0) {
        status_write_metrics(sample_pools, 2, &sink);
    } else {
        bool ignored;
        make_page(sample_pools, status_query(format, strlen(format), &ignored), full);
    }
    return fwrite(page, 1, page_size, stdout) != page_size;
}

int main(int argc, char **argv)
{
    setenv("TZ", "UTC", 1);
    if (argc > 1) {
        return print_page(argv[1], argc > 2);
    }
    check_short();
    check_full();
    check_escapes();
    check_metrics();
    check_query();
    return check_summary();
}
