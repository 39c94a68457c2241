/* fastcgi: every row of fastcgi_rows.c, in one piece, byte by byte and cut in two at every offset.
 * With a folder as argument: writes the rows there, as the corpus of tests/fuzz/fastcgi. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fpm/fastcgi_rows.h"
#include "tests/support/check.h"

enum {
    CUT_EVERYWHERE_MAX = 4096,  /* longer streams are cut at some hundred places */
    CUT_COUNT_LONG = 200,
    MEMORY_MAX = 2 * 256 * 1024 + 1000 * 64,
};

/* Pieces: up to `cut`, the rest in pieces of `step`. */
static bool says(const fastcgi_row *row, const uint8_t *bytes, size_t size, size_t cut,
    size_t step)
{
    transcript script;
    transcript_begin(&script, &fcgi_default_limits, row->answer);
    transcript_feed(&script, bytes, cut);
    for (size_t at = cut; at < size; at += step) {
        transcript_feed(&script, bytes + at, step < size - at ? step : size - at);
    }
    transcript_end(&script);
    bool same = strcmp(script.text, row->expected) == 0 && script.memory_peak <= MEMORY_MAX;
    if (!same) {
        printf("cut at %zu, then every %zu, %zu bytes held:\n%sexpected:\n%s", cut, step,
            script.memory_peak, script.text, row->expected);
    }
    transcript_free(&script);
    return same;
}

static void check_row(const fastcgi_row *row)
{
    size_t size;
    uint8_t *bytes = fastcgi_row_bytes(row, &size);
    CHECK_CASE(row->sentence);
    bool good = CHECK(says(row, bytes, size, size, size));
    size_t step = size <= CUT_EVERYWHERE_MAX ? 1 : 1 + size / CUT_COUNT_LONG;
    /* The one that is 24 MB long is cut near its ends only: each cut reads all of it. */
    size_t cut_max = size > 1024 * 1024 ? CUT_COUNT_LONG / 10 : size;
    for (size_t cut = 1; good && cut < cut_max; cut += step) {
        good = CHECK(says(row, bytes, size, cut, size));
    }
    if (good) {
        CHECK(says(row, bytes, size, 0, size <= 1024 * 1024 ? 1 : 1021));
    }
    free(bytes);
}

static int write_corpus(const char *folder)
{
    enum { CORPUS_SIZE_MAX = 8192 };
    for (size_t index = 0; index < fastcgi_row_count; index++) {
        char path[4096];
        size_t size;
        uint8_t *bytes = fastcgi_row_bytes(&fastcgi_rows[index], &size);
        snprintf(path, sizeof path, "%s/row%02zu", folder, index);
        FILE *file = size <= CORPUS_SIZE_MAX ? fopen(path, "wb") : NULL;
        /* The harness takes the first two bytes for where to cut. */
        if (file != NULL && (fputs("\x11\x22", file) < 0 ||
            fwrite(bytes, 1, size, file) != size || fclose(file) != 0)) {
            return 1;
        }
        free(bytes);
    }
    return 0;
}

static void check_wait(void)
{
    /* The server answers while the header of the next request has come in part. */
    static const uint8_t begin[] = { 1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
    transcript script;
    fcgi_event event;
    CHECK_CASE("a request that is answered early does not disturb the next one");
    transcript_begin(&script, &fcgi_default_limits, TRANSCRIPT_ANSWER_LATE);
    CHECK(fcgi_parse(&script.parser, begin, sizeof begin, &event) == sizeof begin);
    CHECK(event.kind == FCGI_BEGIN);
    CHECK(!fcgi_parser_is_idle(&script.parser));
    fcgi_parser_end_request(&script.parser, false);
    CHECK(fcgi_parser_is_idle(&script.parser));
    CHECK(fcgi_parse(&script.parser, begin, 12, &event) == 12);
    CHECK(event.kind == FCGI_MORE && !fcgi_parser_is_idle(&script.parser));
    CHECK(fcgi_parse(&script.parser, begin + 12, 4, &event) == 4);
    CHECK(event.kind == FCGI_BEGIN);
    transcript_end(&script);
    transcript_free(&script);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        return write_corpus(argv[1]);
    }
    for (size_t index = 0; index < fastcgi_row_count; index++) {
        check_row(&fastcgi_rows[index]);
    }
    check_wait();
    return check_summary();
}
