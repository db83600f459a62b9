/* test_ingest_kind.c - whose a webhook is: questions whether we are there, and what is logged of a
 * kind. */
#include "ingest_bed.h"

#define HANDSHAKE "{\"validationResponse\":\"512d38b6-c7b8-40c8-89fe-f46f9e9622b6\"}"

/* An adapter that is asked whether it is there by "?", and cannot answer to "!". */
static int double_handshake(const struct source_request *req, struct buf *out)
{
    if (slice_eq_str(req->body, "!"))
        return -ENOMEM;
    if (!slice_eq_str(req->body, "?"))
        return 0;
    assert_int_equal(buf_append_str(out, HANDSHAKE), 0);
    return 1;
}

static int double_adapt(const struct source_request *req, const struct source_sink *sink,
                        const char **ret_why)
{
    (void) req;
    (void) ret_why;
    sink->ignored(sink->ctx, "all");
    return 0;
}

static const struct source DOUBLE = {
    .kind = "double",
    .before = "",
    .after = "",
    .adapt = double_adapt,
    .handshake = double_handshake,
};

const struct source *__wrap_source_of(const struct source_request *req, const char **ret_known_by);
const struct source *__real_source_of(const struct source_request *req, const char **ret_known_by);

const struct source *__wrap_source_of(const struct source_request *req, const char **ret_known_by)
{
    if (!world->doubled)
        return __real_source_of(req, ret_known_by);
    *ret_known_by = "double";
    return &DOUBLE;
}

static void test_handshake(void **state)
{
    struct world *w = *state;
    struct signing s;
    w->doubled = true;
    struct ingest_request req = signed_request(&s, "msg_1", "?", 0);
    for (unsigned again = 0; again < 2; again++) { /* no repetition: nothing is kept of it */
        post(w, &req);
        assert_int_equal(w->answer.status, 200);
        assert_int_equal(w->answer.why, REFUSE_NONE);
        assert_string_equal(w->handshake, HANDSHAKE);
        assert_int_equal(count_of(logged(w), "\"status\":200,"), 1);
    }
    assert_int_equal(w->submissions, 0);
    assert_int_equal(ingest_known(w->in).sender_ids, 0);
    req = signed_request(&s, "msg_1", "!", 0);
    post(w, &req);
    assert_int_equal(w->answer.status, 503);
    req = signed_request(&s, "msg_1", "else", 0);
    post(w, &req);
    assert_int_equal(w->answer.status, 202);
    assert_string_equal(w->handshake, "");
    req = signed_request(&s, "msg_2", "?", 302); /* who asks has to prove himself, too */
    post(w, &req);
    assert_int_equal(w->answer.status, 401);
}

static void test_kind_is_logged(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *registry, *content_type, *body, *want;
    } CASES[] = {
        {"known by its type", "crtopen", TYPE, BODY(PULL),
         ",\"kind\":\"distribution\",\"known_by\":\"content type\"}"},
        {"known by its shape", "crtopen", "application/json", BODY(PULL),
         ",\"kind\":\"distribution\",\"known_by\":\"member events\"}"},
        {"configured", "crtlocked", "text/plain", BODY(PULL),
         ",\"kind\":\"distribution\",\"known_by\":\"configured\"}"},
        {"configured, and no envelope", "crtlocked", "text/plain", "{}",
         ",\"kind\":\"distribution\",\"known_by\":\"configured\"}"},
        {"nobody's", "crtopen", "text/plain", BODY(PULL), NULL},
        {"not configured for anybody", "crtodd", TYPE, BODY(PULL), NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct ingest_request req = request(CASES[i].registry, CASES[i].body);
        print_message("  %s\n", CASES[i].name);
        req.content_type = slice_str(CASES[i].content_type);
        struct header field;
        authorize(&req, &field, "Bearer s3cret:x");
        post(w, &req);
        const char *log = strstr(logged(w), "\"msg\":\"answered\"");
        assert_non_null(log);
        assert_true((strstr(log, "\"known_by\":") != NULL) == (CASES[i].want != NULL));
        if (CASES[i].want != NULL && strstr(log, CASES[i].want) == NULL)
            fail_msg("%s", log);
    }
}

/* The usual mistake: another registry than was configured. */
static void test_looks_like_another(void **state)
{
    struct world *w = *state;
    struct ingest_request req = request("crtodd", BODY(PULL));
    post(w, &req);
    assert_non_null(strstr(logged(w), "\"reason\":\"unknown_source\",\"looks_like\":"
                                      "\"distribution\",\"looks_by\":\"content type\""));
    req = request("crtlocked", "{}"); /* looks like what it is configured as, which it is not */
    struct header field;
    authorize(&req, &field, "Bearer s3cret:x");
    post(w, &req);
    const char *log = logged(w);
    assert_non_null(strstr(log, "\"reason\":\"no_events\""));
    assert_null(strstr(log, "looks_like"));
}

static void test_kind_changes(void **state)
{
    struct world *w = *state;
    static const char CHANGED[] = "\"msg\":\"another kind than before\",\"registry\":\"crtopen\","
                                  "\"peer\":\"192.0.2.1:4711\",\"kind\":\"double\","
                                  "\"known_by\":\"double\",\"before\":\"distribution\"";
    struct ingest_request req = request("crtopen", BODY(PULL));
    struct ingest_request configured = request("crtlocked", BODY(PULL));
    struct header field;
    authorize(&configured, &field, "Bearer s3cret:x");
    post(w, &req);
    post(w, &req);
    post(w, &configured);
    ingest_configure(w->in, &CONFIG); /* is no reason to forget */
    assert_null(strstr(logged(w), "another kind"));
    w->doubled = true;
    post(w, &req);
    assert_int_equal(count_of(logged(w), CHANGED), 1);
    post(w, &req);
    post(w, &configured);
    assert_null(strstr(logged(w), "another kind"));
    w->doubled = false;
    post(w, &req); /* as it was known before: taking turns is told once */
    w->doubled = true;
    post(w, &req);
    assert_null(strstr(logged(w), "another kind"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handshake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kind_is_logged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_looks_like_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kind_changes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
