/* test_letters_replay.c - letters_replay.c: accepted events go back into the store as new ones, in
 * the transaction that deletes their letters. test_letters_post.c has the other kind of letters. */
#include "letters.h"

#include "command_fixture.h"

#define OLD_ID "crt0000000000000000a"

struct stored {
    uint64_t seqs[4096];
    char ids[4096][ID_SIZE];
    size_t n;
    const char *tag; /* of each; NULL: not looked at */
    struct slice json;
};

static int on_webhook(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    struct stored *st = ctx;
    struct event *e;
    for (uint32_t i = 0; i < n; i++) {
        assert_true(st->n < ARRAY_LEN(st->seqs));
        assert_int_equal(record_next_event(&events, &e), 0);
        st->seqs[st->n] = first_seq + i;
        memcpy(st->ids[st->n++], e->id, ID_SIZE);
        if (st->tag != NULL)
            assert_string_equal(e->tag, st->tag);
        char member[64]; /* the id stands in the JSON, too, and nothing else changed */
        (void) snprintf(member, sizeof(member), "\"event_id\":\"%s\"", e->id);
        assert_non_null(memmem(e->json.data, e->json.len, member, strlen(member)));
        if (st->json.len > 0) {
            char *then = xslicedup(st->json), *now = xslicedup(e->json);
            char *at = strstr(now, e->id);
            memcpy(at, OLD_ID, ID_LEN);
            assert_string_equal(now, then);
            free(then);
            free(now);
        }
        event_unref(e);
    }
    return 0;
}

static void load(struct store *s, struct stored *st)
{
    st->n = 0;
    assert_int_equal(store_load_events(s, 0, on_webhook, st), 0);
}

/* An event that the store had already: what comes back must be after it. */
static void put_event(struct store *s, uint64_t seq, const char *id)
{
    struct buf packed;
    struct event *e = fixture_event(id, "v1");
    buf_init(&packed, 1 << 20);
    assert_int_equal(record_put_event(&packed, e), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &(struct store_webhook){.first_seq = seq,
                                                                  .n_events = 1,
                                                                  .last_event_id = id,
                                                                  .events = buf_slice(&packed)}),
                     0);
    assert_int_equal(store_commit(s), 0);
    buf_fini(&packed);
    event_unref(e);
}

static void events_come_back_as_new_ones(void **state)
{
    static struct stored st;
    struct fixture *f = fixture_new();
    (void) state;
    struct store *s = fixture_open(f);
    struct event *e = fixture_event(OLD_ID, "v1");
    put_event(s, 41, "crtvvvv0000000000000"); /* the clock was far ahead once */
    fixture_letter(s, "poison", (struct slice){0}, e, 7);
    fixture_letter(s, "poison", (struct slice){0}, e, 8);
    fixture_letter(s, "poison", SLICE_LIT("no record"), NULL, 9);
    fixture_letter(s, "poison", (struct slice){0}, e, 10);
    FIXTURE_RUN(f, EXIT_IN_USE, letters_replay(&f->cfg, "all"));
    FIXTURE_SAID(f->err, "stop it first");
    assert_int_equal(store_n_letters(s), 4);
    store_close(s);

    FIXTURE_RUN(f, 0, letters_replay(&f->cfg, "2"));
    FIXTURE_SAID(f->err, "1 replayed, 0 left");
    FIXTURE_RUN(f, EXIT_LEFT_OVER, letters_replay(&f->cfg, "2"));
    FIXTURE_SAID(f->err, "there is no dead letter 2");
    FIXTURE_RUN(f, EXIT_LEFT_OVER, letters_replay(&f->cfg, "3"));
    FIXTURE_SAID(f->err, "letter 3: the event cannot be read; it stays");
    FIXTURE_SAID(f->err, "0 replayed, 1 left");
    FIXTURE_RUN(f, EXIT_LEFT_OVER, letters_replay(&f->cfg, "all"));
    FIXTURE_SAID(f->err, "2 replayed, 1 left");

    s = fixture_open(f);
    assert_int_equal(store_n_letters(s), 1);
    st.tag = "v1";
    load(s, &st);
    assert_int_equal(st.n, 4);
    for (size_t i = 0; i < st.n; i++) {
        assert_int_equal(st.seqs[i], 41 + i);
        assert_true(i == 0 || strcmp(st.ids[i], st.ids[i - 1]) > 0);
    }
    st.json = e->json;
    assert_int_equal(store_load_events(s, 41, on_webhook, &st), 0);
    assert_int_equal(store_next_seq(s), 45);
    char last[ID_SIZE];
    store_last_event_id(s, last);
    assert_string_equal(last, st.ids[3]);
    store_close(s);
    event_unref(e);
    fixture_free(f);
}

/* More than one round and transaction. */
static void many(void **state)
{
    enum { N = 2300 };
    static struct stored st;
    struct fixture *f = fixture_new();
    (void) state;
    struct store *s = fixture_open(f);
    struct event *e = fixture_event(OLD_ID, "v1");
    struct buf packed;
    buf_init(&packed, 1 << 20);
    assert_int_equal(record_put_event(&packed, e), 0);
    assert_int_equal(store_begin(s), 0);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(store_put_letter(s, &(struct store_letter){.registry_id = REGISTRY,
                                                                    .reason = "poison",
                                                                    .event_seq = i + 1,
                                                                    .body = buf_slice(&packed)}),
                         0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    FIXTURE_RUN(f, 0, letters_replay(&f->cfg, "all"));
    FIXTURE_SAID(f->err, "2300 replayed, 0 left");
    s = fixture_open(f);
    assert_int_equal(store_n_letters(s), 0);
    load(s, &st);
    assert_int_equal(st.n, N);
    for (size_t i = 1; i < st.n; i++)
        assert_true(strcmp(st.ids[i], st.ids[i - 1]) > 0);
    store_close(s);
    buf_fini(&packed);
    event_unref(e);
    fixture_free(f);
}

static void what_is_asked(void **state)
{
    static const char *const BAD[] = {
        "", "0", "-1", "+1", "1x", "ALL", "all ", " 1", "9999999999999999999"};
    struct fixture *f = fixture_new();
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        FIXTURE_RUN(f, EXIT_ASKED_WRONG, letters_replay(&f->cfg, BAD[i]));
        FIXTURE_SAID(f->err, "expected the number of a letter or 'all'");
    }
    FIXTURE_RUN(f, 0, letters_replay(&f->cfg, "all"));
    FIXTURE_SAID(f->err, "0 replayed, 0 left");
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_back_as_new_ones),
        cmocka_unit_test(many),
        cmocka_unit_test(what_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
