/* request.h: from the bytes of a connection to an answer: one request at a time, in a worker.
 *
 *   request         the order of things             request_body   what the client sends
 *   request_answer  status, headers, body           request_pages  ping, status, health
 *   request_script  which engine, how it ends       request_file   which file
 *   request_end     figures, access log
 */
#ifndef TSRMALLOC_FPM_REQUEST_H
#define TSRMALLOC_FPM_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "engine/engine.h"
#include "fpm/connection.h"
#include "fpm/fastcgi.h"
#include "fpm/fastcgi_output.h"
#include "sapi.h"

struct fpm_worker;

enum {
    FPM_HEAD_SIZE_MAX = 8000,       /* status and headers: clients parse them in 8 KiB */
    FPM_BODY_HELD_MAX = 32768,      /* bytes of an answer held back until its head is sent */
    FPM_OUTPUT_SIZE = 128 * 1024,   /* records that are sent together */
    FPM_BODY_AHEAD_MAX = 65536,     /* a body up to this size is read before its script runs */
};

/* What is said to the client. Owner only. */
typedef struct fpm_answer {
    unsigned int status;
    bool head_is_sent;
    bool has_no_body;               /* HEAD: body bytes are taken and dropped */
    bool is_broken;                 /* the client takes nothing more */
    bool is_cut;                    /* the body ends too early: close, so that the client knows */
    size_t head_size;
    size_t held_size;
    uint64_t body_size;             /* bytes the script wrote */
    char head[FPM_HEAD_SIZE_MAX];   /* `Name: value\r\n` ... */
    char held[FPM_BODY_HELD_MAX];
} fpm_answer;

/* What the client sends. Owner only. */
typedef struct fpm_body {
    char *ahead;                    /* read before the script ran, in the request heap; NULL: not */
    size_t ahead_size, ahead_used;
    const uint8_t *piece;           /* in the connection's input, not yet handed out */
    size_t piece_size;
    bool is_over;
    bool is_short;
} fpm_body;

/* The request side of a worker; zeroed before fpm_request_worker_start(). Owner only but `engine`,
 * which engine_interrupt() may be called on. */
typedef struct fpm_request {
    engine_request engine;
    struct fpm_worker *worker;
    fpm_connection *connection;     /* of the request */
    fcgi_limits limits;             /* const while the worker runs */
    fcgi_parser parser;
    fcgi_output output;
    uint8_t *output_buffer;
    fpm_answer answer;
    fpm_body body;
    bool is_active;                 /* from FCGI_BEGIN to the end of php_request_shutdown() */
    bool is_interruptible;          /* between fpm_worker_request_begin() and _end() */
    bool must_close;                /* what is left of the request cannot be read */
    bool is_aborted;                /* by ABORT_REQUEST: END_REQUEST alone is the answer */
    unsigned int failure_status;    /* why a run was stopped, if not for its time; 0 */
    const char *script;             /* SCRIPT_FILENAME, or "" */
    void *program, *runner;         /* the Lua engine's */
    void *kept_program, *kept_runner;   /* of a persistent script; NULL: none */
    int root;                       /* descriptor of security.document_root; -1: none */
    uint64_t begin_time;            /* nanoseconds of CLOCK_MONOTONIC */
    uint64_t used_user, used_system;    /* nanoseconds of CPU that the thread had used by the end of
                                         * the last request */
    time_t begin_date;
} fpm_request;

/* Set the members of a SAPI that belong to requests: deactivate (which ends the answer), ub_write,
 * flush, read_post, getenv. The others are the server's. */
void fpm_request_fill_sapi(sapi_module_struct *sapi);

/* The calling worker begins, behind sapi_thread_start(): buffers and runners. false: no memory,
 * said in the log; fpm_request_worker_end() must not follow. */
bool fpm_request_worker_start(struct fpm_worker *worker) __attribute__((warn_unused_result));
/* The calling worker ends, before sapi_thread_end(). */
void fpm_request_worker_end(struct fpm_worker *worker);

/* Read one request from the connection and answer it. true: the connection may be kept, its unread
 * bytes are still in its input. false: close it. Also true if it held only what needs no request
 * (GET_VALUES). */
bool fpm_request_serve(struct fpm_worker *worker, fpm_connection *connection TSRMLS_DC)
    __attribute__((warn_unused_result));

#endif
