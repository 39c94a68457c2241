/* zts_threads: a ZTS PHP on many threads: each runs every file, request after request, and ends; a
 * second wave of threads comes when the first has gone. Compiled by tests/php/zts.sh.
 *
 *     zts_threads THREADS ROUNDS MEMORY_LIMIT FILE...
 *     zts_threads --hand-over     a thread frees what another has allocated, and nothing else
 *
 * Prints, for each file, how often it ran, its status, and its output, which has to be the same in
 * every thread and request. Exit status 1: it was not.
 */
#include <sapi/embed/php_embed.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 32
#define OUTPUT_MAX (1 << 20)

/* What the first run of a file did; the others are compared with it. */
typedef struct result {
    pthread_mutex_t lock;
    char *output;
    size_t length;
    int status;
    unsigned int run_count, difference_count;
} result;

static result results[FILES_MAX];
static char **files;
static int file_count, round_count;
static char settings[512];

static __thread struct {
    char *text;
    size_t length;
} output;

static size_t take_output(const char *text, size_t length)
{
    size_t room = OUTPUT_MAX - output.length;
    size_t kept = length < room ? length : room;
    memcpy(output.text + output.length, text, kept);
    output.length += kept;
    return length;
}

static void note(int file, int status)
{
    result *seen = &results[file];
    pthread_mutex_lock(&seen->lock);
    if (seen->run_count++ == 0) {
        seen->output = malloc(output.length);
        memcpy(seen->output, output.text, output.length);
        seen->length = output.length;
        seen->status = status;
    } else if (seen->status != status || seen->length != output.length
            || memcmp(seen->output, output.text, output.length) != 0) {
        seen->difference_count++;
    }
    pthread_mutex_unlock(&seen->lock);
}

static int run_file(char *path)
{
    int status = 255;
    SG(request_info).path_translated = path;
    SG(options) |= SAPI_OPTION_NO_CHDIR;
    if (php_request_startup() == FAILURE) {
        return 70;
    }
    EG(exit_status) = 0;        /* PHP leaves the last request's */
    SG(headers_sent) = 1;
    SG(request_info).no_headers = 1;
    zend_first_try {
        zend_file_handle file;
        zend_stream_init_filename(&file, path);
        file.primary_script = 1;
        (void)php_execute_script(&file);
        zend_destroy_file_handle(&file);
        status = EG(exit_status);
    } zend_catch {
        status = EG(exit_status);
    } zend_end_try();
    php_request_shutdown(NULL);
    return status;
}

static void *work(void *number)
{
    output.text = malloc(OUTPUT_MAX);
    (void)ts_resource(0);
    for (int turn = 0; turn < round_count * file_count; turn++) {
        int file = (turn + (int)(size_t)number) % file_count;
        output.length = 0;
        note(file, run_file(files[file]));
    }
    ts_free_thread();
    free(output.text);
    return NULL;
}

static void run_threads(size_t count)
{
    pthread_t threads[256];
    for (size_t number = 0; number < count; number++) {
        if (pthread_create(&threads[number], NULL, work, (void *)number) != 0) {
            fprintf(stderr, "zts_threads: no thread\n");
            exit(71);
        }
    }
    for (size_t number = 0; number < count; number++) {
        pthread_join(threads[number], NULL);
    }
}

/* Blocks of the main thread, small, large and huge, which a worker frees. */
#define HANDED_COUNT 300
static void *handed[HANDED_COUNT];

static void *free_handed(void *unused)
{
    (void)unused;
    (void)ts_resource(0);
    for (int index = 0; index < HANDED_COUNT; index++) {
        efree(handed[index]);
    }
    ts_free_thread();
    return NULL;
}

static int hand_over(void)
{
    static const size_t sizes[] = { 24, 1000, 3072, 5000, 200000, 3000000 };
    for (int turn = 0; turn < 3; turn++) {
        pthread_t thread;
        for (int index = 0; index < HANDED_COUNT; index++) {
            handed[index] = emalloc(sizes[index % 6]);
        }
        if (pthread_create(&thread, NULL, free_handed, NULL) != 0) {
            return 71;
        }
        pthread_join(thread, NULL);
    }
    efree(emalloc(5000000));        /* takes what came back */
    printf("%zu bytes in use\n", zend_memory_usage(0));
    return 0;
}

static int report(void)
{
    int status = 0;
    for (int file = 0; file < file_count; file++) {
        const result *seen = &results[file];
        const char *name = strrchr(files[file], '/');
        printf("%s: %u runs, status %d, %u differ\n%.*s\n", name != NULL ? name + 1 : files[file],
            seen->run_count, seen->status, seen->difference_count, (int)seen->length, seen->output);
        status |= seen->difference_count > 0;
    }
    return status;
}

int main(int argc, char **argv)
{
    bool hands_over = argc == 2 && strcmp(argv[1], "--hand-over") == 0;
    size_t thread_count = hands_over ? 1 : argc > 4 ? (size_t)atoi(argv[1]) : 0;
    if (thread_count == 0 || thread_count > 256 || argc - 4 > FILES_MAX) {
        fprintf(stderr, "usage: zts_threads THREADS ROUNDS MEMORY_LIMIT FILE...\n");
        return 64;
    }
    snprintf(settings, sizeof settings, "html_errors=0\nmax_execution_time=0\ndisplay_errors=1\n"
        "log_errors=0\nmemory_limit=%s\n", hands_over ? "-1" : argv[3]);
    if (!hands_over) {
        round_count = atoi(argv[2]);
        files = argv + 4;
        file_count = argc - 4;
    }
    for (int file = 0; file < file_count; file++) {
        pthread_mutex_init(&results[file].lock, NULL);
    }
    php_tsrm_startup();
    zend_signal_startup();
    php_embed_module.php_ini_ignore = 1;
    php_embed_module.ub_write = take_output;
    sapi_startup(&php_embed_module);
    php_embed_module.ini_entries = settings;
    if (php_embed_module.startup(&php_embed_module) == FAILURE) {
        return 70;
    }
    int status = 0;
    if (hands_over) {
        status = hand_over();
    } else {
        run_threads(thread_count);
        run_threads(thread_count);
    }
    php_module_shutdown();
    sapi_shutdown();
    tsrm_shutdown();
    return hands_over ? status : report();
}
