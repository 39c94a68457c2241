/* log: php-fpm's lines, whole even when many threads write, through a reopened file. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fpm/log.h"
#include "tests/support/check.h"

enum { THREADS = 4, LINES = 200, SIZE = 700 };

static char path[] = "/tmp/tsrmalloc-log-XXXXXX";
static char old_path[sizeof(path) + 4];

/* Lines of both files, and how many are not as they should be. */
static void read_lines(const char *name, unsigned int *count, unsigned int *bad)
{
    char line[2 * FPM_LOG_LIMIT_DEFAULT];
    FILE *file = fopen(name, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *text = strstr(line, "] NOTICE: [pool www] ");
        size_t size = text != NULL ? strlen(text + 21) : 0;
        bool is_text = size == SIZE + 1;
        for (size_t index = 0; is_text && index < SIZE; index++) {
            is_text = text[21 + index] == text[21];
        }
        *bad += !is_text;
        (*count)++;
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void *write_lines(void *argument)
{
    char text[SIZE + 1];
    memset(text, *(const char *)argument, SIZE);
    text[SIZE] = '\0';
    for (unsigned int index = 0; index < LINES; index++) {
        fpm_log(FPM_LOG_NOTICE, "www", "%s", text);
    }
    return NULL;
}

static void many_threads(void)
{
    static const char letters[THREADS] = "abcd";
    pthread_t threads[THREADS];
    unsigned int count = 0, bad = 0;
    CHECK_CASE("lines of many threads never mix, and none is lost when the file is opened again");
    for (unsigned int index = 0; index < THREADS; index++) {
        CHECK(pthread_create(&threads[index], NULL, write_lines, (void *)&letters[index]) == 0);
    }
    CHECK(rename(path, old_path) == 0);
    CHECK(fpm_log_reopen());
    for (unsigned int index = 0; index < THREADS; index++) {
        pthread_join(threads[index], NULL);
    }
    read_lines(old_path, &count, &bad);
    read_lines(path, &count, &bad);
    CHECK(count == THREADS * LINES);
    CHECK(bad == 0);
}

/* The one line that `path` has then. */
static const char *only_line(void)
{
    static char line[4096];
    FILE *file = fopen(path, "r");
    size_t size = file != NULL ? fread(line, 1, sizeof(line) - 1, file) : 0;
    line[size] = '\0';
    if (file != NULL) {
        fclose(file);
    }
    CHECK(truncate(path, 0) == 0);
    return line;
}

static void lines(void)
{
    CHECK_CASE("what is below the level is not written");
    fpm_log(FPM_LOG_DEBUG, NULL, "hidden");
    CHECK(strcmp(only_line(), "") == 0);

    CHECK_CASE("a reason is added, errno is kept");
    errno = ENOENT;
    fpm_log_errno(FPM_LOG_ERROR, NULL, "cannot");
    CHECK(errno == ENOENT);
    CHECK(strstr(only_line(), "] ERROR: cannot: No such file or directory (2)\n") != NULL);

    CHECK_CASE("what a client sends cannot begin a line");
    fpm_log(FPM_LOG_ALERT, NULL, "a\n[b\r\x1b");
    CHECK(strstr(only_line(), "] ALERT: a [b  \n") != NULL);

    CHECK_CASE("a text longer than log_limit goes on in further lines");
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    fpm_log_set_limit(FPM_LOG_LIMIT_MIN);
    fpm_log(FPM_LOG_NOTICE, NULL, "%s", text);
    const char *both = only_line();
    const char *second = strchr(both, '\n');
    unsigned int letters = 0;
    for (const char *at = both; *at != '\0'; at++) {
        letters += *at == 'x';
    }
    CHECK(letters == 1000);
    CHECK(second != NULL && second - both + 1 == FPM_LOG_LIMIT_MIN && second[1] == '[');
    fpm_log_set_limit(FPM_LOG_LIMIT_DEFAULT);
}

int main(void)
{
    int file = mkstemp(path);
    snprintf(old_path, sizeof(old_path), "%s.old", path);
    CHECK_CASE("a log that cannot be opened is refused");
    CHECK(!fpm_log_open("/nonexistent/folder/log", "test", 0));
    CHECK(file >= 0 && fpm_log_open(path, "test", 0));
    lines();
    many_threads();
    remove(path);
    remove(old_path);
    return check_summary();
}
