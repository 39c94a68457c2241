/* process: parent and child of a measurement, and the lines between them.
 * Owns        the pipe and the child while one is measured.
 * Thread      the main thread.
 * Invariants  I1  the child's stdout carries answers only; its stderr is ours
 *             I2  a number that is not there is not sent: it stays NAN
 * Failure     a child that ends by a signal, or says nothing, is a refusal with that text.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/process.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"

#define SEQUENCE_FILE 3         /* its number in the child */
#define SECONDS_MAX 300         /* of a measurement; some allocators do not come back */
#define PROBE "probe"           /* in the place of a workload: say the version */

extern char **environ;

enum { ARG_WORKLOAD = 2, ARG_PEER, ARG_PATH, ARG_A, ARG_B, ARG_COUNT, ARG_THREADS, ARG_REPEAT,
       ARG_SPAWN_TIME, ARG_END };

/* ---- the parent ---- */

typedef struct child {
    pid_t id;
    FILE *answers;
} child;

static bool spawn(char **arguments, int sequence_file, child *child)
{
    int channel[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(channel, O_CLOEXEC) != 0) {
        return false;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, channel[1], STDOUT_FILENO);
    if (sequence_file >= 0) {
        posix_spawn_file_actions_adddup2(&actions, sequence_file, SEQUENCE_FILE);
    }
    fflush(NULL);
    int error = posix_spawn(&child->id, "/proc/self/exe", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(channel[1]);
    child->answers = error == 0 ? fdopen(channel[0], "r") : NULL;
    if (child->answers == NULL) {
        close(channel[0]);
    }
    return child->answers != NULL;
}

/* As much as fits. */
static void copy_text(char *target, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(target, text, length);
    target[length] = '\0';
}

static void take_metric(bench_result *result, const char *key, double value)
{
    for (size_t metric = 0; metric < METRIC_COUNT; metric++) {
        if (strcmp(bench_metric_infos[metric].key, key) == 0) {
            result->metrics[metric] = value;
        }
    }
}

static void take_answer(const char *line, bench_result *result, char *version, size_t version_size)
{
    char key[32];
    double value;
    bench_sample sample;
    if (sscanf(line, "metric %31s %lf", key, &value) == 2) {
        take_metric(result, key, value);
    } else if (sscanf(line, "sample %lf %lf %lf", &sample.ns, &sample.rss, &sample.live) == 3) {
        if (result->sample_count < BENCH_SAMPLE_MAX) {
            result->samples[result->sample_count++] = sample;
        }
    } else if (strncmp(line, "refused ", 8) == 0) {
        copy_text(result->refusal, sizeof result->refusal, line + 8);
    } else if (strncmp(line, "version ", 8) == 0) {
        copy_text(version, version_size, line + 8);
    }
}

static void read_answers(child *child, bench_result *result, char *version, size_t version_size)
{
    char line[512];
    while (fgets(line, sizeof line, child->answers) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        take_answer(line, result, version, version_size);
    }
    fclose(child->answers);
}

/* How it ended, unless it has said more itself. */
static void take_status(child *child, bench_result *result)
{
    int status = 0;
    pid_t ended;
    do {
        ended = waitpid(child->id, &status, 0);
    } while (ended < 0 && errno == EINTR);
    if (*result->refusal != '\0' || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        return;
    }
    result->failed = true;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        snprintf(result->refusal, sizeof result->refusal, "it took more than %d s", SECONDS_MAX);
    } else if (WIFSIGNALED(status)) {
        snprintf(result->refusal, sizeof result->refusal, "its process ended by signal %d (%s)",
            WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        snprintf(result->refusal, sizeof result->refusal, "its process ended with status %d",
            WEXITSTATUS(status));
    }
}

static void run_child(const bench_peer_choice *peer, const char *workload, const bench_task *task,
    int sequence_file, bench_result *result, char *version, size_t version_size)
{
    child child;
    char numbers[6][32];
    snprintf(numbers[0], sizeof numbers[0], "%zu", task->item.a);
    snprintf(numbers[1], sizeof numbers[1], "%zu", task->item.b);
    snprintf(numbers[2], sizeof numbers[2], "%zu", task->item.count);
    snprintf(numbers[3], sizeof numbers[3], "%u", task->threads);
    snprintf(numbers[4], sizeof numbers[4], "%u", task->repeat);
    snprintf(numbers[5], sizeof numbers[5], "%.0f", bench_wall_time());
    char *arguments[ARG_END + 1] = {
        (char *)"tsrmalloc-bench", (char *)BENCH_CHILD_OPTION, (char *)workload,
        (char *)peer->name, (char *)peer->path, numbers[0], numbers[1], numbers[2], numbers[3],
        numbers[4], numbers[5], NULL };
    bench_result_clear(result);
    if (!spawn(arguments, sequence_file, &child)) {
        snprintf(result->refusal, sizeof result->refusal, "no process: %s", strerror(errno));
        result->failed = true;
        return;
    }
    read_answers(&child, result, version, version_size);
    take_status(&child, result);
}

bool bench_process_measure(const bench_peer_choice *peer, const bench_workload *workload,
    const bench_task *task, int sequence_file, bench_result *result)
{
    char version[8] = "";
    run_child(peer, workload->name, task, sequence_file, result, version, sizeof version);
    if (*result->refusal == '\0' && !(result->metrics[METRIC_NS] > 0)) {
        snprintf(result->refusal, sizeof result->refusal, "no figure");
        result->failed = true;
    }
    return *result->refusal == '\0';
}

void bench_process_prepare(void)
{
    static const char room[] = "glibc.rtld.optional_static_tls=16384";
    char value[512];
    const char *set = getenv("GLIBC_TUNABLES");
    if (set == NULL || strstr(set, "optional_static_tls") == NULL) {
        snprintf(value, sizeof value, "%s%s%s", set != NULL ? set : "", set != NULL ? ":" : "",
            room);
        setenv("GLIBC_TUNABLES", value, 1);
    }
}

bool bench_process_probe(bench_peer_choice *peer)
{
    static const bench_task no_task;
    bench_result result;
    run_child(peer, PROBE, &no_task, -1, &result, peer->version, sizeof peer->version);
    snprintf(peer->missing, sizeof peer->missing, "%s", result.refusal);
    return *result.refusal == '\0';
}

/* ---- the child ---- */

static void answer(const bench_result *result)
{
    for (size_t metric = 0; metric < METRIC_COUNT; metric++) {
        if (!isnan(result->metrics[metric])) {
            printf("metric %s %.17g\n", bench_metric_infos[metric].key, result->metrics[metric]);
        }
    }
    for (size_t index = 0; index < result->sample_count; index++) {
        const bench_sample *sample = &result->samples[index];
        printf("sample %.17g %.17g %.17g\n", sample->ns, sample->rss, sample->live);
    }
}

static size_t number(const char *text)
{
    return (size_t)strtoull(text, NULL, 10);
}

/* To be called before the peer is opened: nothing here may come from it. */
static bool read_task(char **argv, const bench_workload *workload, bench_task *task)
{
    *task = (bench_task){
        .item = { .a = number(argv[ARG_A]), .b = number(argv[ARG_B]),
                  .count = number(argv[ARG_COUNT]) },
        .threads = (unsigned int)number(argv[ARG_THREADS]),
        .repeat = (unsigned int)number(argv[ARG_REPEAT]),
        .spawn_time = strtod(argv[ARG_SPAWN_TIME], NULL) };
    bool has_sequence = workload->prepare != NULL || workload->traces != TRACES_NONE;
    return !has_sequence || bench_sequence_map(SEQUENCE_FILE, &task->sequence);
}

static void measure(const bench_workload *workload, const bench_task *task, bench_peer *peer)
{
    static bench_result result;
    bench_result_clear(&result);
    if (workload->measure(task, peer, &result)) {
        answer(&result);
    } else {
        printf("refused %s\n", result.refusal);
    }
}

/* VARIABLE=VALUE:PATH sets the variable of this process, which is about to load the library. */
static const char *set_environment(char *path)
{
    char *colon = strchr(path, ':'), *equals = strchr(path, '=');
    if (colon == NULL || equals == NULL || equals > colon) {
        return path;
    }
    *colon = '\0';
    (void)putenv(path);
    return colon + 1;
}

static void run_task(char **argv)
{
    const char *path = set_environment(argv[ARG_PATH]);
    char error[256];
    bench_peer peer;
    bench_task task;
    const bench_workload *workload = bench_workload_find(argv[ARG_WORKLOAD]);
    bool probe = workload == NULL;
    if (!probe && !read_task(argv, workload, &task)) {
        printf("refused the operations did not arrive\n");
    } else if (!bench_peer_open(argv[ARG_PEER], path, &peer, error, sizeof error)) {
        printf("refused %s\n", error);
    } else if (probe) {
        printf("version %s\n", peer.version);
    } else {
        measure(workload, &task, &peer);
    }
}

/* Leaves without running what libraries do at a process's end: it is not measured, and an allocator
 * that goes away would leave others with its blocks. */
void bench_process_child(int argc, char **argv)
{
    static char output[BUFSIZ];
    setvbuf(stdout, output, _IOFBF, sizeof output);     /* stdio would take it from malloc */
    alarm(SECONDS_MAX);
    if (argc == ARG_END) {
        run_task(argv);
    }
    _Exit(argc == ARG_END && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
