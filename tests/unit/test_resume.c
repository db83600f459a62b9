/* Tests of gateway/resume.c: what a handshake asks for, and how its connection is let in. */
#include "history_double.h"
#include "resume.h"
#include "sse_client.h"

#define LEN 3000
#define ID  "crt0000000000000009g"

/* --- the wish --- */

static void test_parse(void **state)
{
    (void) state;
    static const struct {
        const char *query, *header, *second; /* Last-Event-ID; NULL: absent */
        enum refuse why;
        bool any, strict;
        const char *since;
    } CASES[] = {
        {"", NULL, NULL, REFUSE_NONE, false, false, ""},
        {"since=" ID, NULL, NULL, REFUSE_NONE, true, false, ID},
        {"since=earliest", NULL, NULL, REFUSE_NONE, true, false, ""},
        {"strict=1&since=" ID, NULL, NULL, REFUSE_NONE, true, true, ID},
        {"since=" ID "&strict=0", NULL, NULL, REFUSE_NONE, true, false, ID},
        {"s%69nce=%63rt0000000000000009g", NULL, NULL, REFUSE_NONE, true, false, ID},
        {"x=1&&since=" ID "&=&y", NULL, NULL, REFUSE_NONE, true, false, ID},
        {"x=%zz&%=1&x=2&x=3", NULL, NULL, REFUSE_NONE, false, false, ""},
        {"sinc=1&since1=2&Since=3&a_name_that_is_longer_than_any=4", NULL, NULL, REFUSE_NONE, false,
         false, ""},
        {"strict=1", NULL, NULL, REFUSE_NONE, false, true, ""},
        {"", ID, NULL, REFUSE_NONE, true, false, ID},
        {"strict=1", ID, NULL, REFUSE_NONE, true, true, ID},
        {"", "", NULL, REFUSE_NONE, false, false, ""},
        {"since=" ID, "nonsense", NULL, REFUSE_NONE, true, false, ID},
        {"since=earliest", ID, ID, REFUSE_NONE, true, false, ""},
        {"since", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=", ID, NULL, REFUSE_SINCE, false, false, ""},
        {"since=Earliest", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=earliest ", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=" ID "&since=" ID, NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=" ID "&s%69nce=" ID, NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=" ID "0", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=crt0000000000000009", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=crt0000000000000009w", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=d200000000000000009g", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=crt0000000000000009%2", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=crt0000000000000009%00", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=crt00000000000000+9g", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"since=" ID "=", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"strict", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"strict=", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"strict=2", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"strict=10", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"strict=1&strict=1", NULL, NULL, REFUSE_SINCE, false, false, ""},
        {"", "earliest", NULL, REFUSE_SINCE, false, false, ""},
        {"", ID "0", NULL, REFUSE_SINCE, false, false, ""},
        {"", ID, ID, REFUSE_SINCE, false, false, ""},
        {"", "", "", REFUSE_SINCE, false, false, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s %s\n", CASES[i].query, CASES[i].header == NULL ? "" : CASES[i].header);
        struct http_head head = {.query = slice_str(CASES[i].query)};
        const char *const values[] = {CASES[i].header, CASES[i].second};
        for (size_t v = 0; v < ARRAY_LEN(values) && values[v] != NULL; v++)
            head.headers[head.n_headers++] =
                (struct header){SLICE_LIT("last-event-id"), slice_str(values[v])};
        struct resume_wish wish = {0};
        assert_int_equal(resume_parse(&head, &wish), CASES[i].why);
        if (CASES[i].why != REFUSE_NONE)
            continue;
        assert_int_equal(wish.any, CASES[i].any);
        assert_int_equal(wish.strict, CASES[i].strict);
        assert_string_equal(wish.since, CASES[i].since);
    }
}

/* --- letting it in --- */

static struct fixture *fixture_of(struct history **ret)
{
    struct fixture *f = fixture_new();
    f->paths[0].max_message_bytes = DOUBLE_MAX_MESSAGE;
    f->paths[0].inbound = INBOUND_ECHO;
    if (ret != NULL)
        *ret = double_new(f);
    fixture_start(f);
    return f;
}

static void finish(struct fixture *f, struct history *h)
{
    h->hold = false;
    fixture_free(f);
    double_free(h);
}

static uint64_t outcome(const struct fixture *f, enum metric id)
{
    return fixture_metric(f->gateway, id);
}

/* Everything after the message named, then what is new. Nothing tells of it without regcast.v1. */
static void test_found(void **state)
{
    (void) state;
    static const struct {
        const char *how;
        bool v1;
        unsigned first; /* message that comes first */
    } CASES[] = {
        {"/?since=#", false, 6},           {"/?since=#", true, 6},
        {"/?since=earliest", true, 0},     {"Last-Event-ID: #\r\n", false, 6},
        {"Last-Event-ID: #\r\n", true, 6},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct history *h;
        struct fixture *f = fixture_of(&h);
        double_append_run(h, LEN, 20);
        char id[ID_SIZE], how[128], extra[256];
        double_id(5, id);
        const char *hash = strchr(CASES[i].how, '#');
        int before = hash == NULL ? (int) strlen(CASES[i].how) : (int) (hash - CASES[i].how);
        (void) snprintf(how, sizeof(how), "%.*s%s%s", before, CASES[i].how, hash == NULL ? "" : id,
                        hash == NULL ? "" : hash + 1);
        bool header = how[0] != '/';
        (void) snprintf(extra, sizeof(extra), "%s%s", header ? how : "", CASES[i].v1 ? V1 : "");
        struct client c = client_new(f->gateway_name);
        client_shake(f, &c, header ? "/" : how, extra);
        CLIENT_UNTIL(f, &c, client_head_end(&c) > 0);
        char protocol[32];
        client_header(&c, "Sec-WebSocket-Protocol", protocol, sizeof(protocol));
        assert_string_equal(protocol, CASES[i].v1 ? "regcast.v1" : "");
        client_shaken(f, &c);
        if (CASES[i].v1 && CASES[i].first > 0)
            double_expect_notice(f, &c, "{\"control\":\"recovered\",\"since\":\"#\"}", 5, 0);
        else if (CASES[i].v1)
            client_expect(f, &c, FRAME_TEXT, "{\"control\":\"recovered\",\"since\":\"earliest\"}");
        double_append_run(h, LEN, 10);
        client_expect_run(f, &c, LEN, CASES[i].first, 29);
        assert_int_equal(c.in.len, 0);
        assert_int_equal(outcome(f, M_RESUME_FOUND), 1);
        assert_int_equal(outcome(f, M_HANDSHAKES), 1);
        assert_int_equal(outcome(f, M_REPLAYED_MESSAGES), 0); /* all from memory */
        assert_false(client_conn(f, &c)->group->members[0].catching);
        client_free(&c);
        finish(f, h);
    }
}

/* With nothing after it: it is live at once. */
static void test_found_at_the_tail(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 20);
    struct client c = client_new(f->gateway_name);
    double_shake(f, &c, 19, "");
    client_shaken(f, &c);
    assert_false(client_conn(f, &c)->group->members[0].catching);
    double_append_run(h, LEN, 1);
    client_expect_run(f, &c, LEN, 20, 20);
    assert_int_equal(c.in.len, 0);
    client_free(&c);
    finish(f, h);
}

/* The store is ahead of memory: what has been committed and not yet been delivered is still to
 * come. */
static void test_position_beyond_the_tail(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 3);
    h->messages[2].position += 100000;
    struct client c = client_new(f->gateway_name);
    double_shake(f, &c, 2, "");
    client_shaken(f, &c);
    assert_int_equal(client_conn(f, &c)->group->members[0].cursor,
                     pathlog_tail(fixture_path(f, 0)->log));
    double_append_run(h, LEN, 1);
    client_expect_run(f, &c, LEN, 3, 3);
    client_free(&c);
    finish(f, h);
}

/* A client whose answer does not come yet. */
static struct client asking(struct fixture *f, struct history *h)
{
    struct client c = client_new(f->gateway_name);
    size_t before = h->n_waiting;
    h->hold = true;
    double_shake(f, &c, 5, "");
    FIXTURE_UNTIL(f, h->n_waiting == before + 1);
    assert_int_equal(fixture_conn(f->gateway, CONN_HANDLING)->half_open, false);
    return c;
}

static void test_gone(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 20);
    h->first = 8;
    struct client strict = client_new(f->gateway_name), plain = client_new(f->gateway_name),
                  v1 = client_new(f->gateway_name);
    char id[ID_SIZE], path[64];
    double_id(7, id);
    (void) snprintf(path, sizeof(path), "/?since=%s&strict=1", id);
    client_shake(f, &strict, path, V1);
    struct response r = client_response(f, &strict);
    assert_int_equal(r.status, 410);
    assert_string_equal(r.body, "{\"error\":\"gone\"}");
    client_until_eof(f, &strict);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_GONE), 1);

    double_shake(f, &plain, 7, "");
    client_shaken(f, &plain);
    struct received got = {0};
    CLIENT_UNTIL(f, &plain, client_peek(&plain, &got));
    assert_memory_equal(got.payload.data + 2, "history_lost", 12);
    client_expect_close(f, &plain, 4009, false);

    double_shake(f, &v1, 7, V1);
    client_shaken(f, &v1);
    double_expect_notice(f, &v1,
                         "{\"control\":\"gap\",\"reason\":\"history_lost\",\"since\":\"#\","
                         "\"oldest\":\"#\"}",
                         7, 8);
    client_expect_close(f, &v1, 4009, false);
    assert_int_equal(outcome(f, M_RESUME_GONE), 3);
    assert_int_equal(outcome(f, M_CLOSED_REFUSED), 2);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_HISTORY), 2);
    client_free(&strict);
    client_free(&plain);
    client_free(&v1);
    finish(f, h);
}

/* Who reads events would come back with the same id for ever: it is told, and goes on from the
 * oldest message kept. */
static void test_gone_of_events(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 20);
    h->first = 8;
    char id[ID_SIZE], oldest[ID_SIZE], text[256];
    double_id(7, id);
    double_id(8, oldest);
    (void) snprintf(text, sizeof(text), "/?since=%s", id);
    struct client c = sse_client(f, text);
    (void) snprintf(text, sizeof(text),
                    "event: gap\ndata: {\"control\":\"gap\",\"reason\":\"history_lost\","
                    "\"since\":\"%s\",\"oldest\":\"%s\"}\n\n",
                    id, oldest);
    sse_expect(f, &c, text);
    double_append_run(h, LEN, 1);
    sse_expect_run(f, &c, LEN, 8, 20);
    assert_int_equal(outcome(f, M_RESUME_GONE), 1);
    assert_int_equal(fixture_metric(f->gateway, M_SSE_CONVERTED), 13);
    (void) snprintf(text, sizeof(text), "/?strict=1&since=%s", id);
    struct client strict = sse_asked(f, text, 0);
    assert_int_equal(client_response(f, &strict).status, 410);
    client_free(&strict);

    double_id(18, id);
    (void) snprintf(text, sizeof(text), "/?since=%s", id);
    struct client back = sse_client(f, text);
    (void) snprintf(text, sizeof(text),
                    "event: recovered\ndata: {\"control\":\"recovered\",\"since\":\"%s\"}\n\n", id);
    sse_expect(f, &back, text);
    sse_expect_run(f, &back, LEN, 19, 20);
    assert_int_equal(back.in.len, 0);
    client_free(&back);
    client_free(&c);
    finish(f, h);
}

static struct history *racing; /* NULL: the broker has been here */

static ssize_t racing_send(struct conn *c, struct slice bytes)
{
    struct history *h = racing;
    racing = NULL;
    if (h != NULL)
        double_append(h, LEN);
    return TRANSPORT_TCP.send(c, bytes);
}

/* What is broadcast while the client is told that its history is lost comes after the gap: it is
 * not sent, since without regcast.v1 nothing but the close frame tells of the gap. */
static void test_gone_while_broadcasting(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    struct transport racy = TRANSPORT_TCP;
    racy.plain = false;
    racy.send = racing_send;
    double_append_run(h, LEN, 20);
    h->first = 8;
    struct client c = asking(f, h);
    fixture_conn(f->gateway, CONN_HANDLING)->transport = &racy;
    racing = h;
    h->hold = false;
    client_shaken(f, &c);
    assert_null(racing);
    client_expect_close(f, &c, 4009, false);
    client_free(&c);
    finish(f, h);
}

/* An engine that keeps no history has what is in memory. */
static void test_without_history(void **state)
{
    (void) state;
    struct fixture *f = fixture_of(NULL);
    static uint8_t room[LEN];
    for (unsigned n = 0; n < 10; n++)
        fixture_append(f, 0, fixture_payload(room, LEN, n));
    struct client c = client_new(f->gateway_name);
    client_upgrade(f, &c, "/?since=earliest");
    client_expect_run(f, &c, LEN, 0, 9);
    struct client old = client_new(f->gateway_name), strict = client_new(f->gateway_name);
    client_shake(f, &old, "/?since=" ID, V1);
    client_shaken(f, &old);
    client_expect(f, &old, FRAME_TEXT,
                  "{\"control\":\"gap\",\"reason\":\"history_lost\",\"since\":\"" ID
                  "\",\"oldest\":null}");
    client_expect_close(f, &old, 4009, false);
    client_shake(f, &strict, "/?since=" ID "&strict=1", "");
    assert_int_equal(client_response(f, &strict).status, 410);
    assert_int_equal(outcome(f, M_RESUME_FOUND), 1);
    assert_int_equal(outcome(f, M_RESUME_GONE), 2);
    client_free(&c);
    client_free(&old);
    client_free(&strict);
    fixture_free(f);
}

static void test_refused(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    struct client c = client_new(f->gateway_name);
    client_shake(f, &c, "/?since=yesterday", "");
    struct response r = client_response(f, &c);
    assert_int_equal(r.status, 400);
    assert_string_equal(r.body, "{\"error\":\"since\"}");
    assert_int_equal(fixture_refused(f->gateway, REFUSE_SINCE), 1);
    client_free(&c);

    h->find_err = -EIO;
    c = client_new(f->gateway_name);
    double_shake(f, &c, 0, "");
    r = client_response(f, &c);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.body, "{\"error\":\"no_history\"}");
    assert_int_equal(outcome(f, M_RESUME_FAILED), 1);
    client_free(&c);
    finish(f, h);
}

/* --- while history is asked --- */

/* Not a byte before the answer; what is broadcast meanwhile is part of what comes after it. */
static void test_broadcast_while_asking(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 10);
    struct client c = asking(f, h);
    double_append_run(h, LEN, 10);
    fixture_idle(f, 20);
    (void) client_read(&c);
    assert_int_equal(c.in.len, 0);
    h->hold = false;
    client_shaken(f, &c);
    client_expect_run(f, &c, LEN, 6, 19);
    client_free(&c);
    finish(f, h);
}

static void test_connection_dies_while_asking(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 10);
    struct client reset = asking(f, h);
    client_reset(&reset);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    assert_int_equal(f->gateway->n_asked, 1);
    h->hold = false;
    FIXTURE_UNTIL(f, f->gateway->n_asked == 0);

    struct client ended = asking(f, h);
    assert_int_equal(shutdown(ended.fd, SHUT_WR), 0);
    struct conn *conn = fixture_conn(f->gateway, CONN_HANDLING);
    FIXTURE_UNTIL(f, conn->peer_done);
    h->hold = false;
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    client_until_eof(f, &ended);
    assert_int_equal(ended.in.len, 0);
    assert_int_equal(outcome(f, M_HANDSHAKES), 0);
    client_free(&ended);
    finish(f, h);
}

static void test_drain_while_asking(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 10);
    struct client polite = asking(f, h), gone = asking(f, h);
    client_reset(&gone);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 1);
    f->shared.drain_spread_ms = 60000;
    f->shared.drain_code = 1012;
    f->shared.draining = true;
    worker_drain(f->gateway);
    FIXTURE_UNTIL(f, f->gateway->draining);
    fixture_idle(f, 20);
    assert_false(f->gateway->stopped);
    h->hold = false;
    struct response r = client_response(f, &polite);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.body, "{\"error\":\"draining\"}");
    client_free(&polite);
    FIXTURE_UNTIL(f, f->gateway->stopped);
    assert_int_equal(f->gateway->n_asked, 0);
    finish(f, h);
}

/* All connections are gone; the loop waits for the answer alone. */
static void test_worker_waits_for_answers(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 10);
    struct client c = asking(f, h);
    worker_drain(f->gateway);
    FIXTURE_UNTIL(f, f->gateway->draining);
    worker_close_all(f->gateway);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    fixture_idle(f, 20);
    assert_false(f->gateway->stopped);
    h->hold = false;
    FIXTURE_UNTIL(f, f->gateway->stopped);
    client_free(&c);
    finish(f, h);
}

static void test_timeout_while_asking(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_new();
    f->cfg.gateway.handshake_timeout_ms = 150;
    h = double_new(f);
    fixture_start(f);
    struct client c = client_new(f->gateway_name);
    h->hold = true;
    double_shake(f, &c, 0, "");
    struct response r = client_response(f, &c);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.body, "{\"error\":\"no_history\"}");
    assert_int_equal(outcome(f, M_RESUME_FAILED), 1);
    assert_int_equal(f->gateway->n_asked, 1);
    client_free(&c);
    finish(f, h);
}

/* --- frames before the answer --- */

static void test_early_frames(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 7);
    struct client c = asking(f, h);
    client_frame(f, &c, FRAME_TEXT, true, SLICE_LIT("too soon"));
    struct conn *conn = fixture_conn(f->gateway, CONN_HANDLING);
    FIXTURE_UNTIL(f, conn->unread != NULL);
    assert_true(conn->paused);
    client_frame(f, &c, FRAME_PING, true, SLICE_LIT("later"));
    h->hold = false;
    client_shaken(f, &c);
    /* In the order they were sent; among the broadcasts anywhere. */
    unsigned echoes = 0, pongs = 0, broadcasts = 0;
    while (echoes + pongs + broadcasts < 3) {
        struct received got = {0};
        CLIENT_UNTIL(f, &c, client_peek(&c, &got) || c.eof);
        assert_true(got.size > 0);
        if (got.opcode == FRAME_PONG) {
            pongs++;
            assert_int_equal(echoes, 1);
        } else if (got.payload.len == 8) {
            assert_memory_equal(got.payload.data, "too soon", 8);
            echoes++;
        } else {
            broadcasts++;
        }
        buf_consume(&c.in, got.size);
    }
    assert_int_equal(echoes, 1);
    assert_int_equal(broadcasts, 1);
    client_free(&c);
    finish(f, h);
}

/* In one packet with the handshake, and too much of it. */
static void test_early_limits(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    double_append_run(h, LEN, 6);
    struct client c = client_new(f->gateway_name);
    char id[ID_SIZE], request[1024];
    double_id(5, id);
    int len = snprintf(request, sizeof(request), "GET /?since=%s HTTP/1.1\r\n" WS_HEADERS, id);
    static const uint8_t TEXT[] = {0x81, 0x82, 0, 0, 0, 0, 'h', 'i'};
    memcpy(request + len, TEXT, sizeof(TEXT));
    client_send(f, &c, slice_of(request, (size_t) len + sizeof(TEXT)));
    client_shaken(f, &c);
    client_expect(f, &c, FRAME_TEXT, "hi");
    client_free(&c);

    struct client much = asking(f, h);
    static uint8_t flood[5000];
    client_send(f, &much, slice_of(flood, sizeof(flood)));
    struct response r = client_response(f, &much);
    assert_int_equal(r.status, 400);
    assert_string_equal(r.body, "{\"error\":\"upgrade_early\"}");
    client_free(&much);
    finish(f, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_found_at_the_tail),
        cmocka_unit_test(test_position_beyond_the_tail),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_gone_of_events),
        cmocka_unit_test(test_gone_while_broadcasting),
        cmocka_unit_test(test_without_history),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_broadcast_while_asking),
        cmocka_unit_test(test_connection_dies_while_asking),
        cmocka_unit_test(test_drain_while_asking),
        cmocka_unit_test(test_worker_waits_for_answers),
        cmocka_unit_test(test_timeout_while_asking),
        cmocka_unit_test(test_early_frames),
        cmocka_unit_test(test_early_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
