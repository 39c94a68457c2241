/* fastcgi_transcript: see the header.
 * Owns        the text, and through `resize` the params of the parser.
 * Thread      one for each transcript.
 * Invariants  I1  every event that ends a request is answered as `answer` says
 * Failure     abort when there is no memory, or the parser uses more bytes than it was given.
 * Tests       tests/fpm/fastcgi.c, tests/fuzz/fastcgi.c
 */
#include "config.h"

#include "tests/fpm/fastcgi_transcript.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A block and its size in front, which tells what is held. */
typedef union block_head {
    size_t size;
    max_align_t align;
} block_head;

static void *resize(void *context, void *block, size_t size)
{
    transcript *script = context;
    block_head *head = block == NULL ? NULL : (block_head *)block - 1;
    if (head != NULL) {
        script->memory_size -= head->size;
    }
    if (size == 0) {
        free(head);
        return NULL;
    }
    head = realloc(head, sizeof *head + size);
    if (head == NULL) {
        abort();
    }
    head->size = size;
    script->memory_size += size;
    if (script->memory_size > script->memory_peak) {
        script->memory_peak = script->memory_size;
    }
    return head + 1;
}

static void say(transcript *script, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t taken = (size_t)size < sizeof line ? (size_t)size : sizeof line - 1;
    if (script->text_size + taken + 1 > script->text_capacity) {
        script->text_capacity = 2 * (script->text_size + taken + 1);
        script->text = realloc(script->text, script->text_capacity);
        if (script->text == NULL) {
            abort();
        }
    }
    memcpy(script->text + script->text_size, line, taken);
    script->text_size += taken;
    script->text[script->text_size] = '\0';
}

static void say_text(transcript *script, const char *text, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        unsigned char byte = (unsigned char)text[index];
        say(script, byte > ' ' && byte < 127 ? "%c" : "\\%02x", byte);
    }
}

static void say_params(transcript *script)
{
    enum { SHOWN_MAX = 20 };
    const fcgi_params *params = &script->parser.params;
    say(script, "params length=%llu", (unsigned long long)script->parser.content_length);
    for (size_t index = 0; index < params->count && index < SHOWN_MAX; index++) {
        say(script, " ");
        say_text(script, params->pairs[index].name, params->pairs[index].name_size);
        say(script, "=");
        say_text(script, params->pairs[index].value, params->pairs[index].value_size);
    }
    say(script, params->count > SHOWN_MAX ? " and more\n" : "\n");
}

/* The line of a body, if one is being gathered. */
static void say_body(transcript *script)
{
    if (script->body_size > 0) {
        say(script, "body size=%zu sum=%u\n", script->body_size, script->body_sum);
    }
    script->body_size = 0;
    script->body_sum = 0;
}

static void gather_body(transcript *script, const fcgi_event *event)
{
    for (size_t index = 0; index < event->size; index++) {
        script->body_sum = script->body_sum * 31 + event->data[index];
    }
    script->body_size += event->size;
}

static void end_request(transcript *script)
{
    fcgi_parser_end_request(&script->parser, false);
    say(script, "answered\n");
}

static void say_reply(transcript *script, const fcgi_event *event)
{
    say(script, "reply%s ", event->close ? " close" : "");
    for (size_t index = 0; index < event->size; index++) {
        say(script, "%02x", event->reply[index]);
    }
    say(script, "\n");
}

static void handle(transcript *script, const fcgi_event *event)
{
    bool may_answer = false;
    if (event->kind == FCGI_STDIN) {
        gather_body(script, event);
        return;
    }
    if (event->kind != FCGI_MORE) {
        say_body(script);
    }
    switch (event->kind) {
    case FCGI_BEGIN:
        say(script, "begin %u%s\n", script->parser.request_id,
            script->parser.keep_connection ? " keep" : "");
        break;
    case FCGI_PARAMS:
        say_params(script);
        break;
    case FCGI_STDIN_END:
        say(script, event->body_is_short ? "end short\n" : "end\n");
        may_answer = true;
        break;
    case FCGI_ABORT:
        say(script, "abort\n");
        may_answer = true;
        break;
    case FCGI_REFUSED:
        say(script, "refused %d %s\n", event->status, event->text);
        may_answer = true;
        break;
    case FCGI_REPLY:
        say_reply(script, event);
        break;
    case FCGI_NEXT:
        say(script, "next\n");
        end_request(script);
        break;
    case FCGI_BROKEN:
        say(script, "broken %s%s\n", event->is_foreign ? "foreign " : "", event->text);
        break;
    default:
        break;
    }
    if (may_answer && script->answer == TRANSCRIPT_ANSWER_AT_ONCE) {
        end_request(script);
    }
}

void transcript_begin(transcript *script, const fcgi_limits *limits, transcript_answer answer)
{
    *script = (transcript){ .answer = answer };
    fcgi_parser_init(&script->parser, limits, &(fcgi_memory){ resize, script });
    say(script, "%s", "");
}

void transcript_feed(transcript *script, const uint8_t *data, size_t size)
{
    fcgi_event event;
    if (script->parser.is_broken) {
        return;
    }
    do {
        size_t used = fcgi_parse(&script->parser, data, size, &event);
        if (used > size || (event.kind == FCGI_MORE && used != size)) {
            abort();
        }
        data += used;
        size -= used;
        handle(script, &event);
    } while (event.kind != FCGI_MORE && event.kind != FCGI_BROKEN);
}

void transcript_end(transcript *script)
{
    say_body(script);
    say(script, "left %s%s\n", fcgi_parser_is_idle(&script->parser) ? "idle" : "busy",
        script->parser.is_broken ? " broken" : "");
    fcgi_parser_end_request(&script->parser, false);
    if (script->memory_size != 0) {
        say(script, "leaked %zu\n", script->memory_size);
    }
}

void transcript_free(transcript *script)
{
    free(script->text);
}
