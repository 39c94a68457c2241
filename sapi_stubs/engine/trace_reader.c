/* trace_reader: a trace file, plain or gzip-compressed, to a checked array of ops.
 * Owns        the format (traces/README.md) and every rule about what a valid trace is.
 * Thread      main thread; the result is read-only.
 * Invariants  I1  a trace that was returned can be replayed without any test: ids are below
 *                 id_count and live where they must be, the last op is a TRACE_END
 *             I2  no header number is trusted with memory: arrays grow with what is really there
 * Failure     false; the error names the file, the line, what was found and what was expected.
 * Tests       tests/unit/trace_reader.c, tests/cli/files.sh */
#include "config.h"

#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line_reader.h"

enum header_field { HEADER_IDS, HEADER_OPS, HEADER_REQUESTS, HEADER_PEAK, HEADER_NUMBER_COUNT };

static const char *const header_names[HEADER_NUMBER_COUNT] = {
    "ids", "ops", "requests", "peak-bytes"
};

typedef struct header_number {
    uint64_t value;
    size_t line;                /* 0: not seen */
} header_number;

typedef struct reader {
    line_reader lines;
    trace *out;

    header_number numbers[HEADER_NUMBER_COUNT];

    /* The request being read. An id below used_count is live or free to be taken again. */
    bool *live;
    size_t *sizes;
    size_t used_count, table_capacity;
    uint64_t live_size;
    size_t largest_id_count;
    uint64_t peak_size;
    size_t op_capacity, request_capacity, wide_capacity;
} reader;

/* Room for element `count` of an array; *capacity grows by half. false: no memory. */
static bool grow(void **array, size_t count, size_t *capacity, size_t element_size)
{
    if (count < *capacity) {
        return true;
    }
    size_t wanted = *capacity + *capacity / 2 + 1024;
    void *moved = realloc(*array, wanted * element_size);
    if (moved == NULL) {
        return false;
    }
    *array = moved;
    *capacity = wanted;
    return true;
}

/* ---- numbers ---- */

/* Plain decimal, no sign, no leading zero; *at moves behind it. */
static bool parse_number(const char **at, const char *end, uint64_t *number)
{
    const char *begin = *at;
    uint64_t value = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value)
            || __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value)) {
            return false;
        }
    }
    *number = value;
    return *at > begin && (*begin != '0' || *at == begin + 1);
}

/* The word that begins at `at`, for an error. */
static bool fail_word(reader *in, const char *at, const char *expected)
{
    const char *end = in->lines.text + in->lines.size;
    const char *space = at < end ? memchr(at, ' ', (size_t)(end - at)) : NULL;
    size_t size = (size_t)((space != NULL ? space : end) - at);
    return line_reader_fail_at(&in->lines, in->lines.number, at, size, "%s", expected);
}

/* ` NUMBER` at *at. */
static bool parse_operand(reader *in, const char **at, uint64_t *number, const char *expected)
{
    const char *end = in->lines.text + in->lines.size;
    if (*at == end || **at != ' ') {
        return line_reader_fail(&in->lines, "an op: 'a ID SIZE', 'r ID SIZE', 'f ID' or 'q'");
    }
    const char *word = ++*at;
    if (!parse_number(at, end, number) || (*at < end && **at != ' ')) {
        return fail_word(in, word, expected);
    }
    return true;
}

/* ---- header ---- */

static bool read_source(reader *in, const char *text, size_t size)
{
    if (in->out->source != NULL) {
        return line_reader_fail(&in->lines, "a header line that was not there before");
    }
    in->out->source = strndup(text, size);
    return in->out->source != NULL || line_reader_fail_memory(&in->lines);
}

static bool read_header_number(reader *in, enum header_field field, const char *text)
{
    header_number *number = &in->numbers[field];
    const char *end = in->lines.text + in->lines.size;
    const char *at = text;
    if (number->line != 0) {
        return line_reader_fail(&in->lines, "a header line that was not there before");
    }
    if (!parse_number(&at, end, &number->value) || at != end) {
        return line_reader_fail_at(&in->lines, in->lines.number, text, (size_t)(end - text),
            "a plain decimal number below 2^64 behind '# %s: '", header_names[field]);
    }
    number->line = in->lines.number;
    return true;
}

/* One `# name: text` line; names that are not ours are comments. */
static bool read_header_line(reader *in)
{
    static const char source_prefix[] = "# source: ";
    size_t prefix_size = sizeof(source_prefix) - 1;
    if (in->lines.size >= prefix_size && memcmp(in->lines.text, source_prefix, prefix_size) == 0) {
        return read_source(in, in->lines.text + prefix_size, in->lines.size - prefix_size);
    }
    for (int field = 0; field < HEADER_NUMBER_COUNT; field++) {
        char prefix[24];
        size_t size = (size_t)snprintf(prefix, sizeof(prefix), "# %s: ", header_names[field]);
        if (in->lines.size >= size && memcmp(in->lines.text, prefix, size) == 0) {
            return read_header_number(in, (enum header_field)field, in->lines.text + size);
        }
    }
    return true;
}

static bool header_is_complete(reader *in)
{
    for (int field = 0; field < HEADER_NUMBER_COUNT; field++) {
        if (in->numbers[field].line == 0) {
            return line_reader_fail_at(&in->lines, in->lines.number, in->lines.text, in->lines.size,
                "a header line '# %s: N' before the first op", header_names[field]);
        }
    }
    if (in->out->source == NULL) {
        return line_reader_fail(&in->lines, "a header line '# source: TEXT' before the first op");
    }
    return true;
}

/* Up to the first op, which is then the current line. */
static bool read_header(reader *in)
{
    static const char first[] = "#zmtrace 1";
    if (!line_reader_next(&in->lines)) {
        return in->lines.error[0] == '\0'
            && line_reader_fail_at(&in->lines, 1, "", 0, "'%s', the first line of a trace", first);
    }
    if (in->lines.size != sizeof(first) - 1 || memcmp(in->lines.text, first, in->lines.size) != 0) {
        return line_reader_fail(&in->lines, "'#zmtrace 1', the first line of a trace");
    }
    while (line_reader_next(&in->lines)) {
        if (in->lines.size == 0 || in->lines.text[0] != '#') {
            in->out->header_line_count = in->lines.number - 1;
            return header_is_complete(in);
        }
        if (!read_header_line(in)) {
            return false;
        }
    }
    if (in->lines.error[0] == '\0') {
        (void)line_reader_fail_at(&in->lines, in->lines.number + 1, "", 0,
            "ops; the last line of a trace is a 'q'");
    }
    return false;
}

/* ---- ops ---- */

static bool add_op(reader *in, trace_op_kind kind, size_t id, size_t size)
{
    trace *out = in->out;
    if (!grow((void **)&out->ops, out->op_count, &in->op_capacity, sizeof(trace_op))) {
        return line_reader_fail_memory(&in->lines);
    }
    if (size > UINT32_MAX) {
        if (!grow((void **)&out->wide_sizes, out->wide_size_count, &in->wide_capacity,
                sizeof(size_t))) {
            return line_reader_fail_memory(&in->lines);
        }
        out->wide_sizes[out->wide_size_count] = size;
        size = out->wide_size_count++;
        kind = kind == TRACE_ALLOC ? TRACE_ALLOC_WIDE : TRACE_REALLOC_WIDE;
    }
    trace_op *op = &out->ops[out->op_count++];
    op->kind = (unsigned int)kind & ((1u << TRACE_KIND_BITS) - 1);
    op->id = (uint32_t)id & TRACE_ID_MAX;
    op->size = (uint32_t)size;
    return true;
}

/* Check and note that `id` is bound; new ids come in order. */
static bool take_id(reader *in, uint64_t id, const char *word)
{
    if (id < in->used_count && in->live[id]) {
        return fail_word(in, word, "an id that is not live");
    }
    if (id >= in->numbers[HEADER_IDS].value || id > TRACE_ID_MAX) {
        return line_reader_fail_at(&in->lines, in->lines.number, in->lines.text, in->lines.size,
            "an id below %zu, the number of ids in line %zu",
            (size_t)in->numbers[HEADER_IDS].value, in->numbers[HEADER_IDS].line);
    }
    if (id > in->used_count) {
        return line_reader_fail_at(&in->lines, in->lines.number, in->lines.text, in->lines.size,
            "an id that was freed, or %zu, the next unused one", in->used_count);
    }
    if (id == in->used_count) {
        size_t capacity = in->table_capacity;
        if (!grow((void **)&in->live, id, &capacity, sizeof(bool))
            || !grow((void **)&in->sizes, id, &in->table_capacity, sizeof(size_t))) {
            return line_reader_fail_memory(&in->lines);
        }
        in->used_count++;
    }
    in->live[id] = true;
    in->sizes[id] = 0;
    return true;
}

static bool set_size(reader *in, size_t id, size_t size)
{
    in->live_size -= in->sizes[id];
    if (__builtin_add_overflow(in->live_size, size, &in->live_size)) {
        return line_reader_fail(&in->lines, "less than 2^64 bytes live together");
    }
    in->sizes[id] = size;
    if (in->live_size > in->peak_size) {
        in->peak_size = in->live_size;
    }
    return true;
}

static bool read_end(reader *in)
{
    trace *out = in->out;
    if (in->lines.size != 1) {
        return line_reader_fail(&in->lines, "'q' alone on its line");
    }
    if (!grow((void **)&out->request_first_ops, out->request_count + 1, &in->request_capacity,
            sizeof(size_t))) {
        return line_reader_fail_memory(&in->lines);
    }
    if (!add_op(in, TRACE_END, 0, 0)) {
        return false;
    }
    out->request_first_ops[++out->request_count] = out->op_count;
    if (in->used_count > in->largest_id_count) {
        in->largest_id_count = in->used_count;
    }
    in->used_count = 0;
    in->live_size = 0;
    return true;
}

/* The operands of the current line, whose letter is known: ` ID SIZE`, or ` ID` for an 'f'. */
static bool parse_operands(reader *in, char letter, uint64_t *id, uint64_t *size)
{
    const char *at = in->lines.text + 1;
    const char *end = in->lines.text + in->lines.size;
    if (!parse_operand(in, &at, id, "an id: a plain decimal number")) {
        return false;
    }
    if (letter != 'f'
        && !parse_operand(in, &at, size, "a size: a plain decimal number that fits a size_t")) {
        return false;
    }
    if (at != end) {
        return line_reader_fail_at(&in->lines, in->lines.number, at, (size_t)(end - at),
            "the end of the line");
    }
    return *size <= SIZE_MAX || line_reader_fail(&in->lines, "a size that fits a size_t");
}

static bool read_op(reader *in)
{
    char letter = in->lines.size > 0 ? in->lines.text[0] : '\0';
    if (letter == 'q') {
        return read_end(in);
    }
    if (letter != 'a' && letter != 'r' && letter != 'f') {
        return line_reader_fail(&in->lines, "an op: 'a ID SIZE', 'r ID SIZE', 'f ID' or 'q'");
    }
    uint64_t id = 0;
    uint64_t size = 0;
    if (!parse_operands(in, letter, &id, &size)) {
        return false;
    }
    if (letter == 'a') {
        return take_id(in, id, in->lines.text + 2) && set_size(in, id, size)
            && add_op(in, TRACE_ALLOC, id, size);
    }
    if (id >= in->used_count || !in->live[id]) {
        return fail_word(in, in->lines.text + 2, "an id that is live");
    }
    if (letter == 'f') {
        in->live[id] = false;
        return set_size(in, id, 0) && add_op(in, TRACE_FREE, id, 0);
    }
    return set_size(in, id, size) && add_op(in, TRACE_REALLOC, id, size);
}

/* ---- the whole ---- */

static bool check_number(reader *in, enum header_field field, uint64_t real)
{
    const header_number *number = &in->numbers[field];
    char found[32];
    if (number->value == real) {
        return true;
    }
    int size = snprintf(found, sizeof(found), "%llu", (unsigned long long)number->value);
    return line_reader_fail_at(&in->lines, number->line, found, (size_t)size,
        "# %s: %llu, which is what the ops have", header_names[field], (unsigned long long)real);
}

static bool read_ops(reader *in)
{
    trace *out = in->out;
    if (!grow((void **)&out->request_first_ops, 0, &in->request_capacity, sizeof(size_t))) {
        return line_reader_fail_memory(&in->lines);
    }
    out->request_first_ops[0] = 0;
    do {
        if (!read_op(in)) {
            return false;
        }
    } while (line_reader_next(&in->lines));
    if (in->lines.error[0] != '\0') {
        return false;
    }
    if (out->ops[out->op_count - 1].kind != TRACE_END) {
        return line_reader_fail_at(&in->lines, in->lines.number + 1, "", 0,
            "more ops; the last line of a trace is a 'q'");
    }
    out->id_count = in->largest_id_count;
    out->peak_size = in->peak_size;
    return check_number(in, HEADER_IDS, out->id_count)
        && check_number(in, HEADER_OPS, out->op_count)
        && check_number(in, HEADER_REQUESTS, out->request_count)
        && check_number(in, HEADER_PEAK, out->peak_size);
}

bool trace_read(const char *path, trace *out, char *error, size_t error_size)
{
    return trace_read_file(path, -1, out, error, error_size);
}

bool trace_read_file(const char *path, int file, trace *out, char *error, size_t error_size)
{
    bool good = false;
    memset(out, 0, sizeof(*out));
    reader *in = calloc(1, sizeof(*in));
    out->path = strdup(path);
    if (in == NULL || out->path == NULL) {
        snprintf(error, error_size, "%s: no memory to read it", path);
        goto done;
    }
    in->out = out;
    if (!line_reader_open(&in->lines, path, file, error, error_size)) {
        goto done;
    }
    good = read_header(in) && read_ops(in);
    line_reader_close(&in->lines);
    free(in->live);
    free(in->sizes);
done:
    free(in);
    if (!good) {
        trace_free(out);
    }
    return good;
}

void trace_free(trace *out)
{
    free(out->path);
    free(out->source);
    free(out->ops);
    free(out->request_first_ops);
    free(out->wide_sizes);
    memset(out, 0, sizeof(*out));
}
