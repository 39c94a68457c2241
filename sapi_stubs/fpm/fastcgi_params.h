/* fastcgi_params.h: the name-value pairs of a request, and of GET_VALUES.
 *
 * The PARAMS stream is kept as it came, in one block that grows with what was received (never with
 * what a length field promises). When it ends, the pairs are cut in place, each name and value ends
 * in a NUL, and a sorted index is made: looking one up costs O(log pairs), whatever names a peer
 * chooses.
 */
#ifndef TSRMALLOC_FPM_FASTCGI_PARAMS_H
#define TSRMALLOC_FPM_FASTCGI_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FCGI_PARAMS_SIZE_LARGEST = 16 * 1024 * 1024,
    FCGI_PARAMS_COUNT_LARGEST = 60000,  /* the index has 16-bit entries */
    FCGI_VALUE_NAME_MAX = 15,           /* FCGI_MPXS_CONNS */
};

/* Where params are kept: the request's heap, or malloc in tests. */
typedef struct fcgi_memory {
    /* Like realloc(3): NULL = a new block; a size of 0 frees. NULL result: no memory, the block is
     * as it was. Must return: no zend_bailout(). */
    void *(*resize)(void *context, void *block, size_t size);
    void *context;
} fcgi_memory;

/* Counted strings which also end in a NUL; a peer may put NULs inside. */
typedef struct fcgi_param {
    const char *name;
    const char *value;
    uint32_t name_size;
    uint32_t value_size;
} fcgi_param;

/* Server: read `pairs` and `count`, in the order in which they were sent. */
typedef struct fcgi_params {
    char *bytes;                /* the stream as received; after the cut names and values */
    size_t size;                /* bytes used */
    size_t capacity;
    fcgi_param *pairs;
    uint16_t *sorted;           /* indices of pairs, by name; equal names in sent order */
    size_t count;
    size_t comparison_count;    /* that sorting took: the tests hold it against its bound */
} fcgi_params;

typedef enum fcgi_params_result {
    FCGI_PARAMS_GOOD,
    FCGI_PARAMS_TOO_LARGE,
    FCGI_PARAMS_TOO_MANY,
    FCGI_PARAMS_CUT,            /* a pair reaches behind the end of the stream */
    FCGI_PARAMS_NO_MEMORY,
} fcgi_params_result;

fcgi_params_result fcgi_params_append(fcgi_params *params, const fcgi_memory *memory,
    const uint8_t *data, size_t size, size_t size_max);

/* The stream is over: cut it into pairs and sort them. */
fcgi_params_result fcgi_params_finish(fcgi_params *params, const fcgi_memory *memory,
    size_t count_max);

void fcgi_params_free(fcgi_params *params, const fcgi_memory *memory);

/* The pair of this name, the last one if it was sent more than once, or NULL. */
const fcgi_param *fcgi_params_find(const fcgi_params *params, const char *name, size_t name_size);

/* The same by a NUL-terminated name: its value, or NULL. For text that may hold no NUL: NULL, too,
 * if the value has one inside. */
const char *fcgi_params_text(const fcgi_params *params, const char *name);

/* Which of the three names a GET_VALUES record asks for; names in pieces of any size. */
typedef enum fcgi_value {
    FCGI_VALUE_MAX_CONNS = 1,
    FCGI_VALUE_MAX_REQS = 2,
    FCGI_VALUE_MPXS_CONNS = 4,
} fcgi_value;

typedef struct fcgi_value_scanner {
    unsigned int asked;         /* a set of fcgi_value */
    uint8_t length_size;        /* bytes of the two lengths that are there */
    uint8_t lengths[8];
    uint32_t name_left;         /* bytes still to come */
    uint32_t value_left;
    uint8_t name_size;          /* bytes in name; more than fit: not one of ours */
    char name[FCGI_VALUE_NAME_MAX + 1];
    bool in_pair;
} fcgi_value_scanner;

void fcgi_value_scan(fcgi_value_scanner *scanner, const uint8_t *data, size_t size);

#endif
