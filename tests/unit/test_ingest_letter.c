/* Tests of the ingest about dead letters on their way again: the letter goes with what it leads to,
 * or stays alone; and about what is counted of a registry. */
#include "ingest_bed.h"

#include "letter_again.h"

static struct ingest_request again(const char *registry, const char *body)
{
    struct ingest_request req = request(registry, body);
    req.own = true;
    req.letter = 7;
    return req;
}

static const struct {
    const char *name, *body;
    struct ingest_counts counts;
    uint64_t goes;    /* the letter with the submission */
    bool another, it; /* made of what is still not understood; there was a submission */
} CASES[] = {
    {"taken", BODY(PUSH(DIGEST, "v1")), {1, 0, 0, 0, 0}, 7, false, true},
    {"nothing new", BODY(PULL), {0, 1, 0, 0, 0}, 7, false, true},
    {"in part", BODY(PUSH(OTHER, "v2") "," BAD), {1, 0, 0, 1, 0}, 7, true, true},
    {"not at all", BODY(BAD), {0, 0, 0, 1, 0}, 0, false, false},
    {"no envelope", "{", {0, 0, 0, 1, 0}, 0, false, false},
};

static void test_post(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct ingest_request req = again("crtlocked", CASES[i].body);
        const struct ingest_counts *want = &CASES[i].counts, *got = &w->answer.counts;
        size_t submissions = w->submissions;
        buf_clear(&w->letters);
        w->letter = 0;
        post(w, &req); /* who owns it proves nothing */
        assert_int_equal(w->answer.status, 202);
        if (got->accepted != want->accepted || got->ignored != want->ignored ||
            got->duplicates != want->duplicates || got->set_aside != want->set_aside)
            fail_msg("%s: %s", CASES[i].name, w->answer.body);
        assert_int_equal(w->letter, CASES[i].goes);
        assert_int_equal(w->letters.len > 0, CASES[i].another);
        assert_int_equal(w->submissions - submissions, CASES[i].it);
    }
    assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED), 0); /* it was counted when it came */
    assert_int_equal(registry_watch_find(ingest_watch(w->in), "crtlocked")->n_answers, 0);
    assert_int_equal(counted(w, M_DEAD_LETTERS), 1);
    assert_int_equal(counted(w, M_DEAD_LETTERS_REPLAYED), 3);
}

static void test_refused(void **state)
{
    struct world *w = *state;
    const struct ingest_request req = again("crtlocked", BODY(PUSH(DIGEST, "v1")));
    w->done_err = -ENOSPC;
    post(w, &req);
    assert_int_equal(w->answer.why, REFUSE_DISK_FULL);
    w->done_err = 0;
    post(w, &req);
    assert_int_equal(w->answer.counts.accepted, 1); /* as if nothing had been */
}

static struct event *old_event(char id[ID_SIZE])
{
    id_encode(EVENT_ID_PREFIX, 0, 1, id);
    return event_new(&(struct event_parts){.type = EVENT_CREATE_IMAGE_TAG,
                                           .id = id,
                                           .created_at = "2020-09-13T12:26:40Z",
                                           .cloud_id = CLOUD,
                                           .folder_id = FOLDER,
                                           .registry_id = "crtgone",
                                           .repository = "app",
                                           .digest = DIGEST,
                                           .tag = "v1",
                                           .actor = ""});
}

/* Also of a registry that is not configured any more. */
static void test_repeat(void **state)
{
    struct world *w = *state;
    char id[ID_SIZE];
    struct event *e = old_event(id);
    assert_non_null(e);
    w->letter_event = true;
    w->submit_result = -EAGAIN;
    ingest_repeat(w->in, e, 9, &w->call);
    assert_int_equal(w->answer.why, REFUSE_OVERLOAD);
    w->submit_result = 0;
    ingest_repeat(w->in, e, 9, &w->call);
    assert_int_equal(w->answer.counts.accepted, 1);
    assert_int_equal(w->letter, 9);
    assert_string_equal((const char *) w->events.data, "CreateImageTag app v1, ");
    assert_string_not_equal(w->last_id, id);
    assert_non_null(memmem(w->json.data, w->json.len, w->last_id, ID_LEN));
    event_unref(e);

    struct event *odd = event_restore(EVENT_CREATE_IMAGE_TAG, id, "crtgone", "app", DIGEST, "v1",
                                      "", SLICE_LIT("{}"));
    size_t submissions = w->submissions;
    ingest_repeat(w->in, odd, 10, &w->call);
    assert_int_equal(w->answer.counts.accepted, 0);
    assert_int_equal(w->answer.counts.set_aside, 1);
    assert_int_equal(w->submissions, submissions); /* the letter stays */
    event_unref(odd);
}

static void test_watch(void **state)
{
    struct world *w = *state;
    const struct ingest_request good = request("crtopen", BODY(PUSH(DIGEST, "v1") "," PULL)),
                                locked = request("crtlocked", BODY("")),
                                nobodys = request("crtnobody", BODY(""));
    post(w, &good);
    post(w, &locked);
    post(w, &nobodys);
    ingest_turned_away(w->in, &locked, REFUSE_BODY);
    ingest_turned_away(w->in, &nobodys, REFUSE_BODY);
    const struct registry_stats *s = registry_watch_find(ingest_watch(w->in), "crtopen");
    assert_int_equal(s->accepted, 1);
    assert_int_equal(s->ignored, 1);
    assert_int_equal(s->last_event_ms, 1600000000123);
    assert_int_equal(s->answers[0].status, 202);
    s = registry_watch_find(ingest_watch(w->in), "crtlocked");
    assert_int_equal(s->n_answers, 2);
    assert_int_equal(s->answers[0].status, 401);
    assert_int_equal(s->answers[1].status, 413);
    assert_int_equal(s->last_event_ms, 0);
    w->done_err = -ENOSPC; /* what is refused comes again */
    const struct ingest_request more = request("crtopen", BODY(PUSH(OTHER, "v1")));
    post(w, &more);
    s = registry_watch_find(ingest_watch(w->in), "crtopen");
    assert_int_equal(s->accepted, 1);
    assert_int_equal(s->answers[1].status, 503);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_post), TEST(test_refused), TEST(test_repeat),
                                       TEST(test_watch)};
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
