/* fastcgi_load.h: a program that asks a FastCGI server the same thing many times, and looks at
 * every answer. One thread, one epoll set.
 *
 *   options    what is asked, how often, by how many clients
 *   client     a connection with at most one request on it
 *   answer     the records that come back, cut into headers and body
 *   latency    a histogram
 */
#ifndef TSRMALLOC_BENCH_FASTCGI_LOAD_H
#define TSRMALLOC_BENCH_FASTCGI_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LOAD_PARAM_MAX = 64, LOAD_HEADER_SIZE_MAX = 16 * 1024 };

typedef struct load_options {
    struct sockaddr_storage address;
    socklen_t address_size;
    const char *address_text;
    unsigned int clients;
    unsigned int idle;              /* connections more that only lie there */
    uint64_t requests;              /* 0: by seconds */
    double seconds;
    double timeout;                 /* seconds for one answer */
    bool keep_alive;
    bool may_differ;                /* answers need not all be the same */
    bool json;
    int status;                     /* that every answer must have */
    const char *expected;           /* the body; NULL: as the first answer */
    const char *method;
    const char *uri;                /* with query */
    const char *script;
    size_t body_size;
    double pause;                   /* milliseconds before the last bytes of the body */
    const char *params[LOAD_PARAM_MAX];     /* NAME=VALUE */
    size_t param_count;
} load_options;

/* Every way in which a request can fail. */
typedef enum load_error {
    LOAD_GOOD,
    LOAD_CONNECT,                   /* refused, or no connection in time */
    LOAD_CLOSED,                    /* before the end of the answer */
    LOAD_PROTOCOL,                  /* not FastCGI as it should be */
    LOAD_STATUS,                    /* another HTTP status */
    LOAD_BODY,                      /* another body */
    LOAD_TIMEOUT,
    LOAD_ERROR_COUNT,
} load_error;

extern const char *const load_error_names[LOAD_ERROR_COUNT];

/* What came back so far. */
typedef struct load_answer {
    uint8_t header[8];
    unsigned int header_size;
    unsigned int content_left;
    unsigned int padding_left;
    uint8_t end[8];
    unsigned int end_size;
    bool is_complete;               /* END_REQUEST has come */
    bool in_body;                   /* the blank line has come */
    char *head;                     /* HTTP headers, LOAD_HEADER_SIZE_MAX bytes */
    size_t head_size;
    uint64_t body_size;
    uint64_t body_hash;
} load_answer;

typedef struct load_latency {
    uint64_t count;
    uint64_t sum;                   /* nanoseconds */
    uint64_t max;
    uint64_t buckets[64 * 64];      /* 64 for each power of two */
} load_latency;

typedef struct load_result {
    load_latency latency;
    uint64_t errors[LOAD_ERROR_COUNT];      /* the first counts good answers */
    uint64_t body_bytes;
    double seconds;
    unsigned int idle_open;         /* idle connections that are still open at the end */
} load_result;

/* Parse the command line. false: a line on stderr says what is wrong. */
bool load_options_parse(int argc, char **argv, load_options *options, bool *only_help);

/* The bytes of one request, from malloc. NULL: no memory. */
uint8_t *load_request_make(const load_options *options, size_t *size);

void load_answer_begin(load_answer *answer);
/* The next bytes of the connection. LOAD_GOOD, or what is wrong with them. */
load_error load_answer_take(load_answer *answer, const uint8_t *data, size_t size);
/* A complete answer's HTTP status. */
int load_answer_status(const load_answer *answer);
uint64_t load_hash(uint64_t hash, const char *data, size_t size);
enum { LOAD_HASH_SEED = 14695981 };

void load_latency_add(load_latency *latency, uint64_t nanoseconds);
/* The latency, in nanoseconds, that `share` (0 to 1) of all requests did not exceed; at most 1.6 %
 * too large. */
uint64_t load_latency_at(const load_latency *latency, double share);

/* Run what the options say. false: not even the first connection could be made. */
bool load_run(const load_options *options, load_result *result);

void load_report(const load_options *options, const load_result *result, FILE *out);

#endif
