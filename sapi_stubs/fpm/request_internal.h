/* request_internal.h: what the files of the request side share. */
#ifndef TSRMALLOC_FPM_REQUEST_INTERNAL_H
#define TSRMALLOC_FPM_REQUEST_INTERNAL_H

#include "fpm/log.h"
#include "fpm/pool.h"
#include "fpm/request.h"
#include "fpm/worker.h"

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t fpm_request_now(void);

/* The value of a parameter; "" if there is none. NULL if it has a zero byte inside. */
const char *fpm_request_param(const fpm_request *self, const char *name);
/* A parameter of the request or of the pool's env[]; not counted in the result if there is none. */
bool fpm_request_find(const fpm_request *self, engine_text name, engine_text *value);

/* From here on the answer is finished: nobody interrupts it. More than once does no harm. */
void fpm_request_end_interrupts(fpm_request *self);

/* ---- request_body.c ---- */

/* The next event other than FCGI_MORE and FCGI_REPLY, which is answered; waits for each piece up to
 * `timeout` milliseconds. event->kind is FCGI_MORE if the result is not FPM_IO_DONE. */
fpm_io fpm_request_next_event(fpm_request *self, fcgi_event *event, int64_t timeout);
/* Read a small body before the script runs. Returns the status to answer with, 0: all is well. */
unsigned int fpm_body_read_ahead(fpm_request *self);
/* What the peer sent behind its body. true: an ABORT. One that comes later is seen by the control
 * thread, which then stops the run; was_aborted() tells that from a peer who closed. */
bool fpm_body_look_behind(fpm_request *self);
bool fpm_body_was_aborted(fpm_request *self);
/* Up to `size` bytes of the body; 0: its end, or request->engine.stop says why not. */
size_t fpm_body_read(fpm_request *self, char *buffer, size_t size);
/* Read and drop what is left of the request; sets must_close if that is not possible. */
void fpm_body_drain(fpm_request *self);

/* ---- request_answer.c ---- */

void fpm_answer_begin(fpm_request *self, bool has_no_body);
/* NULL, or why not. */
const char *fpm_answer_status(fpm_request *self, unsigned int status);
const char *fpm_answer_header(fpm_request *self, engine_text name, engine_text value,
    engine_header_mode mode);
/* The value of a header of the answer, with its size; NULL. */
const char *fpm_answer_find_header(const fpm_answer *answer, const char *name, size_t *size);
/* false: the client is gone. */
bool fpm_answer_write(fpm_request *self, const char *data, size_t size);
bool fpm_answer_flush(fpm_request *self);
/* A text for the STDERR stream, a line of the web server's log. */
void fpm_answer_stderr(fpm_request *self, const char *text);
/* Another answer instead of what was not sent yet: `text` is its body. If the head is out, the
 * answer is cut. */
void fpm_answer_replace(fpm_request *self, unsigned int status, const char *text);
/* The end of the answer. */
void fpm_answer_end(fpm_request *self);

/* ---- request_pages.c ---- */

/* Answer ping, status and health pages. false: the request is for a script. */
bool fpm_page_serve(fpm_request *self);

/* ---- request_script.c ---- */

bool fpm_script_worker_start(fpm_request *self) __attribute__((warn_unused_result));
void fpm_script_worker_end(fpm_request *self);
/* The request's memory is empty yet. */
void fpm_script_begin(fpm_request *self TSRMLS_DC);
/* Find the script, run it, answer. */
void fpm_script_serve(fpm_request *self TSRMLS_DC);

/* ---- request_end.c ---- */

void fpm_request_note_begin(fpm_request *self);
/* Score, counters, access log: while the request's memory is still there. */
void fpm_request_note_end(fpm_request *self TSRMLS_DC);
/* What is known only behind the heap's reset. */
void fpm_request_note_reset(fpm_request *self TSRMLS_DC);

#endif
