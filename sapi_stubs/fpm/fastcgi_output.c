/* fastcgi_output: records to a peer, gathered in the caller's buffer.
 * Owns        nothing; the buffer is the caller's.
 * Thread      one at a time for each output.
 * Invariants  I1  size + FCGI_OUTPUT_TAIL_SIZE <= capacity until fcgi_output_end()
 *             I2  an open record's content begins at record + 8 and ends at size, and is not empty
 *             I3  every record begins at a multiple of 8
 * Failure     none: a full buffer takes fewer bytes.
 * Tests       tests/fpm/fastcgi_output.c
 */
#include "config.h"

#include "fpm/fastcgi_output.h"

#include <string.h>

static size_t padding_of(size_t content_size)
{
    return (0 - content_size) % 8;
}

void fcgi_make_header(uint8_t header[FCGI_HEADER_SIZE], fcgi_type type, uint16_t request_id,
    size_t content_size)
{
    header[0] = FCGI_VERSION;
    header[1] = (uint8_t)type;
    header[2] = (uint8_t)(request_id >> 8);
    header[3] = (uint8_t)request_id;
    header[4] = (uint8_t)(content_size >> 8);
    header[5] = (uint8_t)content_size;
    header[6] = (uint8_t)padding_of(content_size);
    header[7] = 0;
}

void fcgi_make_end(uint8_t record[FCGI_END_SIZE], uint16_t request_id, uint32_t app_status,
    fcgi_protocol_status status)
{
    fcgi_make_header(record, FCGI_TYPE_END_REQUEST, request_id, FCGI_END_SIZE - FCGI_HEADER_SIZE);
    uint8_t *body = record + FCGI_HEADER_SIZE;
    memset(body, 0, FCGI_END_SIZE - FCGI_HEADER_SIZE);
    for (unsigned int index = 0; index < 4; index++) {
        body[index] = (uint8_t)(app_status >> (24 - 8 * index));
    }
    body[4] = (uint8_t)status;
}

void fcgi_output_init(fcgi_output *output, uint8_t *buffer, size_t capacity, uint16_t request_id)
{
    *output = (fcgi_output){ .buffer = buffer, .capacity = capacity, .request_id = request_id };
}

void fcgi_output_flush(fcgi_output *output)
{
    if (!output->is_open) {
        return;
    }
    size_t content_size = output->size - output->record - FCGI_HEADER_SIZE;
    size_t padding_size = padding_of(content_size);
    fcgi_make_header(output->buffer + output->record, output->type, output->request_id,
        content_size);
    memset(output->buffer + output->size, 0, padding_size);
    output->size += padding_size;
    output->is_open = false;
}

void fcgi_output_clear(fcgi_output *output)
{
    output->size = 0;
    output->is_open = false;
}

/* Bytes of content that still fit behind the open record, or into a new one. */
static size_t room(const fcgi_output *output)
{
    size_t header_size = output->is_open ? 0 : FCGI_HEADER_SIZE;
    size_t used = output->size + header_size + FCGI_OUTPUT_TAIL_SIZE;
    return used < output->capacity ? output->capacity - used : 0;
}

size_t fcgi_output_write(fcgi_output *output, fcgi_type type, const char *data, size_t size)
{
    size_t taken = 0;
    while (taken < size) {
        size_t filled = output->is_open ? output->size - output->record - FCGI_HEADER_SIZE : 0;
        if (output->is_open && (output->type != type || filled == FCGI_RECORD_CONTENT_MAX)) {
            fcgi_output_flush(output);
            filled = 0;
        }
        size_t piece = room(output);
        if (piece == 0) {
            break;
        }
        piece = piece < size - taken ? piece : size - taken;
        piece = piece < FCGI_RECORD_CONTENT_MAX - filled ? piece : FCGI_RECORD_CONTENT_MAX - filled;
        if (!output->is_open) {
            output->record = output->size;
            output->size += FCGI_HEADER_SIZE;
            output->type = type;
            output->is_open = true;
        }
        memcpy(output->buffer + output->size, data + taken, piece);
        output->size += piece;
        taken += piece;
    }
    if (type == FCGI_TYPE_STDOUT && taken > 0) {
        output->any_stdout = true;
        output->stdout_size += taken;
    }
    return taken;
}

void fcgi_output_end(fcgi_output *output, uint32_t app_status, fcgi_protocol_status status)
{
    fcgi_output_flush(output);
    if (output->any_stdout) {
        fcgi_make_header(output->buffer + output->size, FCGI_TYPE_STDOUT, output->request_id, 0);
        output->size += FCGI_HEADER_SIZE;
    }
    fcgi_make_end(output->buffer + output->size, output->request_id, app_status, status);
    output->size += FCGI_END_SIZE;
}
