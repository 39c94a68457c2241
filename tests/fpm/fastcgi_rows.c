/* fastcgi_rows: see the header.
 * Owns        nothing.
 * Thread      any.
 * Invariants  none
 * Failure     abort when there is no memory.
 * Tests       tests/fpm/fastcgi.c runs them
 */
#include "config.h"

#include "tests/fpm/fastcgi_rows.h"

#include <stdlib.h>
#include <string.h>

#define RECORD(type, id, text) { 1, (type), (id), 0, (text), sizeof(text) - 1, 0 }
#define PADDED(type, id, padding, text) { 1, (type), (id), (padding), (text), sizeof(text) - 1, 0 }
#define MANY(type, id, text, size, times) { 1, (type), (id), 0, (text), (size), (times) }
#define BEGIN(id) RECORD(1, id, "\0\1\0\0\0\0\0\0")
#define BEGIN_KEEP(id) RECORD(1, id, "\0\1\1\0\0\0\0\0")
#define BEGIN_ROLE(id, role, flags) RECORD(1, id, "\0" role flags "\0\0\0\0\0")
#define ABORT(id) RECORD(2, id, "")
#define PARAMS(id, text) RECORD(4, id, text)
#define PARAMS_END(id) RECORD(4, id, "")
#define STDIN(id, text) RECORD(5, id, text)
#define STDIN_END(id) RECORD(5, id, "")
#define GET_VALUES(text) RECORD(9, 0, text)

/* Pairs: the two lengths, then the strings. */
#define GET "\016\003REQUEST_METHODGET"
#define POST "\016\004REQUEST_METHODPOST"
#define LENGTH(size, text) "\016" size "CONTENT_LENGTH" text
#define WHOLE_GET(id) BEGIN_KEEP(id), PARAMS(id, GET), PARAMS_END(id), STDIN_END(id)
#define SAID_GET "params length=0 REQUEST_METHOD=GET\n"

#define NAME_CONNS "\016\000FCGI_MAX_CONNS"
#define NAME_REQS "\015\000FCGI_MAX_REQS"
#define NAME_MPXS "\017\000FCGI_MPXS_CONNS"

#define ROW(sentence, answer, expected, ...) { sentence, (const row_record[]){ __VA_ARGS__ }, \
    sizeof((const row_record[]){ __VA_ARGS__ }) / sizeof(row_record), answer, expected }
#define NOW TRANSCRIPT_ANSWER_AT_ONCE
#define LATE TRANSCRIPT_ANSWER_LATE

/* As large as a record can be; one pair whose value is 65530 bytes. */
static char large_content[65535] = { 3, (char)0x80, 0, (char)0xff, (char)0xf8 - 1, 'A', 'B', 'C' };
/* Pairs of 9 bytes with names that PHP's hash puts into one chain. */
static char colliding_content[4000 * 9];

__attribute__((constructor)) static void make_contents(void)
{
    memset(large_content + 8, 'x', sizeof large_content - 8);
    for (unsigned int index = 0; index < 4000; index++) {
        char *pair = colliding_content + index * 9;
        pair[0] = 6;
        pair[1] = 1;
        /* 33 * 'E' + 'z' == 33 * 'F' + 'Y', and so on. */
        for (unsigned int bit = 0; bit < 6; bit += 2) {
            memcpy(pair + 2 + bit, (index >> bit / 2) % 2 ? "Ez" : "FY", 2);
        }
        pair[8] = 'v';
    }
}

const fastcgi_row fastcgi_rows[] = {
    ROW("a GET request is read", NOW,
        "begin 1\n" SAID_GET "end\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, GET), PARAMS_END(1), STDIN_END(1)),
    ROW("a POST request is read with its body", NOW,
        "begin 7 keep\nparams length=5 REQUEST_METHOD=POST CONTENT_LENGTH=5\n"
        "body size=5 sum=99162322\nend\nanswered\nleft idle\n",
        BEGIN_KEEP(7), PARAMS(7, POST LENGTH("\001", "5")), PARAMS_END(7),
        STDIN(7, "he"), PADDED(5, 7, 5, "llo"), STDIN_END(7)),
    ROW("a connection that is kept serves one request after the other", NOW,
        "begin 1 keep\n" SAID_GET "end\nanswered\nbegin 2 keep\n" SAID_GET
        "end\nanswered\nleft idle\n",
        WHOLE_GET(1), WHOLE_GET(2)),
    ROW("an empty name and an empty value are a pair", NOW,
        "begin 1\nparams length=0 REQUEST_METHOD=GET = A=\nend\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, GET "\0\0" "\001\0A"), PARAMS_END(1), STDIN_END(1)),
    ROW("a NUL in a value is counted and kept", NOW,
        "begin 1\nparams length=0 REQUEST_METHOD=GET A=x\\00y\nend\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, GET "\001\003Ax\0y"), PARAMS_END(1), STDIN_END(1)),
    ROW("a DATA stream is skipped", NOW,
        "begin 1\n" SAID_GET "end\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, GET), PARAMS_END(1), RECORD(8, 1, "data"), STDIN_END(1)),
    ROW("records of types for the other direction are skipped", NOW,
        "begin 1\n" SAID_GET "end\nanswered\nleft idle\n",
        BEGIN(1), RECORD(3, 1, "12345678"), PARAMS(1, GET), RECORD(6, 1, "out"), PARAMS_END(1),
        RECORD(7, 1, "err"), RECORD(10, 1, "x"), RECORD(200, 1, "x"), STDIN_END(1)),

    /* The rows of broken and hostile input. */
    ROW("version 0 ends the connection", NOW, "broken a FastCGI version that is not 1\n"
        "left idle broken\n", { 0, 1, 1, 0, "\0\1\0\0\0\0\0\0", 8, 0 }),
    ROW("version 2 ends the connection", NOW, "broken a FastCGI version that is not 1\n"
        "left idle broken\n", { 2, 1, 1, 0, "\0\1\0\0\0\0\0\0", 8, 0 }),
    ROW("a later record of another version ends the connection", NOW,
        "begin 1\nbroken a FastCGI version that is not 1\nleft busy broken\n",
        BEGIN(1), { 'G', 4, 1, 0, "", 0, 0 }),
    ROW("a BEGIN of 7 bytes ends the connection", NOW,
        "broken BEGIN_REQUEST whose content is not 8 bytes\nleft busy broken\n",
        RECORD(1, 1, "\0\1\0\0\0\0\0")),
    ROW("a BEGIN of 9 bytes ends the connection", NOW,
        "broken BEGIN_REQUEST whose content is not 8 bytes\nleft busy broken\n",
        RECORD(1, 1, "\0\1\0\0\0\0\0\0\0")),
    ROW("a BEGIN with id 0 ends the connection", NOW,
        "broken BEGIN_REQUEST with id 0\nleft busy broken\n", BEGIN(0)),
    ROW("PARAMS with another id are skipped", NOW,
        "begin 1\n" SAID_GET "end\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(2, "\001\001AB"), PARAMS(1, GET), PARAMS_END(2), PARAMS_END(1),
        STDIN(2, "xyz"), STDIN_END(2), STDIN_END(1)),
    ROW("an unknown role is refused, and the connection closed", NOW,
        "reply close 01030001000800000000000003000000\nleft idle\n",
        BEGIN_ROLE(1, "\011", "\0")),
    ROW("an unknown role is refused, and the connection kept if asked", NOW,
        "reply 01030001000800000000000003000000\nbegin 1 keep\n" SAID_GET
        "end\nanswered\nleft idle\n",
        BEGIN_ROLE(1, "\011", "\1"), PARAMS(1, GET), PARAMS_END(1), STDIN_END(1), WHOLE_GET(1)),
    ROW("the role of an authorizer is refused", NOW,
        "reply close 01030001000800000000000003000000\nleft idle\n",
        BEGIN_ROLE(1, "\002", "\0")),
    ROW("the role of a filter is refused", NOW,
        "reply close 01030102000800000000000003000000\nleft idle\n",
        BEGIN_ROLE(258, "\003", "\0")),
    ROW("a second request beside a GET is refused, the first goes on", LATE,
        "begin 1 keep\nreply 01030002000800000000000001000000\n" SAID_GET
        "end\nleft busy\n",
        BEGIN_KEEP(1), BEGIN_KEEP(2), PARAMS(1, GET), PARAMS(2, GET), PARAMS_END(2),
        PARAMS_END(1), STDIN_END(2), STDIN_END(1)),
    ROW("a second request beside a POST is refused, the first keeps its body", LATE,
        "begin 1 keep\nparams length=4 REQUEST_METHOD=POST CONTENT_LENGTH=4\n"
        "body size=2 sum=3105\n"
        "reply 01030002000800000000000001000000\nbody size=2 sum=3169\nend\nleft busy\n",
        BEGIN_KEEP(1), PARAMS(1, POST LENGTH("\001", "4")), PARAMS_END(1), STDIN(1, "ab"),
        BEGIN_KEEP(2), PARAMS(2, GET), PARAMS_END(2), STDIN(2, "stray"), STDIN_END(2),
        STDIN(1, "cd"), STDIN_END(1)),
    ROW("a request sent before the last one was answered waits for its turn", LATE,
        "begin 1 keep\n" SAID_GET "end\nnext\nanswered\nbegin 1 keep\n" SAID_GET
        "end\nleft busy\n",
        WHOLE_GET(1), WHOLE_GET(1)),
    ROW("the id of a request that is still read cannot begin again", LATE,
        "begin 1 keep\nbroken BEGIN_REQUEST with the id of a request that is not read yet\n"
        "left busy broken\n",
        BEGIN_KEEP(1), PARAMS(1, GET), BEGIN_KEEP(1)),
    ROW("an ABORT before the end of the params runs nothing", NOW,
        "begin 1\nabort\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, GET), ABORT(1), PARAMS_END(1), STDIN_END(1)),
    ROW("an ABORT while the answer is made is seen", LATE,
        "begin 1\n" SAID_GET "end\nabort\nleft busy\n",
        BEGIN(1), PARAMS(1, GET), PARAMS_END(1), STDIN_END(1), ABORT(1), ABORT(1)),
    ROW("an ABORT of another id is nothing", NOW,
        "begin 1\n" SAID_GET "end\nanswered\nleft idle\n",
        BEGIN(1), ABORT(2), PARAMS(1, GET), PARAMS_END(1), STDIN_END(1), ABORT(1)),
    ROW("a pair may lie in two records", NOW,
        "begin 1\n" SAID_GET "end\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, "\016\003REQUEST_"), PARAMS(1, "METHODG"), PARAMS(1, "ET"),
        PARAMS_END(1), STDIN_END(1)),
    ROW("a length of four bytes may lie in four records", NOW,
        "begin 1\n" SAID_GET "end\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, "\016\200"), PARAMS(1, "\0"), PARAMS(1, "\0"),
        PARAMS(1, "\003REQUEST_METHODGET"), PARAMS_END(1), STDIN_END(1)),
    ROW("a pair that reaches behind the params is refused", NOW,
        "begin 1\nrefused 400 a param longer than the params\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, GET "\001\005Axyz"), PARAMS_END(1), STDIN_END(1)),
    ROW("lengths of 2 GiB each are refused and hold no memory", NOW,
        "begin 1\nrefused 400 a param longer than the params\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, GET "\377\377\377\377\377\377\377\377A"), PARAMS_END(1),
        STDIN_END(1)),
    ROW("a length cut short is refused", NOW,
        "begin 1\nrefused 400 a param longer than the params\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, GET "\001\200\0\0"), PARAMS_END(1), STDIN_END(1)),
    ROW("padding of 255 bytes is skipped", NOW,
        "begin 1\n" SAID_GET "end\nanswered\nleft idle\n",
        PADDED(1, 1, 255, "\0\1\0\0\0\0\0\0"), PADDED(4, 1, 255, GET), PADDED(4, 1, 255, ""),
        PADDED(5, 1, 255, "")),
    ROW("content and padding may be more than 65535 bytes", NOW,
        "begin 1\nrefused 400 no REQUEST_METHOD\nanswered\nleft idle\n",
        BEGIN(1), { 1, 4, 1, 255, large_content, sizeof large_content, 0 }, PARAMS_END(1),
        STDIN_END(1)),
    ROW("24 MB of params are refused, and the next request is served", NOW,
        "begin 1 keep\nrefused 431 params larger than params_size_max\nanswered\nbegin 1 keep\n"
        SAID_GET "end\nanswered\nleft idle\n",
        BEGIN_KEEP(1), MANY(4, 1, large_content, sizeof large_content, 370), PARAMS_END(1),
        STDIN_END(1), WHOLE_GET(1)),
    ROW("40,000 names that collide in PHP are refused", NOW,
        "begin 1\nrefused 431 params larger than params_size_max\nanswered\nleft idle\n",
        BEGIN(1), MANY(4, 1, colliding_content, sizeof colliding_content, 10), PARAMS_END(1),
        STDIN_END(1)),
    ROW("4,000 params are refused", NOW,
        "begin 1\nrefused 431 more params than params_count_max\nanswered\nleft idle\n",
        BEGIN(1), MANY(4, 1, colliding_content, sizeof colliding_content, 0), PARAMS_END(1),
        STDIN_END(1)),
    ROW("a request without params is refused", NOW,
        "begin 1\nrefused 400 no REQUEST_METHOD\nanswered\nleft idle\n",
        BEGIN(1), PARAMS_END(1), STDIN_END(1)),
    ROW("a request with an empty method is refused", NOW,
        "begin 1\nrefused 400 no REQUEST_METHOD\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, "\016\0REQUEST_METHOD"), PARAMS_END(1), STDIN_END(1)),
    ROW("a body shorter than CONTENT_LENGTH is told", NOW,
        "begin 1\nparams length=10 REQUEST_METHOD=POST CONTENT_LENGTH=10\n"
        "body size=3 sum=96354\nend short\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, POST LENGTH("\002", "10")), PARAMS_END(1), STDIN(1, "abc"),
        STDIN_END(1)),
    ROW("a body longer than CONTENT_LENGTH is cut, and the connection stays in step", NOW,
        "begin 1 keep\nparams length=3 REQUEST_METHOD=POST CONTENT_LENGTH=3\n"
        "body size=3 sum=96354\nend\nanswered\nbegin 1 keep\n" SAID_GET
        "end\nanswered\nleft idle\n",
        BEGIN_KEEP(1), PARAMS(1, POST LENGTH("\001", "3")), PARAMS_END(1),
        STDIN(1, "abcdefghij"), STDIN_END(1), WHOLE_GET(1)),
    ROW("an empty CONTENT_LENGTH is 0", NOW,
        "begin 1\nparams length=0 REQUEST_METHOD=GET CONTENT_LENGTH=\nend\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, GET LENGTH("\000", "")), PARAMS_END(1), STDIN_END(1)),
    ROW("a negative CONTENT_LENGTH is refused", NOW,
        "begin 1\nrefused 400 CONTENT_LENGTH is not a number\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, POST LENGTH("\002", "-1")), PARAMS_END(1), STDIN_END(1)),
    ROW("a CONTENT_LENGTH with a unit is refused", NOW,
        "begin 1\nrefused 400 CONTENT_LENGTH is not a number\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, POST LENGTH("\002", "1k")), PARAMS_END(1), STDIN_END(1)),
    ROW("a CONTENT_LENGTH of 20 digits is refused", NOW,
        "begin 1\nrefused 400 CONTENT_LENGTH is not a number\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, POST LENGTH("\024", "99999999999999999999")), PARAMS_END(1),
        STDIN_END(1)),
    ROW("a CONTENT_LENGTH above the limit is refused before its body is read", NOW,
        "begin 1 keep\nrefused 413 CONTENT_LENGTH larger than the body may be\nanswered\n"
        "begin 1 keep\n" SAID_GET "end\nanswered\nleft idle\n",
        BEGIN_KEEP(1), PARAMS(1, POST LENGTH("\007", "8388609")), PARAMS_END(1), STDIN(1, "abc"),
        STDIN_END(1), WHOLE_GET(1)),
    ROW("the last of two equal names counts", NOW,
        "begin 1\nparams length=2 REQUEST_METHOD=POST CONTENT_LENGTH=1 CONTENT_LENGTH=2\n"
        "body size=2 sum=3105\nend\nanswered\nleft idle\n",
        BEGIN(1), PARAMS(1, POST LENGTH("\001", "1") LENGTH("\001", "2")), PARAMS_END(1),
        STDIN(1, "abc"), STDIN_END(1)),
    ROW("STDIN before a BEGIN is skipped", NOW,
        "begin 1\n" SAID_GET "end\nanswered\nleft idle\n",
        STDIN_END(1), STDIN(1, "abc"), BEGIN(1), PARAMS(1, GET), PARAMS_END(1), STDIN_END(1)),
    ROW("STDIN before the end of the params ends the connection", NOW,
        "begin 1\nbroken STDIN before the end of PARAMS\nleft busy broken\n",
        BEGIN(1), PARAMS(1, GET), STDIN(1, "abc")),
    ROW("PARAMS after the end of the params end the connection", LATE,
        "begin 1\n" SAID_GET "broken PARAMS after the end of PARAMS\nleft busy broken\n",
        BEGIN(1), PARAMS(1, GET), PARAMS_END(1), PARAMS(1, GET)),
    ROW("GET_VALUES is answered with all three values, and the connection kept", NOW,
        "reply 010a000000330500"
        "0e01464347495f4d41585f434f4e4e5331" "0d01464347495f4d41585f5245515331"
        "0f01464347495f4d5058535f434f4e4e5330" "0000000000" "\nbegin 1\n" SAID_GET
        "end\nanswered\nleft idle\n",
        GET_VALUES(NAME_MPXS NAME_CONNS NAME_REQS), BEGIN(1), PARAMS(1, GET), PARAMS_END(1),
        STDIN_END(1)),
    ROW("GET_VALUES is answered with what was asked, known and whole", NOW,
        "reply 010a000000100000" "0d01464347495f4d41585f5245515331" "\nleft idle\n",
        GET_VALUES("\001\0A" "\200\0\0\015\002FCGI_MAX_REQSxx" "\020\0FCGI_MPXS_CONNSX"
            "\016\005FCGI_MAX_CONNS")),
    ROW("GET_VALUES of nothing is answered with nothing", NOW,
        "reply 010a000000000000\nleft idle\n", GET_VALUES("")),
    ROW("GET_VALUES names each value once, however often it was asked", NOW,
        "reply 010a000000110700" "0e01464347495f4d41585f434f4e4e5331" "00000000000000\nleft idle\n",
        GET_VALUES(NAME_CONNS NAME_CONNS NAME_CONNS NAME_CONNS NAME_CONNS NAME_CONNS NAME_CONNS)),
    ROW("GET_VALUES is answered while a request is read", NOW,
        "begin 1\nreply 010a000000000000\n" SAID_GET "end\nanswered\nleft idle\n",
        BEGIN(1), GET_VALUES("\001\0A"), PARAMS(1, GET), PARAMS_END(1), STDIN_END(1)),
    ROW("an unknown management type is told", NOW,
        "reply 010b0000000800002a00000000000000\nreply 010b0000000800000000000000000000\n"
        "left idle\n", RECORD(42, 0, "abc"), RECORD(0, 0, "")),
    ROW("HTTP on the port is foreign", NOW, "broken foreign not FastCGI\nleft idle broken\n",
        { 'G', 'E', 0x5420, '/', " HTTP/1.1\r\n\r\n", 13, 0 }),
    ROW("TLS on the port is foreign", NOW, "broken foreign not FastCGI\nleft idle broken\n",
        { 0x16, 3, 0x100, 2, "", 0, 0 }),
    ROW("a stream that ends in a request leaves the parser busy", NOW, "begin 1\nleft busy\n",
        BEGIN(1), PARAMS(1, GET)),
};

const size_t fastcgi_row_count = sizeof fastcgi_rows / sizeof fastcgi_rows[0];

static uint8_t *put_record(const row_record *record, uint8_t *to)
{
    to[0] = record->version;
    to[1] = record->type;
    to[2] = (uint8_t)(record->id >> 8);
    to[3] = (uint8_t)record->id;
    to[4] = (uint8_t)(record->size >> 8);
    to[5] = (uint8_t)record->size;
    to[6] = record->padding;
    to[7] = 0xee;
    memcpy(to + 8, record->content, record->size);
    memset(to + 8 + record->size, 0xee, record->padding);
    return to + 8 + record->size + record->padding;
}

uint8_t *fastcgi_row_bytes(const fastcgi_row *row, size_t *size)
{
    *size = 0;
    for (size_t index = 0; index < row->count; index++) {
        const row_record *record = &row->records[index];
        *size += (8 + record->size + record->padding) * (record->repeat ? record->repeat : 1);
    }
    uint8_t *bytes = malloc(*size);
    if (bytes == NULL) {
        abort();
    }
    uint8_t *to = bytes;
    for (size_t index = 0; index < row->count; index++) {
        const row_record *record = &row->records[index];
        for (size_t turn = 0; turn < (record->repeat ? record->repeat : 1); turn++) {
            to = put_record(record, to);
        }
    }
    return bytes;
}
