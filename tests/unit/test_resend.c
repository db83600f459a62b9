/* Tests of gateway/resend.c and broker/pipeline_resend.c: messages sent again to all, and to one as
 * it reads. */
#include "resend.h"

#include "json.h"
#include "manage_fixture.h"
#include "pipeline_explain.h"
#include "pipeline_resend.h"

#define ONE   "{\"messages\":[{\"n\":1},{\"n\":2}]}"
#define TWO   "{\"messages\":[{\"n\":3}]}"
#define EVENT "{\"n\":"

static bool done;

static void on_done(struct resend *r)
{
    (void) r;
    done = true;
}

static void id_of(uint64_t n, char ret[ID_SIZE])
{
    id_encode(EVENT_ID_PREFIX, 1, n, ret);
}

/* As history would have answered; the events' ids are numbers from `first` on. */
static void add(struct resend *r, const char *text, uint64_t first, size_t n)
{
    struct pick *p = &r->pick;
    if (p->at == NULL)
        p->at = xcalloc(PICK_MAX_MESSAGES, sizeof(*p->at));
    p->at[p->n++] =
        (struct picked){.at = p->texts.len, .len = strlen(text), .ids_at = p->ids.len, .n_ids = n};
    assert_int_equal(buf_append_str(&p->texts, text), 0);
    for (size_t i = 0; i < n; i++) {
        uint8_t packed[ID_PACKED_SIZE];
        char id[ID_SIZE];
        id_of(first + i, id);
        assert_true(id_pack(EVENT_ID_PREFIX, slice_str(id), packed));
        assert_int_equal(buf_append(&p->ids, slice_of(packed, sizeof(packed))), 0);
    }
}

static struct resend resend_of(struct fixture *f)
{
    struct resend r = {.shared = &f->shared, .path = fixture_path(f, 0), .done = on_done};
    pick_init(&r.pick);
    return r;
}

static int run(struct fixture *f, struct resend *r)
{
    done = false;
    resend_start(r);
    assert_false(done);
    FIXTURE_UNTIL(f, done);
    return r->err;
}

/* The next message of the client: its mark's id is the replay's; the rest of the text. */
static void expect(struct fixture *f, struct client *c, const struct resend *r, const char *events,
                   bool to_all, char ret_resume[ID_SIZE])
{
    struct received got;
    struct slice mark, value;
    char id[ID_SIZE];
    CLIENT_UNTIL(f, c, client_peek(c, &got));
    assert_int_equal(json_member(got.payload, "replay", &mark), 0);
    assert_int_equal(json_member(mark, "id", &value), 0);
    (void) json_string_copy(value, id, sizeof(id));
    assert_string_equal(id, r->replay_id);
    assert_int_equal(json_member(mark, "resume", &value), to_all ? 0 : -ENOENT);
    if (to_all)
        (void) json_string_copy(value, ret_resume, ID_SIZE);
    assert_int_equal(json_member(got.payload, "messages", &value), 0);
    assert_true(slice_eq_str(value, events));
    client_expect(f, c, FRAME_TEXT, NULL);
}

static void keep_note(void *ctx, const struct delivery_note *n)
{
    *(struct delivery_note *) ctx = *n;
}

static void test_to_all(void **state)
{
    struct fixture *f = *state;
    struct client a = client_ws(f, "/"), b = client_ws(f, "/"), other = client_ws(f, "/echo");
    struct resend r = resend_of(f);
    char resume[2][ID_SIZE], id[ID_SIZE];
    add(&r, ONE, 10, 2);
    add(&r, TWO, 20, 1);
    assert_int_equal(run(f, &r), 0);
    assert_int_equal(r.n_sent, 2);
    assert_int_equal(r.events, 3);
    expect(f, &a, &r, "[{\"n\":1},{\"n\":2}]", true, resume[0]);
    expect(f, &a, &r, "[{\"n\":3}]", true, resume[1]);
    expect(f, &b, &r, "[{\"n\":1},{\"n\":2}]", true, id);
    assert_string_equal(id, resume[0]);
    assert_true(strcmp(resume[0], resume[1]) < 0);
    struct delivery_note note;
    id_of(11, id);
    assert_int_equal(
        deliveries_find(pipeline_deliveries(f->shared.pipeline), slice_str(id), keep_note, &note),
        1);
    assert_string_equal(note.replay_id, r.replay_id);
    assert_string_equal(note.trigger_name, "");
    assert_string_equal(note.last_event_id, id);
    assert_int_equal(note.n_events, 2);
    assert_int_equal(note.why, BATCH_REPLAY);
    assert_true(note.delivered);
    assert_int_equal(note.position, 0);
    resend_fini(&r);
    client_free(&a);
    client_free(&b);
    client_free(&other);
}

static void test_one_event(void **state)
{
    struct fixture *f = *state;
    struct client a = client_ws(f, "/");
    struct resend r = resend_of(f);
    char resume[ID_SIZE];
    id_of(11, r.pick.event_id);
    add(&r, ONE, 10, 2);
    assert_int_equal(run(f, &r), 0);
    assert_int_equal(r.n_sent, 1);
    expect(f, &a, &r, "[{\"n\":2}]", true, resume);
    resend_fini(&r);
    client_free(&a);
}

static void test_split(void **state)
{
    struct fixture *f = *state;
    struct client a = client_ws(f, "/");
    struct resend r = resend_of(f);
    char resume[ID_SIZE];
    f->paths[0].max_message_bytes = REPLAYED_MARK_SIZE + strlen(EVENT "1}");
    add(&r, ONE, 10, 2);
    assert_int_equal(run(f, &r), 0);
    assert_int_equal(r.n_sent, 2);
    expect(f, &a, &r, "[{\"n\":1}]", true, resume);
    expect(f, &a, &r, "[{\"n\":2}]", true, resume);
    resend_fini(&r);

    f->paths[0].max_message_bytes--; /* nothing is sent of what has an event that does not fit */
    bool event = false;
    do {
        r = resend_of(f);
        add(&r, "{\"messages\":[1]}", 1, 1);
        add(&r, ONE, 10, 2);
        if (event) {
            r.pick.n = 0;
            add(&r, ONE, 10, 2);
            id_of(10, r.pick.event_id);
        }
        assert_int_equal(run(f, &r), -EMSGSIZE);
        assert_int_equal(r.n_sent, 0);
        resend_fini(&r);
        event = !event;
    } while (event);
    client_free(&a);
}

static void test_damaged(void **state)
{
    static const char *const TEXTS[] = {"", "[]", "{\"messages\":[1,2,3]}", "{\"messages\":[1"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        struct resend r = resend_of(f);
        add(&r, TEXTS[i], 10, 1);
        if (i == 2)
            r.pick.at[0].n_ids = 1; /* has more events than ids */
        assert_int_equal(run(f, &r), -EBADMSG);
        resend_fini(&r);
    }
}

static void test_to_one(void **state)
{
    struct fixture *f = *state;
    struct client a = client_ws(f, "/"), b = client_ws(f, "/echo");
    static const struct {
        int err;
        size_t sent;
    } CASES[] = {{0, 2}, {-EXDEV, 0}, {-ENOENT, 0}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct resend r = resend_of(f);
        add(&r, ONE, 10, 2);
        add(&r, TWO, 20, 1);
        (void) snprintf(r.connection_id, ID_SIZE, "%s", i == 0 ? a.id : i == 1 ? b.id : "?");
        assert_int_equal(run(f, &r), CASES[i].err);
        assert_int_equal(r.n_sent, CASES[i].sent);
        if (i == 0) {
            expect(f, &a, &r, "[{\"n\":1},{\"n\":2}]", false, NULL);
            expect(f, &a, &r, "[{\"n\":3}]", false, NULL);
        }
        resend_fini(&r);
    }
    assert_int_equal(pathlog_tail(fixture_path(f, 0)->log), 0); /* nothing for others */
    client_free(&a);
    client_free(&b);
}

/* As much as it takes, and the rest when it reads. */
static void test_as_it_reads(void **state)
{
    struct fixture *f = *state;
    enum { N = 60, LEN = 100000 };
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/");
    c.deaf = true;
    struct resend r = resend_of(f);
    char *text = xmalloc(LEN + 1);
    memset(text, 'x', LEN);
    memcpy(text, "{\"messages\":[\"", 14);
    memcpy(text + LEN - 3, "\"]}", 4);
    for (uint64_t i = 0; i < N; i++)
        add(&r, text, i, 1);
    free(text);
    memcpy(r.connection_id, c.id, ID_SIZE);
    done = false;
    resend_start(&r);
    FIXTURE_UNTIL(f, uv_is_active((uv_handle_t *) &r.timer) && r.n_sent > 5);
    assert_false(done);
    c.deaf = false;
    for (size_t i = 0; i < (size_t) N * 4; i++) /* in frames of 32 KiB */
        client_expect(f, &c, i % 4 == 0 ? FRAME_TEXT : 0, NULL);
    FIXTURE_UNTIL(f, done);
    assert_int_equal(r.err, 0);
    assert_int_equal(r.n_sent, N);
    resend_fini(&r);

    /* One that does not: until its time is over, which is now. */
    c.deaf = true;
    r = resend_of(f);
    add(&r, ONE, 1, 2);
    memcpy(r.connection_id, c.id, ID_SIZE);
    struct conn *conn = client_conn(f, &c);
    static uint8_t large[OUT_LIMIT];
    while (conn_has_room(conn, 50))
        conn_send(conn, slice_of(large, conn->rest == NULL ? sizeof(large) : 50));
    done = false;
    resend_start(&r);
    r.end_ms = 0;
    FIXTURE_UNTIL(f, done);
    assert_int_equal(r.err, -ETIMEDOUT);
    resend_fini(&r);
    client_reset(&c);
}

static void test_going_down(void **state)
{
    struct fixture *f = *state;
    struct resend r = resend_of(f);
    add(&r, TWO, 1, 1);
    pipeline_stop(f->shared.pipeline);
    assert_int_equal(run(f, &r), -EIO);
    assert_int_equal(r.n_sent, 0);
    resend_fini(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, manage_setup, manage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_to_all), TEST(test_one_event),   TEST(test_split),      TEST(test_damaged),
        TEST(test_to_one), TEST(test_as_it_reads), TEST(test_going_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
