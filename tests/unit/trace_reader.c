/* The trace reader: what it makes of good files, and the exact complaint about every kind of bad
 * one. It is linked without the heap. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "engine/trace.h"

#define ERROR_SIZE 512

/* Six lines: the first op stands in line 7. */
#define HEADER(ids, ops, requests, peak) \
    "#zmtrace 1\n# source: test\n# ids: " #ids "\n# ops: " #ops "\n# requests: " #requests \
    "\n# peak-bytes: " #peak "\n"

#define FIRST_LINE "'#zmtrace 1', the first line of a trace"
#define AN_OP "an op: 'a ID SIZE', 'r ID SIZE', 'f ID' or 'q'"
#define A_SIZE "a size: a plain decimal number that fits a size_t"
#define AN_ID "an id: a plain decimal number"

static char path[64];
static char error[ERROR_SIZE];

static void create_file(const void *content, size_t size)
{
    strcpy(path, "trace_reader.XXXXXX");
    int file = mkstemp(path);
    cr_assert(file >= 0);
    cr_assert(write(file, content, size) == (ssize_t)size);
    close(file);
}

static bool read_text(const char *text, trace *out)
{
    create_file(text, strlen(text));
    bool good = trace_read(path, out, error, sizeof(error));
    unlink(path);
    return good;
}

static size_t compress_text(const char *text, unsigned char *out, size_t out_size)
{
    z_stream stream = { 0 };
    cr_assert(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)text;
    stream.avail_in = (uInt)strlen(text);
    stream.next_out = out;
    stream.avail_out = (uInt)out_size;
    cr_assert(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    size_t size = stream.total_out;
    deflateEnd(&stream);
    return size;
}

static const struct bad_trace {
    const char *text;
    const char *complaint;      /* behind the path */
} bad_traces[] = {
    /* header */
    { "", ":1: found '', expected " FIRST_LINE },
    { "hello\n", ":1: found 'hello', expected " FIRST_LINE },
    { "#zmtrace 2\n", ":1: found '#zmtrace 2', expected " FIRST_LINE },
    { "#zmtrace 1 \n", ":1: found '#zmtrace 1 ', expected " FIRST_LINE },
    { "#zmtrace 1\r\n", ":1: found '#zmtrace 1\\x0d', expected " FIRST_LINE },
    { "#zmtrace 1", ":1: found '#zmtrace 1', expected a newline behind the last line" },
    { "#zmtrace 1\n# source: x\n# ops: 1\n# requests: 1\n# peak-bytes: 0\nq\n",
      ":6: found 'q', expected a header line '# ids: N' before the first op" },
    { "#zmtrace 1\n# source: x\n# ids: 0\n# requests: 1\n# peak-bytes: 0\nq\n",
      ":6: found 'q', expected a header line '# ops: N' before the first op" },
    { "#zmtrace 1\n# source: x\n# ids: 0\n# ops: 1\n# peak-bytes: 0\nq\n",
      ":6: found 'q', expected a header line '# requests: N' before the first op" },
    { "#zmtrace 1\n# source: x\n# ids: 0\n# ops: 1\n# requests: 1\nq\n",
      ":6: found 'q', expected a header line '# peak-bytes: N' before the first op" },
    { "#zmtrace 1\n# ids: 0\n# ops: 1\n# requests: 1\n# peak-bytes: 0\nq\n",
      ":6: found 'q', expected a header line '# source: TEXT' before the first op" },
    { "#zmtrace 1\n# ids: 1\n# ids: 1\n",
      ":3: found '# ids: 1', expected a header line that was not there before" },
    { "#zmtrace 1\n# source: x\n# source: y\n",
      ":3: found '# source: y', expected a header line that was not there before" },
    { "#zmtrace 1\n# ids: 1x\n",
      ":2: found '1x', expected a plain decimal number below 2^64 behind '# ids: '" },
    { "#zmtrace 1\n# ops: 01\n",
      ":2: found '01', expected a plain decimal number below 2^64 behind '# ops: '" },
    { "#zmtrace 1\n# requests: -1\n",
      ":2: found '-1', expected a plain decimal number below 2^64 behind '# requests: '" },
    { "#zmtrace 1\n# peak-bytes: 18446744073709551616\n",
      ":2: found '18446744073709551616', expected a plain decimal number below 2^64 behind "
      "'# peak-bytes: '" },
    { "#zmtrace 1\n# ids: \n",
      ":2: found '', expected a plain decimal number below 2^64 behind '# ids: '" },
    { HEADER(0, 0, 0, 0), ":7: found '', expected ops; the last line of a trace is a 'q'" },

    /* shape of ops */
    { HEADER(1, 2, 1, 1) "x 0 1\nq\n", ":7: found 'x 0 1', expected " AN_OP },
    { HEADER(1, 2, 1, 1) "\nq\n", ":7: found '', expected " AN_OP },
    { HEADER(1, 2, 1, 1) "a\nq\n", ":7: found 'a', expected " AN_OP },
    { HEADER(1, 2, 1, 1) "a 0\nq\n", ":7: found 'a 0', expected " AN_OP },
    { HEADER(1, 2, 1, 1) "a\t0 1\nq\n", ":7: found 'a\\x090 1', expected " AN_OP },
    { HEADER(1, 2, 1, 1) "alloc 0 1\nq\n", ":7: found 'alloc 0 1', expected " AN_OP },
    { HEADER(1, 2, 1, 1) "a 0 1 2\nq\n", ":7: found ' 2', expected the end of the line" },
    { HEADER(1, 2, 1, 1) "a 0 1\nf 0 1\nq\n", ":8: found ' 1', expected the end of the line" },
    { HEADER(1, 2, 1, 1) "a  0 1\nq\n", ":7: found '', expected " AN_ID },
    { HEADER(1, 2, 1, 1) "a 00 1\nq\n", ":7: found '00', expected " AN_ID },
    { HEADER(1, 2, 1, 1) "a -1 1\nq\n", ":7: found '-1', expected " AN_ID },
    { HEADER(1, 2, 1, 1) "a 18446744073709551616 1\nq\n",
      ":7: found '18446744073709551616', expected " AN_ID },
    { HEADER(1, 2, 1, 1) "a 0 +1\nq\n", ":7: found '+1', expected " A_SIZE },
    { HEADER(1, 2, 1, 1) "a 0 1k\nq\n", ":7: found '1k', expected " A_SIZE },
    { HEADER(1, 2, 1, 1) "a 0 \nq\n", ":7: found '', expected " A_SIZE },
    { HEADER(1, 2, 1, 1) "a 0 18446744073709551616\nq\n",
      ":7: found '18446744073709551616', expected " A_SIZE },
    { HEADER(1, 2, 1, 1) "a 0 1\r\nq\n", ":7: found '1\\x0d', expected " A_SIZE },
    { HEADER(1, 2, 1, 1) "q 1\n", ":7: found 'q 1', expected 'q' alone on its line" },
    { HEADER(1, 2, 1, 1) "a 0 1\n# late: 1\nq\n", ":8: found '# late: 1', expected " AN_OP },

    /* ids */
    { HEADER(1, 3, 1, 2) "a 0 1\na 1 1\nq\n",
      ":8: found 'a 1 1', expected an id below 1, the number of ids in line 3" },
    { HEADER(3, 3, 1, 2) "a 0 1\na 2 1\nq\n",
      ":8: found 'a 2 1', expected an id that was freed, or 1, the next unused one" },
    { HEADER(2, 3, 1, 2) "a 0 1\na 0 1\nq\n", ":8: found '0', expected an id that is not live" },
    { HEADER(1, 2, 1, 0) "r 0 1\nq\n", ":7: found '0', expected an id that is live" },
    { HEADER(1, 2, 1, 0) "f 0\nq\n", ":7: found '0', expected an id that is live" },
    { HEADER(1, 4, 1, 1) "a 0 1\nf 0\nf 0\nq\n", ":9: found '0', expected an id that is live" },
    { HEADER(1, 4, 1, 1) "a 0 1\nf 0\nr 0 5\nq\n", ":9: found '0', expected an id that is live" },
    { HEADER(1, 4, 2, 1) "a 0 1\nq\nf 0\nq\n", ":9: found '0', expected an id that is live" },
    { HEADER(2, 3, 1, 1) "a 0 18446744073709551615\na 1 1\nq\n",
      ":8: found 'a 1 1', expected less than 2^64 bytes live together" },

    /* end and sums */
    { HEADER(1, 1, 0, 1) "a 0 1\n", ":8: found '', expected more ops; the last line of a trace is "
      "a 'q'" },
    { HEADER(1, 2, 1, 1) "a 0 1\nq", ":8: found 'q', expected a newline behind the last line" },
    { HEADER(2, 2, 1, 1) "a 0 1\nq\n",
      ":3: found '2', expected # ids: 1, which is what the ops have" },
    { HEADER(1, 3, 1, 1) "a 0 1\nq\n",
      ":4: found '3', expected # ops: 2, which is what the ops have" },
    { HEADER(1, 2, 2, 1) "a 0 1\nq\n",
      ":5: found '2', expected # requests: 1, which is what the ops have" },
    { HEADER(1, 2, 1, 2) "a 0 1\nq\n",
      ":6: found '2', expected # peak-bytes: 1, which is what the ops have" },
};

Test(trace_reader, every_kind_of_bad_trace_is_refused_with_its_line)
{
    for (size_t index = 0; index < sizeof(bad_traces) / sizeof(bad_traces[0]); index++) {
        trace out;
        const struct bad_trace *bad = &bad_traces[index];
        cr_expect_not(read_text(bad->text, &out), "case %zu was accepted: %s", index, bad->text);
        cr_expect(strncmp(error, path, strlen(path)) == 0);
        cr_expect_str_eq(error + strlen(path), bad->complaint);
        cr_expect_null(out.ops);
    }
}

Test(trace_reader, a_line_beyond_the_longest_is_refused)
{
    static char text[70000];
    trace out;
    memset(text, 'x', sizeof(text) - 1);
    memcpy(text, "#zmtrace 1\n# source: ", 21);
    cr_expect_not(read_text(text, &out));
    cr_expect(strstr(error, ":2: found '# source: xxx") != NULL, "%s", error);
    cr_expect(strstr(error, "expected lines of less than 65536 bytes") != NULL, "%s", error);
}

Test(trace_reader, a_file_that_is_not_there_is_refused)
{
    trace out;
    cr_expect_not(trace_read("no/such/file.zmt", &out, error, sizeof(error)));
    cr_expect_str_eq(error, "no/such/file.zmt: No such file or directory");
}

Test(trace_reader, a_directory_is_refused)
{
    trace out;
    cr_expect_not(trace_read(".", &out, error, sizeof(error)));
    cr_expect_str_eq(error, ".: Is a directory");
}

static const char good_text[] = HEADER(2, 8, 2, 4294967400)
    "a 0 0\na 1 100\nr 0 4294967300\nf 0\nq\na 0 5\nr 0 7\nq\n";

Test(trace_reader, a_good_trace_becomes_ops_and_requests)
{
    trace out;
    cr_assert(read_text(good_text, &out), "%s", error);
    cr_expect(out.op_count == 8);
    cr_expect(out.request_count == 2);
    cr_expect(out.id_count == 2);
    cr_expect(out.peak_size == 4294967400);
    cr_expect(out.header_line_count == 6);
    cr_expect(out.request_first_ops[0] == 0);
    cr_expect(out.request_first_ops[1] == 5);
    cr_expect_str_eq(out.source, "test");
    cr_expect(out.ops[0].kind == TRACE_ALLOC && out.ops[0].id == 0 && out.ops[0].size == 0);
    cr_expect(out.ops[1].kind == TRACE_ALLOC && out.ops[1].id == 1 && out.ops[1].size == 100);
    cr_expect(out.ops[2].kind == TRACE_REALLOC_WIDE && out.ops[2].id == 0);
    cr_expect(out.wide_sizes[out.ops[2].size] == 4294967300);
    cr_expect(out.ops[3].kind == TRACE_FREE && out.ops[3].id == 0);
    cr_expect(out.ops[4].kind == TRACE_END);
    cr_expect(out.ops[6].kind == TRACE_REALLOC && out.ops[6].size == 7);
    cr_expect(out.ops[7].kind == TRACE_END);
    trace_free(&out);
}

Test(trace_reader, a_freed_id_need_not_be_the_last_one_freed)
{
    trace out;
    cr_expect(read_text(HEADER(2, 6, 1, 2) "a 0 1\na 1 1\nf 0\nf 1\na 0 2\nq\n", &out), "%s",
        error);
    trace_free(&out);
}

Test(trace_reader, unknown_header_lines_are_comments)
{
    trace out;
    cr_expect(read_text("#zmtrace 1\n# note: by hand\n#\n# source: x\n# ids: 0\n# ops: 1\n"
        "# requests: 1\n# peak-bytes: 0\nq\n", &out), "%s", error);
    cr_expect(out.header_line_count == 8);
    trace_free(&out);
}

/* What cannot be seen to be wrong (a letter of the source, a size within the peak) is accepted; the
 * rest must be refused with a line, and nothing may crash. */
Test(trace_reader, a_file_with_any_byte_changed_is_refused_with_a_line_or_is_a_trace)
{
    static const char others[] = "\n 0129afqr#-";
    char changed[sizeof(good_text)];
    for (size_t byte = 0; byte < sizeof(good_text) - 1; byte++) {
        for (const char *other = others; *other != '\0'; other++) {
            trace out;
            memcpy(changed, good_text, sizeof(changed));
            changed[byte] = *other;
            if (read_text(changed, &out)) {
                cr_expect(out.ops[out.op_count - 1].kind == TRACE_END);
                trace_free(&out);
            } else {
                cr_expect(strstr(error, ": found '") != NULL, "%s", error);
            }
        }
    }
}

Test(trace_reader, a_gzip_file_reads_like_the_plain_one)
{
    unsigned char packed[1024];
    trace out;
    create_file(packed, compress_text(good_text, packed, sizeof(packed)));
    cr_assert(trace_read(path, &out, error, sizeof(error)), "%s", error);
    unlink(path);
    cr_expect(out.op_count == 8 && out.request_count == 2);
    trace_free(&out);
}

Test(trace_reader, a_gzip_file_cut_anywhere_is_refused)
{
    unsigned char packed[1024];
    size_t size = compress_text(good_text, packed, sizeof(packed));
    for (size_t kept = 0; kept < size; kept++) {
        trace out;
        create_file(packed, kept);
        cr_expect_not(trace_read(path, &out, error, sizeof(error)), "accepted %zu of %zu bytes",
            kept, size);
        cr_expect(strstr(error, ", expected ") != NULL, "%s", error);
        unlink(path);
    }
    cr_expect(strstr(error, "found 'unexpected end of file', expected intact gzip data") != NULL,
        "%s", error);
}

Test(trace_reader, a_gzip_file_with_a_wrong_checksum_is_refused)
{
    unsigned char packed[1024];
    trace out;
    size_t size = compress_text(good_text, packed, sizeof(packed));
    packed[size - 5] ^= 1;      /* checksum: the 4 bytes before the last 4 */
    create_file(packed, size);
    cr_expect_not(trace_read(path, &out, error, sizeof(error)));
    unlink(path);
    cr_expect(strstr(error, "expected intact gzip data") != NULL, "%s", error);
}

Test(trace_reader, a_gzip_file_with_any_bit_flipped_is_refused_or_means_the_same)
{
    unsigned char packed[1024];
    size_t size = compress_text(good_text, packed, sizeof(packed));
    for (size_t byte = 0; byte < size; byte++) {
        trace out;
        packed[byte] ^= 0x10;
        create_file(packed, size);
        if (trace_read(path, &out, error, sizeof(error))) {
            cr_expect(out.op_count == 8 && out.request_count == 2, "byte %zu", byte);
            trace_free(&out);
        }
        unlink(path);
        packed[byte] ^= 0x10;
    }
}
