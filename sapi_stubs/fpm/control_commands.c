/* control_commands: what tsrmalloc-fpmctl can ask for.
 * Owns        nothing.
 * Thread      main thread; a heap's map is written by the heap's worker.
 * Invariants  I1  an answer that refuses begins with `error:`
 * Failure     a line that says what was expected.
 * Tests       tests/fpm/control.sh */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fpm/clock.h"
#include "fpm/conf_internal.h"
#include "fpm/log.h"
#include "fpm/server.h"

enum { WORD_COUNT_MAX = 4 };

typedef struct request {
    fpm_server *server;
    int file;                   /* the client's */
    FILE *out;                  /* what it is answered */
    const char *words[WORD_COUNT_MAX + 1];  /* the command first; "" behind the last */
} request;

/* ---- what is meant ---- */

static bool is_own(const fpm_pool *pool)
{
    return !pool->is_leaving && pool->about == pool;
}

/* NULL: refused. */
static fpm_pool *find_pool(const request *asked, const char *name)
{
    for (fpm_pool *pool = asked->server->pools; pool != NULL; pool = pool->next) {
        if (is_own(pool) && strcmp(pool->conf->name, name) == 0) {
            return pool;
        }
    }
    fprintf(asked->out, "error: there is no pool '%s'\n", name);
    return NULL;
}

/* NULL: refused. */
static fpm_worker *find_worker(const request *asked, fpm_pool *pool, const char *text)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || number >= pool->capacity) {
        fprintf(asked->out, "error: '%s' is no worker of pool %s: a number from 0 to %u was "
            "expected\n", text, pool->conf->name, pool->capacity - 1);
        return NULL;
    }
    if (pool->workers[number].life != FPM_WORKER_ALIVE) {
        fprintf(asked->out, "error: worker %lu of pool %s does not run\n", number,
            pool->conf->name);
        return NULL;
    }
    return &pool->workers[number];
}

/* ---- looking ---- */

static void write_text(void *context, const char *data, size_t size)
{
    fwrite(data, 1, size, context);
}

static void print_pool(FILE *out, fpm_pool *pool, status_format format)
{
    size_t capacity = fpm_pool_capacity(pool);
    status_worker *rows = calloc(capacity, sizeof(*rows));
    fpm_score *scores = calloc(capacity, sizeof(*scores));
    if (rows != NULL && scores != NULL) {
        status_pool status;
        status_sink sink = { .write = write_text, .context = out };
        fpm_pool_status(pool, &status, rows, scores, capacity);
        status_write(&status, format, true, &sink);
        fputc('\n', out);
    }
    free(rows);
    free(scores);
}

static void answer_status(const request *asked)
{
    bool full;
    status_format format = status_query(asked->words[1], strlen(asked->words[1]), &full);
    for (fpm_pool *pool = asked->server->pools; pool != NULL; pool = pool->next) {
        if (is_own(pool)) {
            print_pool(asked->out, pool, format);
        }
    }
}

/* Each heap of the process, as its owner last published it. */
static void answer_heaps(const request *asked)
{
    enum { HEAP_COUNT_MAX = 512 };
    zend_mm_process_heap heaps[HEAP_COUNT_MAX];
    zend_mm_process_statistics process;
    size_t count = zend_mm_process_stats(&process, heaps, HEAP_COUNT_MAX);
    fprintf(asked->out, "process: %zu bytes held, %zu of them in pools\n", process.usage,
        process.pooled_size);
    for (size_t index = 0; index < count && index < HEAP_COUNT_MAX; index++) {
        fprintf(asked->out, "heap %u: thread %llu, %zu bytes in blocks, peak %zu, %zu held, "
            "%zu cached\n", heaps[index].heap_index, (unsigned long long)heaps[index].thread,
            heaps[index].size, heaps[index].peak, heaps[index].real_size,
            heaps[index].cached_size);
    }
}

static void answer_threads(const request *asked)
{
    for (fpm_pool *pool = asked->server->pools; pool != NULL; pool = pool->next) {
        for (unsigned int index = 0; index < pool->capacity; index++) {
            const fpm_worker *worker = &pool->workers[index];
            fpm_score score;
            if (worker->life == FPM_WORKER_NONE) {
                continue;
            }
            fpm_score_read(&worker->score, &score);
            fprintf(asked->out, "%s %u: thread %llu, %s%s%s, %llu requests\n", pool->conf->name,
                index, (unsigned long long)score.tid, fpm_slowlog_state_name(score.state),
                worker->life == FPM_WORKER_LEAVING ? ", leaving" : "",
                pool->is_leaving ? ", of the configuration before" : "",
                (unsigned long long)score.request_count);
        }
    }
}

/* The worker answers: at once if it is idle, else between two instructions of its script, or behind
 * its request. */
static void answer_heap(const request *asked)
{
    fpm_pool *pool = find_pool(asked, asked->words[1]);
    fpm_worker *worker = pool != NULL ? find_worker(asked, pool, asked->words[2]) : NULL;
    if (worker == NULL) {
        return;
    }
    int file = fcntl(asked->file, F_DUPFD_CLOEXEC, 0);
    if (file < 0) {
        fprintf(asked->out, "error: %s\n", strerror(errno));
        return;
    }
    fpm_pool_ask_for_dump(worker, file);
}

/* ---- changing ---- */

static void answer_reload(const request *asked)
{
    fpm_server_reload(asked->server);
    fputs("ok: see the log\n", asked->out);
}

static void answer_reopen(const request *asked)
{
    fpm_server_reopen_logs(asked->server);
    fputs("ok\n", asked->out);
}

static void answer_drain(const request *asked)
{
    fpm_pool *pool = find_pool(asked, asked->words[1]);
    fpm_worker *worker = pool != NULL ? find_worker(asked, pool, asked->words[2]) : NULL;
    if (worker != NULL) {
        fpm_pool_tell(pool, worker);
        fprintf(asked->out, "ok: worker %u leaves when its request is answered\n", worker->index);
    }
}

/* One after the other, so that the others serve meanwhile. */
static void answer_restart(const request *asked)
{
    const char *name = asked->words[1];
    if (*name != '\0' && find_pool(asked, name) == NULL) {
        return;
    }
    for (fpm_pool *pool = asked->server->pools; pool != NULL; pool = pool->next) {
        if (is_own(pool) && (*name == '\0' || strcmp(pool->conf->name, name) == 0)) {
            pool->restart_before = fpm_clock_ns();
        }
    }
    fputs("ok: one worker after the other is replaced, see the log\n", asked->out);
}

static void set_children(const request *asked, fpm_pool *pool, const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*end != '\0' || end == text || number < 1 || number > (long)pool->capacity) {
        fprintf(asked->out, "error: pm.max_children = %s: a number from 1 to %u was expected; more "
            "needs a reload\n", text, pool->capacity);
        return;
    }
    pool->children_max = (int)number;
    fprintf(asked->out, "ok: %ld until the next reload\n", number);
}

static void set_memory_limit(const request *asked, fpm_pool *pool, const char *text)
{
    size_t size = SIZE_MAX;
    if (strcmp(text, "-1") != 0 && !fpm_conf_parse_size(text, &size)) {
        fprintf(asked->out, "error: memory_limit = %s: a number of bytes, with K, M or G if "
            "wanted, or -1 was expected\n", text);
        return;
    }
    atomic_store_explicit(&pool->memory_limit, size, memory_order_relaxed);
    fputs("ok: for requests from now on, until the next reload\n", asked->out);
}

static void answer_set(const request *asked)
{
    fpm_pool *pool = find_pool(asked, asked->words[1]);
    if (pool == NULL) {
        return;
    }
    if (strcmp(asked->words[2], "pm.max_children") == 0) {
        set_children(asked, pool, asked->words[3]);
    } else if (strcmp(asked->words[2], "memory_limit") == 0) {
        set_memory_limit(asked, pool, asked->words[3]);
    } else {
        fprintf(asked->out, "error: '%s' cannot be set: pm.max_children or memory_limit was "
            "expected\n", asked->words[2]);
    }
}

/* ---- commands ---- */

static const struct {
    const char *name;
    int word_count_min, word_count_max;     /* behind the name */
    const char *words;
    void (*answer)(const request *asked);
} commands[] = {
    { "status", 0, 1, "[json|xml|html|openmetrics]", answer_status },
    { "threads", 0, 0, "", answer_threads },
    { "heaps", 0, 0, "", answer_heaps },
    { "heap", 2, 2, "POOL WORKER", answer_heap },
    { "drain", 2, 2, "POOL WORKER", answer_drain },
    { "restart", 0, 1, "[POOL]", answer_restart },
    { "set", 3, 3, "POOL pm.max_children|memory_limit VALUE", answer_set },
    { "reload", 0, 0, "", answer_reload },
    { "reopen", 0, 0, "", answer_reopen },
};

static int split(char *line, const char **words)
{
    int count = 0;
    char *rest;
    for (char *word = strtok_r(line, " \t\r\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\r\n", &rest)) {
        if (count < WORD_COUNT_MAX) {
            words[count] = word;
        }
        count++;
    }
    for (int index = count; index <= WORD_COUNT_MAX; index++) {
        words[index] = "";
    }
    return count;
}

void fpm_control_run(fpm_server *server, int file, FILE *out, char *line)
{
    request asked = { .server = server, .file = file, .out = out };
    int count = split(line, asked.words) - 1;
    for (size_t index = 0; index < sizeof(commands) / sizeof(commands[0]); index++) {
        if (strcmp(commands[index].name, asked.words[0]) != 0) {
            continue;
        }
        if (count < commands[index].word_count_min || count > commands[index].word_count_max) {
            fprintf(out, "error: '%s %s' was expected\n", commands[index].name,
                commands[index].words);
        } else {
            commands[index].answer(&asked);
        }
        return;
    }
    fprintf(out, "error: unknown command '%s'; there are", asked.words[0]);
    for (size_t index = 0; index < sizeof(commands) / sizeof(commands[0]); index++) {
        fprintf(out, "%s %s", index > 0 ? "," : "", commands[index].name);
    }
    fputc('\n', out);
}
