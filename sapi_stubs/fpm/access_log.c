/* access_log: access.format, compiled once, printed for each request.
 * Owns        the compiled format: one block, which the tokens point into.
 * Thread      a compiled format is const.
 * Invariants  I1  a line ends in its only newline and is at most ACCESS_LOG_LINE_MAX bytes
 * Failure     NULL with an error that names the token.
 * Tests       tests/fpm/access_log.c
 */
#include "config.h"

#include "fpm/access_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ARGUMENT_MAX = 64 };     /* bytes between braces */

/* What a token prints: its letter, or for ours one of these. */
enum { PIECE_TEXT = 0, PIECE_PEAK = 1, PIECE_REAL, PIECE_SIZE, PIECE_RESET };

typedef struct piece {
    char kind;
    unsigned int choice;            /* of C, d and M: which of its arguments */
    char argument[ARGUMENT_MAX];    /* of e, o, t and T */
    const char *text;               /* PIECE_TEXT */
    size_t text_size;
} piece;

struct access_log_format {
    size_t count;
    piece pieces[];                 /* the format's text stands behind them */
};

/* ---- compiling ---- */

/* The arguments of letters that have a choice, in the order of `choice`; the first is the default.
 * Names for the same thing stand side by side. */
static const struct choice {
    char letter;
    const char *names[3][4];
} choices[] = {
    { 'C', { { "total" }, { "user" }, { "system" } } },
    { 'd', { { "seconds" }, { "milliseconds", "milli", "miliseconds", "mili" },
        { "microseconds", "micro" } } },
    { 'M', { { "bytes" }, { "kilobytes", "kilo" }, { "megabytes", "mega" } } },
};

static const struct own { const char *name; char kind; } own_pieces[] = {
    { "peak", PIECE_PEAK }, { "real", PIECE_REAL }, { "size", PIECE_SIZE },
    { "reset_us", PIECE_RESET },
};

static const struct choice *choice_of(char letter)
{
    for (size_t index = 0; index < sizeof choices / sizeof choices[0]; index++) {
        if (choices[index].letter == letter) {
            return &choices[index];
        }
    }
    return NULL;
}

static bool choose(const struct choice *from, piece *to)
{
    for (unsigned int which = 0; which < 3; which++) {
        for (unsigned int name = 0; name < 4 && from->names[which][name] != NULL; name++) {
            if (strcasecmp(from->names[which][name], to->argument) == 0) {
                to->choice = which;
                return true;
            }
        }
    }
    return to->argument[0] == '\0';
}

static bool fail(char error[ACCESS_LOG_ERROR_SIZE], const char *token, size_t size,
    const char *what)
{
    snprintf(error, ACCESS_LOG_ERROR_SIZE, "%.*s: %s", (int)(size < 80 ? size : 80), token, what);
    return false;
}

/* Is the letter one that exists, and does it go with its argument? */
static bool check_letter(piece *to, const char *token, size_t size, bool has_argument,
    char error[ACCESS_LOG_ERROR_SIZE])
{
    const struct choice *choice = choice_of(to->kind);
    if (choice != NULL) {
        return choose(choice, to) || fail(error, token, size, "no such argument in braces");
    }
    if (to->kind == '\0' || strchr("%eflmnopPqQrRstTu", to->kind) == NULL) {
        return fail(error, token, size, "unknown token");
    }
    if ((to->kind == 'e' || to->kind == 'o') && to->argument[0] == '\0') {
        return fail(error, token, size, "expected a name in braces before the letter");
    }
    if (has_argument && strchr("eotT", to->kind) == NULL) {
        return fail(error, token, size, "this token has no argument in braces");
    }
    return true;
}

/* The token at `*at`, a per cent sign; `*at` moves behind it. */
static bool compile_token(const char **at, piece *to, char error[ACCESS_LOG_ERROR_SIZE])
{
    const char *token = *at, *next = token + 1;
    bool has_argument = *next == '{';
    if (has_argument) {
        size_t size = strcspn(next + 1, "}");
        if (next[1 + size] == '\0') {
            return fail(error, token, strlen(token), "a brace without its end");
        }
        if (size >= ARGUMENT_MAX) {
            return fail(error, token, size + 3, "more than 63 bytes in braces");
        }
        memcpy(to->argument, next + 1, size);
        next += size + 2;
    }
    for (size_t index = 0; has_argument && index < sizeof own_pieces / sizeof own_pieces[0];
        index++) {
        if (strcmp(to->argument, own_pieces[index].name) == 0) {
            to->kind = own_pieces[index].kind;
            *at = next;
            return true;
        }
    }
    to->kind = *next;
    *at = next + (*next != '\0');
    return check_letter(to, token, (size_t)(*at - token), has_argument, error);
}

static bool compile(access_log_format *format, const char *text,
    char error[ACCESS_LOG_ERROR_SIZE])
{
    for (const char *at = text; *at != '\0'; format->count++) {
        piece *to = &format->pieces[format->count];
        *to = (piece){ .kind = PIECE_TEXT };
        if (*at == '%') {
            if (!compile_token(&at, to, error)) {
                return false;
            }
        } else {
            to->text = at;
            to->text_size = strcspn(at, "%");
            at += to->text_size;
        }
    }
    return true;
}

access_log_format *access_log_compile(const char *text, char error[ACCESS_LOG_ERROR_SIZE])
{
    /* A token is two bytes at least, with text between them: never more pieces than bytes. */
    size_t size = strlen(text);
    access_log_format *format = malloc(sizeof *format + size * sizeof(piece) + size + 1);
    if (format == NULL) {
        snprintf(error, ACCESS_LOG_ERROR_SIZE, "no memory for the format");
        return NULL;
    }
    char *copy = (char *)(format->pieces + size);
    memcpy(copy, text, size + 1);
    format->count = 0;
    if (!compile(format, copy, error)) {
        free(format);
        return NULL;
    }
    return format;
}

void access_log_format_free(access_log_format *format)
{
    free(format);
}

/* ---- printing ---- */

typedef struct line {
    char *text;
    size_t size;
} line;

static void put(line *to, const char *text, size_t size)
{
    size_t room = ACCESS_LOG_LINE_MAX - 1 - to->size;
    size = size < room ? size : room;
    memcpy(to->text + to->size, text, size);
    to->size += size;
}

/* What a client sent. */
static void put_foreign(line *to, const char *text)
{
    text = text == NULL || *text == '\0' ? "-" : text;
    for (; *text != '\0'; text++) {
        char escaped[5];
        unsigned char byte = (unsigned char)*text;
        if (byte < ' ' || byte == 127 || byte == '"' || byte == '\\') {
            snprintf(escaped, sizeof escaped, "\\x%02x", byte);
            put(to, escaped, 4);
        } else {
            put(to, text, 1);
        }
    }
}

static void put_number(line *to, uint64_t number)
{
    char text[24];
    put(to, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number));
}

static void put_decimal(line *to, int digits, double number)
{
    char text[48];
    int size = snprintf(text, sizeof text, "%.*f", digits, number);
    put(to, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void put_time(line *to, const char *format, time_t time)
{
    char text[128];
    struct tm local;
    localtime_r(&time, &local);
    put(to, text, strftime(text, sizeof text, *format != '\0' ? format : "%d/%b/%Y:%H:%M:%S %z",
        &local));
}

static void put_cpu(line *to, unsigned int choice, const access_log_entry *entry)
{
    put_decimal(to, 2, choice == 1 ? entry->cpu_user : choice == 2 ? entry->cpu_system :
        entry->cpu_user + entry->cpu_system);
}

static void put_duration(line *to, unsigned int choice, uint64_t nanoseconds)
{
    if (choice == 2) {
        put_number(to, nanoseconds / 1000);
    } else {
        put_decimal(to, 3, (double)nanoseconds / (choice == 1 ? 1e6 : 1e9));
    }
}

static void put_looked_up(line *to, const char *(*find)(const void *context, const char *name),
    const void *context, const char *name)
{
    put_foreign(to, find == NULL ? NULL : find(context, name));
}

/* Tokens about the request as its client sent it. false: it is another one. */
static bool put_request(line *to, const piece *from, const access_log_entry *entry)
{
    bool has_query = entry->query != NULL && entry->query[0] != '\0';
    switch (from->kind) {
    case 'e': put_looked_up(to, entry->variable, entry->context, from->argument); return true;
    case 'o': put_looked_up(to, entry->header, entry->context, from->argument); return true;
    case 'f': put_foreign(to, entry->script); return true;
    case 'l': put_number(to, entry->content_length); return true;
    case 'm': put_foreign(to, entry->method); return true;
    case 'q': if (has_query) put_foreign(to, entry->query); return true;
    case 'Q': put(to, "?", has_query); return true;
    case 'r': put_foreign(to, entry->uri); return true;
    case 'R': put_foreign(to, entry->address); return true;
    case 'u': put_foreign(to, entry->user); return true;
    default: return false;
    }
}

/* Tokens about how it was served. */
static void put_service(line *to, const piece *from, const access_log_entry *entry)
{
    switch (from->kind) {
    case '%': put(to, "%", 1); break;
    case 'C': put_cpu(to, from->choice, entry); break;
    case 'd': put_duration(to, from->choice, entry->duration); break;
    case 'M': put_number(to, entry->heap_peak >> (10 * from->choice)); break;
    case 'n': put_foreign(to, entry->pool); break;
    case 'p': put_number(to, (uint64_t)entry->worker_tid); break;
    case 'P': put_number(to, (uint64_t)entry->server_pid); break;
    case 's': put_number(to, (uint64_t)entry->status); break;
    case 't': put_time(to, from->argument, entry->begin_time); break;
    case 'T': put_time(to, from->argument, entry->end_time); break;
    case PIECE_PEAK: put_number(to, entry->heap_peak); break;
    case PIECE_REAL: put_number(to, entry->heap_real_size); break;
    case PIECE_SIZE: put_number(to, entry->heap_size); break;
    case PIECE_RESET: put_number(to, entry->reset_duration / 1000); break;
    default: put(to, from->text, from->text_size); break;
    }
}

size_t access_log_print(const access_log_format *format, const access_log_entry *entry,
    char text[ACCESS_LOG_LINE_MAX])
{
    line to = { text, 0 };
    for (size_t index = 0; index < format->count; index++) {
        const piece *from = &format->pieces[index];
        if (!put_request(&to, from, entry)) {
            put_service(&to, from, entry);
        }
    }
    text[to.size] = '\n';
    return to.size + 1;
}
