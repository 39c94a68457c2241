/* fastcgi_output: records as they lie in the buffer, byte for byte, and whole answers of every size
 * through buffers of several sizes. */
#include "config.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "fpm/fastcgi_output.h"
#include "tests/support/check.h"

enum { CAPACITY = 256 * 1024, ANSWER_MAX = 400 * 1024 };

static alignas(8) uint8_t buffer[CAPACITY];
static uint8_t sent[2 * ANSWER_MAX];
static size_t sent_size;
static char answer[ANSWER_MAX], received[ANSWER_MAX];

static void send_buffer(fcgi_output *output)
{
    fcgi_output_flush(output);
    memcpy(sent + sent_size, output->buffer, output->size);
    sent_size += output->size;
    fcgi_output_clear(output);
}

static void write_all(fcgi_output *output, fcgi_type type, const char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        at += fcgi_output_write(output, type, data + at, size - at);
        if (at < size) {
            send_buffer(output);
        }
    }
}

/* Cut what was sent into records again. Yields whether every record follows the rules and the
 * contents of STDOUT are the answer. */
static bool is_answer(size_t size)
{
    size_t at = 0, received_size = 0;
    bool good = true, stdout_ended = false, ended = false;
    while (good && at < sent_size) {
        const uint8_t *header = sent + at;
        size_t content = (size_t)header[4] << 8 | header[5], padding = header[6];
        good = !ended && at % 8 == 0 && (content + padding) % 8 == 0 && padding < 8 &&
            content <= FCGI_RECORD_CONTENT_MAX && header[0] == 1 && header[2] == 0x12 &&
            header[3] == 0x34 && header[7] == 0;
        for (size_t index = 0; index < padding; index++) {
            good = good && header[8 + content + index] == 0;
        }
        if (header[1] == FCGI_TYPE_STDOUT) {
            good = good && !stdout_ended;
            memcpy(received + received_size, header + 8, content);
            received_size += content;
            stdout_ended = content == 0;
        } else {
            ended = header[1] == FCGI_TYPE_END_REQUEST;
        }
        at += 8 + content + padding;
    }
    return good && ended && at == sent_size && received_size == size &&
        stdout_ended == (size > 0) && memcmp(answer, received, size) == 0;
}

static bool goes_through(size_t size, size_t capacity)
{
    fcgi_output output;
    memset(buffer, 0xee, sizeof buffer);
    sent_size = 0;
    fcgi_output_init(&output, buffer, capacity, 0x1234);
    write_all(&output, FCGI_TYPE_STDOUT, answer, size);
    fcgi_output_end(&output, 0, FCGI_REQUEST_COMPLETE);
    bool fits = output.size <= capacity && output.stdout_size == size;
    send_buffer(&output);
    return fits && is_answer(size);
}

static void check_bytes(void)
{
    static const uint8_t expected[] = {
        1, 6, 0, 7, 0, 5, 3, 0, 'h', 'e', 'l', 'l', 'o', 0, 0, 0,
        1, 7, 0, 7, 0, 1, 7, 0, '!', 0, 0, 0, 0, 0, 0, 0,
        1, 6, 0, 7, 0, 8, 0, 0, '1', '2', '3', '4', '5', '6', '7', '8',
        1, 6, 0, 7, 0, 0, 0, 0,
        1, 3, 0, 7, 0, 8, 0, 0, 1, 2, 3, 4, 2, 0, 0, 0,
    };
    fcgi_output output;
    CHECK_CASE("reserved and padding bytes are zero, whatever was in the buffer");
    memset(buffer, 0xee, sizeof buffer);
    fcgi_output_init(&output, buffer, 256, 7);
    CHECK(fcgi_output_write(&output, FCGI_TYPE_STDOUT, "hel", 3) == 3);
    CHECK(fcgi_output_write(&output, FCGI_TYPE_STDOUT, "lo", 2) == 2);
    CHECK(fcgi_output_write(&output, FCGI_TYPE_STDERR, "!", 1) == 1);
    CHECK(fcgi_output_write(&output, FCGI_TYPE_STDOUT, "12345678", 8) == 8);
    CHECK(fcgi_output_write(&output, FCGI_TYPE_STDOUT, "", 0) == 0);
    fcgi_output_end(&output, 0x01020304, FCGI_OVERLOADED);
    CHECK(output.size == sizeof expected);
    CHECK(memcmp(buffer, expected, sizeof expected) == 0);
}

static void check_sizes(void)
{
    static const size_t capacities[] = { FCGI_OUTPUT_CAPACITY_MIN, 264, 8192, 65536, CAPACITY };
    CHECK_CASE("answers of every size arrive whole through buffers of every size");
    for (size_t index = 0; index < sizeof answer; index++) {
        answer[index] = (char)(index * 7 + index / 251);
    }
    for (size_t which = 0; which < sizeof capacities / sizeof capacities[0]; which++) {
        for (size_t size = 0; size < 600; size++) {
            CHECK(goes_through(size, capacities[which]));
        }
        CHECK(goes_through(8191, capacities[which]));
        CHECK(goes_through(FCGI_RECORD_CONTENT_MAX - 1, capacities[which]));
        CHECK(goes_through(FCGI_RECORD_CONTENT_MAX, capacities[which]));
        CHECK(goes_through(FCGI_RECORD_CONTENT_MAX + 1, capacities[which]));
        CHECK(goes_through(ANSWER_MAX, capacities[which]));
    }
}

int main(void)
{
    check_bytes();
    check_sizes();
    return check_summary();
}
