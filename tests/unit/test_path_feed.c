/* Following paths in a real stream: what was there, what comes, what is missing in between, what is
 * gone, and when nobody follows any more. */
#include "feed_desk.h"

/* One that the servers lose when they should pass it on. */
static void configure(struct desk *d, const char *republish, const char *more)
{
    char config[512];
    (void) snprintf(config, sizeof(config), "{\"name\":\"t_BAT\"%s%s}", republish, more);
    assert_int_equal(bed_ensure(d->bed.bed, config).err, 0);
}

#define SILENT ",\"republish\":{\"src\":\"t.bat.>\",\"dest\":\"t.lost.>\"}"
#define LOUD   ",\"republish\":{\"src\":\"t.bat.>\",\"dest\":\"t.cast.>\"}"

static struct path_feed_stats stats_of(const struct desk *d)
{
    struct path_feed_stats s;
    path_feed_stats(d->feed, &s);
    return s;
}

static void purge(struct desk *d, uint64_t before)
{
    struct bed_answer a = {0};
    js_purge(d->c.js, "t_BAT", NULL, before, bed_on_done, &a);
    BED_UNTIL(d->bed.bed, a.came);
    assert_int_equal(a.err, 0);
}

static bool is_zero(const uint8_t floor[ID_PACKED_SIZE])
{
    static const uint8_t ZERO[ID_PACKED_SIZE];
    return memcmp(floor, ZERO, ID_PACKED_SIZE) == 0;
}

static void pass(struct desk *d, uint64_t ms) /* the feed looks at it in its next tick */
{
    uint64_t end = bed_now() + 300;
    clock_freeze(clock_mono_ms() + ms, clock_wall_ms());
    BED_UNTIL(d->bed.bed, bed_now() > end);
}

/* Nothing is subscribed to before somebody wants it; then there is what was and what comes. */
static void test_follow(void **state)
{
    struct desk *d = *state;
    for (size_t i = 0; i < PATHS; i++)
        assert_false(atomic_load(&path_of(d, i)->current));
    for (size_t i = 0; i < 3; i++)
        (void) append_next(d, 0);
    (void) append_next(d, 1);
    assert_int_equal(stats_of(d).followed, 0);
    follow(d, 0);
    assert_string_equal(d->said, "acut a1 a2 a3 ");
    assert_true(is_zero(d->floor)); /* nothing was ever deleted */
    assert_true(atomic_load(&path_of(d, 0)->current));
    assert_false(atomic_load(&path_of(d, 1)->current));
    assert_int_equal(stats_of(d).filled, 3);
    (void) append_next(d, 0);
    (void) append_next(d, 1);
    BED_UNTIL(d->bed.bed, d->n_delivered == 4);
    follow(d, 2); /* of which there is nothing */
    (void) append_next(d, 2);
    follow(d, 2);
    assert_string_equal(d->said, "acut a1 a2 a3 a4 ccut c1 ");
    assert_int_equal(stats_of(d).followed, 2);
    assert_int_equal(stats_of(d).dropped, 0);
}

/* All that was stored before somebody asks is there when he is answered, whatever got lost. */
static void test_follow_again(void **state)
{
    struct desk *d = *state;
    follow(d, 0);
    configure(d, SILENT, "");
    for (size_t i = 0; i < 20; i++)
        (void) append_next(d, 0);
    assert_string_equal(d->said, "acut ");
    follow(d, 0);
    assert_int_equal(d->n_delivered, 20);
    configure(d, LOUD, "");
    (void) append_next(d, 0);
    BED_UNTIL(d->bed.bed, d->n_delivered == 21);
    assert_int_equal(stats_of(d).filled, 20);
    assert_int_equal(stats_of(d).gaps, 0);
}

/* The next message tells that some are missing; of the last ones only the stream does. */
static void test_missing(void **state)
{
    struct desk *d = *state;
    follow(d, 0);
    (void) append_next(d, 0);
    configure(d, SILENT, "");
    for (size_t i = 0; i < 3; i++)
        (void) append_next(d, 0);
    configure(d, LOUD, "");
    (void) append_next(d, 0);
    BED_UNTIL(d->bed.bed, d->n_delivered == 5);
    assert_string_equal(d->said, "acut a1 a2 a3 a4 a5 ");
    configure(d, SILENT, "");
    (void) append_next(d, 0);
    pass(d, 6000);
    pass(d, 2000);
    BED_UNTIL(d->bed.bed, d->n_delivered == 6); /* by the check */
    assert_string_equal(d->said, "acut a1 a2 a3 a4 a5 a6 ");
    assert_int_equal(stats_of(d).gaps, 0);
}

/* Who has lost his lease without noticing is not believed. */
static void test_zombie(void **state)
{
    struct desk *d = *state;
    follow(d, 0);
    (void) append(d, 0, 0, 5, 10);
    (void) append(d, 0, 0, 4, 10);
    (void) append(d, 0, 5, 8, 10);
    (void) append(d, 0, 4, 9, 10);
    (void) append(d, 0, 8, 10, 10);
    BED_UNTIL(d->bed.bed, d->n_delivered == 3);
    assert_string_equal(d->said, "acut a5 a8 a10 ");
    assert_int_equal(stats_of(d).dropped, 2);
    stop(d);
    start(d);
    follow(d, 0); /* the same from the stream */
    assert_string_equal(d->said, "acut a5 a8 a10 ");
}

/* What is not ours is left out, and what is broken is told. */
static void test_foreign(void **state)
{
    struct desk *d = *state;
    char subject[CLUSTER_SUBJECT_SIZE];
    follow(d, 0);
    cluster_path_subject(&d->c, subject, "bat", "/a");
    const struct js_publish foreign = bed_message(subject, "nonsense");
    assert_int_equal(bed_publish(d->bed.bed, &foreign).err, 0);
    cluster_path_subject(&d->c, subject, "cast", "/a");
    assert_int_equal(
        nats_publish(d->bed.bed->nats, subject, NULL, (struct slice){0}, SLICE_LIT("x")), 0);
    (void) append(d, 0, 0, 1, 200000); /* longer than this node's messages */
    (void) append(d, 0, 1, 2, 10);
    BED_UNTIL(d->bed.bed, d->n_delivered == 1);
    assert_string_equal(d->said, "acut acut a2 ");
    assert_int_equal(stats_of(d).dropped, 3);
    assert_int_equal(stats_of(d).gaps, 1);
}

/* What is missing is not there any more: with clients on the path they are told. */
static void test_gone(void **state)
{
    struct desk *d = *state;
    follow(d, 0);
    (void) append_next(d, 0);
    BED_UNTIL(d->bed.bed, d->n_delivered == 1);
    configure(d, SILENT, "");
    (void) append_next(d, 0);
    uint64_t last = append_next(d, 0);
    purge(d, last);
    atomic_store(&path_of(d, 0)->clients, 1);
    follow(d, 0);
    assert_string_equal(d->said, "acut a1 agap a3 ");
    assert_false(is_zero(d->floor));
    assert_int_equal(stats_of(d).gaps, 1);
    (void) append_next(d, 0);
    purge(d, UINT64_MAX);
    atomic_store(&path_of(d, 0)->clients, 0);
    follow(d, 0);
    assert_string_equal(d->said, "acut a1 agap a3 acut ");
    assert_int_equal(stats_of(d).gaps, 2);
}

/* A path that was quiet until its last message had expired has lost nothing. */
static void test_expired(void **state)
{
    struct desk *d = *state;
    follow(d, 0);
    uint64_t last = append_next(d, 0);
    BED_UNTIL(d->bed.bed, d->n_delivered == 1);
    follow(d, 0); /* it is known by now to be the last */
    purge(d, last + 1);
    (void) append_next(d, 0);
    BED_UNTIL(d->bed.bed, d->n_delivered == 2);
    follow(d, 0);
    assert_string_equal(d->said, "acut a1 a2 ");
    assert_int_equal(stats_of(d).gaps, 0);
}

/* Where the first messages are gone, ids before what is left lead nowhere. */
static void test_floor(void **state)
{
    struct desk *d = *state;
    for (size_t i = 0; i < 4; i++)
        (void) append_next(d, 0);
    purge(d, 3);
    follow(d, 0);
    assert_string_equal(d->said, "acut a3 a4 ");
    assert_true(floor_to(d, 3) < 0);
    assert_true(floor_to(d, 2) >= 0);
    follow(d, 1); /* nothing is left of others, if there was */
    assert_false(is_zero(d->floor));
}

/* It is the path's history that says what is kept of it. */
static void test_history_limit(void **state)
{
    struct desk *d = *state;
    d->paths[0].history_ms = 1;
    for (size_t i = 0; i < 4; i++)
        (void) append_next(d, 0);
    BED_UNTIL(d->bed.bed, true);
    (void) uv_run(&d->bed.bed->loop, UV_RUN_ONCE);
    clock_freeze(clock_mono_ms(), clock_wall_ms() + 1000);
    follow(d, 0);
    assert_string_equal(d->said, "acut ");
    assert_int_equal(stats_of(d).filled, 0);
    clock_unfreeze();
    (void) append_next(d, 0);
    BED_UNTIL(d->bed.bed, d->n_delivered == 1);
    assert_string_equal(d->said, "acut a5 ");
}

/* More than may be on its way to the log at once, and more than is held for its turn. */
static void test_much(void **state)
{
    struct desk *d = *state;
    for (uint64_t i = 0; i < 60; i++)
        (void) append(d, 0, i, i + 1, 100000);
    d->hold = true;
    path_feed_follow(d->feed, path_of(d, 0), on_done, d);
    BED_UNTIL(d->bed.bed, d->held != NULL);
    assert_true(d->n_delivered < 60);
    for (uint64_t i = 60; i < 80; i++)
        (void) append(d, 0, i, i + 1, 100000);
    d->hold = false;
    d->held(d->held_arg);
    BED_UNTIL(d->bed.bed, d->n_done == 1 && d->n_delivered == 80);
    char expected[512] = "acut ";
    for (unsigned i = 1; i <= 80; i++)
        (void) snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "a%u ",
                        i);
    assert_string_equal(d->said, expected);
}

/* Current is what is on the log. */
static void test_settled(void **state)
{
    struct desk *d = *state;
    d->hold = true;
    (void) append_next(d, 0);
    path_feed_follow(d->feed, path_of(d, 0), on_done, d);
    BED_UNTIL(d->bed.bed, d->held != NULL);
    assert_int_equal(d->n_delivered, 1);
    assert_int_equal(d->n_done, 0);
    assert_false(atomic_load(&path_of(d, 0)->current));
    d->hold = false;
    d->held(d->held_arg);
    assert_int_equal(d->n_done, 1);
    assert_true(atomic_load(&path_of(d, 0)->current));
}

/* Nobody is on it for 30 s: no subscription is left. Who comes later gets what he has missed. */
static void test_unfollow(void **state)
{
    struct desk *d = *state;
    follow(d, 0);
    follow(d, 1);
    (void) append_next(d, 0);
    BED_UNTIL(d->bed.bed, d->n_delivered == 1);
    atomic_store(&path_of(d, 1)->arrivals, 1);
    pass(d, 6000);
    pass(d, 25000);
    assert_true(atomic_load(&path_of(d, 0)->current));
    pass(d, 6000);
    BED_UNTIL(d->bed.bed, stats_of(d).followed == 1);
    clock_unfreeze();
    assert_false(atomic_load(&path_of(d, 0)->current));
    assert_true(atomic_load(&path_of(d, 1)->current)); /* somebody is about to come */
    (void) append_next(d, 0);
    (void) append_next(d, 1);
    BED_UNTIL(d->bed.bed, d->n_delivered == 2);
    follow(d, 0);
    assert_string_equal(d->said, "acut bcut a1 b1 a2 ");
    assert_int_equal(stats_of(d).gaps, 0);
}

/* Servers that are away: who waits is told so in time; when they are back nothing is missing. */
static void test_outage(void **state)
{
    struct desk *d = *state;
    follow(d, 0);
    (void) append_next(d, 0);
    BED_UNTIL(d->bed.bed, d->n_delivered == 1);
    nats_server_stop(&d->bed.bed->server, SIGKILL);
    BED_UNTIL(d->bed.bed, !nats_connected(d->c.nats));
    path_feed_follow(d->feed, path_of(d, 0), on_done, d);
    pass(d, 2500);
    assert_int_equal(d->n_done, 1);
    pass(d, 1000);
    assert_int_equal(d->n_done, 2);
    assert_int_equal(d->err, -ETIMEDOUT);
    clock_unfreeze();
    path_feed_follow(d->feed, path_of(d, 0), on_done, d);
    nats_server_run(&d->bed.bed->server);
    BED_UNTIL(d->bed.bed, nats_connected(d->bed.bed->nats));
    configure(d, SILENT, ""); /* as if it were lost before we are back */
    (void) append_next(d, 0);
    BED_UNTIL(d->bed.bed, d->n_delivered == 2);
    assert_string_equal(d->said, "acut a1 a2 ");
}

/* The stream was made anew: who is on the path is told, and gets what is there now. */
static void test_regressed(void **state)
{
    struct desk *d = *state;
    struct bed_answer a = {0};
    follow(d, 0);
    follow(d, 1);
    for (size_t i = 0; i < 5; i++) {
        (void) append_next(d, 0);
        (void) append_next(d, 1);
    }
    BED_UNTIL(d->bed.bed, d->n_delivered == 10);
    atomic_store(&path_of(d, 0)->clients, 1);
    (void) nats_request(d->c.nats, "$JS.API.STREAM.DELETE.t_BAT", (struct slice){0},
                        (struct slice){0}, 5000, bed_on_answer, &a);
    BED_UNTIL(d->bed.bed, a.came);
    int ensured = 0;
    streams_ensure(&d->c, cluster_bed_on_ensured, &ensured);
    BED_UNTIL(d->bed.bed, ensured != 0);
    d->said[0] = '\0';
    d->n_delivered = 0;
    path_feed_regressed(d->feed);
    BED_UNTIL(d->bed.bed, strstr(d->said, "agap") != NULL && strstr(d->said, "bcut") != NULL);
    (void) append(d, 0, 2, 4, 10); /* what the owners form again */
    (void) append(d, 1, 2, 4, 10);
    BED_UNTIL(d->bed.bed, d->n_delivered == 2);
    follow(d, 0);
    follow(d, 1);
    assert_non_null(strstr(d->said, "a4 "));
    assert_non_null(strstr(d->said, "b4 "));
    assert_int_equal(d->n_delivered, 2);
}

/* It goes while somebody waits. */
static void test_freed(void **state)
{
    struct desk *d = *state;
    (void) append_next(d, 0);
    path_feed_follow(d->feed, path_of(d, 0), on_done, d);
    d->hold = true;
    path_feed_follow(d->feed, path_of(d, 1), on_done, d);
    BED_UNTIL(d->bed.bed, d->held != NULL);
    stop(d);
    assert_int_equal(d->n_done, 2);
    assert_int_equal(d->err, -EAGAIN);
    d->held(d->held_arg); /* comes to nobody */
    path_feed_free(NULL);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_follow),  WITH(test_follow_again),  WITH(test_missing), WITH(test_zombie),
        WITH(test_foreign), WITH(test_gone),          WITH(test_expired), WITH(test_floor),
        WITH(test_much),    WITH(test_history_limit), WITH(test_settled), WITH(test_unfollow),
        WITH(test_outage),  WITH(test_regressed),     WITH(test_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
