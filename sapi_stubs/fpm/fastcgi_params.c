/* fastcgi_params: the pairs of a PARAMS stream; the names of a GET_VALUES record.
 * Owns        blocks from the caller's memory: `bytes`, and `pairs` with `sorted` behind them.
 * Thread      one at a time for each request.
 * Invariants  I1  size <= capacity <= what was received, twice at most
 *             I2  sorted[] orders pairs by size of the name, then its bytes, then time of arrival
 *             I3  names and values end in a NUL that is not counted
 * Failure     a result; what was taken of the memory so far stays until fcgi_params_free().
 * Tests       tests/fpm/fastcgi_params.c
 */
#include "config.h"

#include "fpm/fastcgi_params.h"

#include <string.h>

enum { FIRST_CAPACITY = 2048 };     /* what nginx sends for a page fits */

fcgi_params_result fcgi_params_append(fcgi_params *params, const fcgi_memory *memory,
    const uint8_t *data, size_t size, size_t size_max)
{
    if (size > size_max || params->size > size_max - size) {
        return FCGI_PARAMS_TOO_LARGE;
    }
    if (params->size + size > params->capacity) {
        size_t capacity = params->capacity == 0 ? FIRST_CAPACITY : params->capacity;
        while (capacity < params->size + size) {
            capacity *= 2;
        }
        char *bytes = memory->resize(memory->context, params->bytes, capacity);
        if (bytes == NULL) {
            return FCGI_PARAMS_NO_MEMORY;
        }
        params->bytes = bytes;
        params->capacity = capacity;
    }
    memcpy(params->bytes + params->size, data, size);
    params->size += size;
    return FCGI_PARAMS_GOOD;
}

/* ---- cutting ---- */

/* A length at `*at`: one byte, or four with the top bit set. false: it reaches behind the end. */
static bool read_length(const char *bytes, size_t size, size_t *at, uint32_t *length)
{
    const unsigned char *from = (const unsigned char *)bytes + *at;
    size_t left = size - *at;
    if (left == 0 || (from[0] >= 0x80 && left < 4)) {
        return false;
    }
    if (from[0] < 0x80) {
        *length = from[0];
        *at += 1;
    } else {
        *length = (uint32_t)(from[0] & 0x7f) << 24 | (uint32_t)from[1] << 16 |
            (uint32_t)from[2] << 8 | from[3];
        *at += 4;
    }
    return true;
}

/* The pair at `*at`, which moves behind it; `*name_at` is where the name begins. */
static bool read_pair(const char *bytes, size_t size, size_t *at, size_t *name_at,
    fcgi_param *pair)
{
    if (!read_length(bytes, size, at, &pair->name_size) ||
        !read_length(bytes, size, at, &pair->value_size)) {
        return false;
    }
    /* Two lengths of 31 bits cannot overflow 64. */
    uint64_t end = (uint64_t)*at + pair->name_size + pair->value_size;
    *name_at = *at;
    if (end > size) {
        return false;
    }
    *at = (size_t)end;
    return true;
}

static bool count_pairs(const fcgi_params *params, size_t count_max, size_t *count,
    fcgi_params_result *result)
{
    fcgi_param pair;
    size_t name_at;
    *count = 0;
    for (size_t at = 0; at < params->size; (*count)++) {
        if (*count == count_max) {
            *result = FCGI_PARAMS_TOO_MANY;
            return false;
        }
        if (!read_pair(params->bytes, params->size, &at, &name_at, &pair)) {
            *result = FCGI_PARAMS_CUT;
            return false;
        }
    }
    return true;
}

/* The two lengths before a pair take two bytes at least: room for the two NULs behind its strings,
 * which only ever move to the front. */
static void cut_pairs(fcgi_params *params)
{
    char *to = params->bytes;
    size_t at = 0, name_at = 0;
    for (size_t index = 0; index < params->count; index++) {
        fcgi_param *pair = &params->pairs[index];
        (void)read_pair(params->bytes, params->size, &at, &name_at, pair);
        const char *from = params->bytes + name_at;
        memmove(to, from, pair->name_size);
        pair->name = to;
        to += pair->name_size;
        *to++ = '\0';
        memmove(to, from + pair->name_size, pair->value_size);
        pair->value = to;
        to += pair->value_size;
        *to++ = '\0';
    }
}

/* ---- order ---- */

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size)
{
    if (a_size != b_size) {
        return a_size < b_size ? -1 : 1;
    }
    return memcmp(a, b, a_size);
}

/* Merge the runs [first, middle) and [middle, last) of `from` into `to`; equal names keep their
 * order. */
static void merge(fcgi_params *params, const uint16_t *from, uint16_t *to, size_t first,
    size_t middle, size_t last)
{
    size_t left = first, right = middle;
    for (size_t at = first; at < last; at++) {
        bool take_left = left < middle;
        if (take_left && right < last) {
            const fcgi_param *a = &params->pairs[from[left]], *b = &params->pairs[from[right]];
            params->comparison_count++;
            take_left = compare_names(a->name, a->name_size, b->name, b->name_size) <= 0;
        }
        to[at] = take_left ? from[left++] : from[right++];
    }
}

/* Merge sort, since qsort(3) takes memory from malloc and hashes can be made to collide. `scratch`
 * has as many entries as `sorted`. */
static uint16_t *sort_pairs(fcgi_params *params, uint16_t *sorted, uint16_t *scratch)
{
    size_t count = params->count;
    for (size_t index = 0; index < count; index++) {
        sorted[index] = (uint16_t)index;
    }
    for (size_t run = 1; run < count; run *= 2) {
        for (size_t first = 0; first < count; first += 2 * run) {
            size_t middle = first + run < count ? first + run : count;
            size_t last = middle + run < count ? middle + run : count;
            merge(params, sorted, scratch, first, middle, last);
        }
        uint16_t *result = scratch;
        scratch = sorted;
        sorted = result;
    }
    return sorted;
}

fcgi_params_result fcgi_params_finish(fcgi_params *params, const fcgi_memory *memory,
    size_t count_max)
{
    size_t count;
    fcgi_params_result result = FCGI_PARAMS_GOOD;
    if (!count_pairs(params, count_max, &count, &result)) {
        return result;
    }
    if (count == 0) {
        return FCGI_PARAMS_GOOD;
    }
    /* One block: the pairs, the order, and as much again to sort in. */
    params->pairs = memory->resize(memory->context, NULL,
        count * (sizeof(fcgi_param) + 2 * sizeof(uint16_t)));
    if (params->pairs == NULL) {
        return FCGI_PARAMS_NO_MEMORY;
    }
    params->count = count;
    cut_pairs(params);
    uint16_t *sorted = (uint16_t *)(params->pairs + count);
    params->sorted = sort_pairs(params, sorted, sorted + count);
    return FCGI_PARAMS_GOOD;
}

void fcgi_params_free(fcgi_params *params, const fcgi_memory *memory)
{
    if (params->bytes != NULL) {
        (void)memory->resize(memory->context, params->bytes, 0);
    }
    if (params->pairs != NULL) {
        (void)memory->resize(memory->context, params->pairs, 0);
    }
    *params = (fcgi_params){ 0 };
}

/* ---- looking up ---- */

const fcgi_param *fcgi_params_find(const fcgi_params *params, const char *name, size_t name_size)
{
    /* The first entry that is greater; the one before it is the last of its name. */
    size_t low = 0, high = params->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const fcgi_param *pair = &params->pairs[params->sorted[middle]];
        if (compare_names(pair->name, pair->name_size, name, name_size) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return NULL;
    }
    const fcgi_param *pair = &params->pairs[params->sorted[low - 1]];
    return compare_names(pair->name, pair->name_size, name, name_size) == 0 ? pair : NULL;
}

const char *fcgi_params_text(const fcgi_params *params, const char *name)
{
    const fcgi_param *pair = fcgi_params_find(params, name, strlen(name));
    return pair != NULL && memchr(pair->value, '\0', pair->value_size) == NULL ? pair->value : NULL;
}

/* ---- GET_VALUES ---- */

static void note_name(fcgi_value_scanner *scanner)
{
    static const struct { const char *name; fcgi_value value; } known[] = {
        { "FCGI_MAX_CONNS", FCGI_VALUE_MAX_CONNS },
        { "FCGI_MAX_REQS", FCGI_VALUE_MAX_REQS },
        { "FCGI_MPXS_CONNS", FCGI_VALUE_MPXS_CONNS },
    };
    for (size_t index = 0; index < sizeof known / sizeof known[0]; index++) {
        if (scanner->name_size == strlen(known[index].name) &&
            memcmp(scanner->name, known[index].name, scanner->name_size) == 0) {
            scanner->asked |= known[index].value;
        }
    }
}

/* Take one byte of the lengths; the pair begins when both are there. */
static void scan_length(fcgi_value_scanner *scanner, uint8_t byte)
{
    size_t at = 0;
    scanner->lengths[scanner->length_size++] = byte;
    const char *bytes = (const char *)scanner->lengths;
    if (read_length(bytes, scanner->length_size, &at, &scanner->name_left) &&
        read_length(bytes, scanner->length_size, &at, &scanner->value_left)) {
        scanner->length_size = 0;
        scanner->name_size = 0;
        scanner->in_pair = true;
    }
}

/* Take bytes of the name, then of the value. Returns how many. */
static size_t scan_string(fcgi_value_scanner *scanner, const uint8_t *data, size_t size)
{
    uint32_t *left = scanner->name_left > 0 ? &scanner->name_left : &scanner->value_left;
    size_t piece = size < *left ? size : *left;
    if (left == &scanner->name_left) {
        size_t space = sizeof scanner->name - scanner->name_size;
        size_t kept = piece < space ? piece : space;
        memcpy(scanner->name + scanner->name_size, data, kept);
        scanner->name_size = (uint8_t)(scanner->name_size + kept);
    }
    *left -= (uint32_t)piece;
    return piece;
}

void fcgi_value_scan(fcgi_value_scanner *scanner, const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at < size) {
        if (!scanner->in_pair) {
            scan_length(scanner, data[at++]);
        } else {
            at += scan_string(scanner, data + at, size - at);
        }
        if (scanner->in_pair && scanner->name_left == 0 && scanner->value_left == 0) {
            note_name(scanner);
            scanner->in_pair = false;
        }
    }
}
