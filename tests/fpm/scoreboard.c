/* scoreboard: a reader sees what the worker published at one moment, never a mixture. */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "fpm/scoreboard.h"
#include "tests/support/check.h"

enum { PUBLICATIONS = 20000 };

static fpm_score_slot slot;
static atomic_bool is_over;

static void *publish(void *unused)
{
    for (uint64_t turn = 1; turn <= PUBLICATIONS; turn++) {
        slot.own.request_count = turn;
        slot.own.reset_duration = turn;
        memset(slot.own.query, 'a' + (int)(turn % 26), SCORE_QUERY_SIZE - 1);
        fpm_score_publish(&slot);
    }
    atomic_store(&is_over, true);
    return unused;
}

static bool is_whole(const fpm_score *score)
{
    bool same = score->reset_duration == score->request_count;
    for (size_t index = 1; same && index < SCORE_QUERY_SIZE - 1; index++) {
        same = score->query[index] == score->query[0];
    }
    return same;
}

int main(void)
{
    pthread_t worker;
    uint64_t last = 0;
    fpm_score score;
    CHECK_CASE("a record that is read while it is written is one that was published");
    CHECK(pthread_create(&worker, NULL, publish, NULL) == 0);
    while (!atomic_load(&is_over)) {
        fpm_score_read(&slot, &score);
        CHECK(is_whole(&score));
        CHECK(score.request_count >= last);
        last = score.request_count;
    }
    pthread_join(worker, NULL);
    fpm_score_read(&slot, &score);
    CHECK(score.request_count == PUBLICATIONS);

    CHECK_CASE("texts are cut to their room");
    char text[2 * SCORE_METHOD_SIZE];
    memset(text, 'M', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fpm_score_begin(&slot, 5);
    fpm_score_head(&slot, text, "/u", NULL, "s", NULL, 7);
    fpm_score_read(&slot, &score);
    CHECK(strlen(score.method) == SCORE_METHOD_SIZE - 1 && strcmp(score.uri, "/u") == 0);
    CHECK(score.query[0] == '\0' && score.content_length == 7 && score.request_begin == 5);
    CHECK(score.state == STATUS_READING_BODY);

    CHECK_CASE("the state alone can change and be read");
    fpm_score_state(&slot, STATUS_RUNNING);
    CHECK(fpm_score_read_state(&slot) == STATUS_RUNNING);
    return check_summary();
}
