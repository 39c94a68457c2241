/* fastcgi_transcript: what a parser says about a stream of bytes, as text, one line an event. Bytes
 * of a body that come in several pieces make one line, so that two transcripts of the same bytes in
 * different pieces can be compared. */
#ifndef TSRMALLOC_TESTS_FPM_FASTCGI_TRANSCRIPT_H
#define TSRMALLOC_TESTS_FPM_FASTCGI_TRANSCRIPT_H

#include "fpm/fastcgi.h"

/* When the answer to a request is complete. */
typedef enum transcript_answer {
    TRANSCRIPT_ANSWER_AT_ONCE,  /* before the next byte is read */
    TRANSCRIPT_ANSWER_LATE,     /* when nothing can be read any more without it */
} transcript_answer;

typedef struct transcript {
    fcgi_parser parser;
    transcript_answer answer;
    size_t body_size;           /* of the body that is being gathered */
    uint32_t body_sum;
    char *text;                 /* ends in a NUL */
    size_t text_size;
    size_t text_capacity;
    size_t memory_size;         /* bytes the parser holds now, and at most */
    size_t memory_peak;
} transcript;

void transcript_begin(transcript *script, const fcgi_limits *limits, transcript_answer answer);
/* The next piece. What is not used up in one call is given again, as a server does. */
void transcript_feed(transcript *script, const uint8_t *data, size_t size);
/* Ends the text; nothing is held after it. */
void transcript_end(transcript *script);
void transcript_free(transcript *script);

#endif
