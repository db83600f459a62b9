/* grpc_client.h - a gRPC client for tests: an nghttp2 session on a client of fixture.h, with calls
 * whose heads, messages and ends are given one by one. */
#ifndef TESTS_UNIT_GRPC_CLIENT_H
#define TESTS_UNIT_GRPC_CLIENT_H

#include "fixture.h"

#include "grpc/health/v1/health.pb-c.h"
#include "grpc_frame.h"
#include "pb.h"

#include <nghttp2/nghttp2.h>

#define GRPC_CLIENT_CALLS  128
#define GRPC_CLIENT_FIELDS 12

struct grpc_sent {
    int32_t id;
    struct buf out;                  /* of the request, not yet sent */
    size_t piece;                    /* longest DATA frame, 0: any */
    bool end;                        /* nothing follows what is in `out` */
    unsigned n_heads;                /* HEADERS frames received */
    bool end_in_head;                /* the first of them was the end */
    char http[4];                    /* :status */
    int status;                      /* grpc-status, -1: none came */
    char message[512], fields[2048]; /* grpc-message; all as "name: value\n" */
    struct buf body;
    bool closed;
    uint32_t error; /* of RST_STREAM */
};

struct grpc_client {
    struct fixture *f;
    struct client tcp;
    nghttp2_session *session;
    struct grpc_sent calls[GRPC_CLIENT_CALLS];
    size_t n_calls;
    unsigned n_goaways;
    uint32_t goaway; /* its error */
    bool deaf;       /* gives no window back */
};

static inline struct grpc_sent *grpc_client_of(struct grpc_client *c, int32_t id)
{
    for (size_t i = 0; i < c->n_calls; i++)
        if (c->calls[i].id == id)
            return &c->calls[i];
    return NULL;
}

static inline int grpc_client_on_header(nghttp2_session *s, const nghttp2_frame *frame,
                                        const uint8_t *name, size_t name_len, const uint8_t *value,
                                        size_t value_len, uint8_t flags, void *user)
{
    struct grpc_sent *call = grpc_client_of(user, frame->hd.stream_id);
    size_t len = strlen(call->fields);
    (void) s;
    (void) flags;
    (void) snprintf(call->fields + len, sizeof(call->fields) - len, "%.*s: %.*s\n", (int) name_len,
                    name, (int) value_len, value);
    if (slice_eq_str(slice_of(name, name_len), ":status"))
        (void) snprintf(call->http, sizeof(call->http), "%.*s", (int) value_len, value);
    if (slice_eq_str(slice_of(name, name_len), "grpc-status"))
        call->status = atoi((const char *) value);
    if (slice_eq_str(slice_of(name, name_len), "grpc-message"))
        (void) snprintf(call->message, sizeof(call->message), "%.*s", (int) value_len, value);
    return 0;
}

static inline int grpc_client_on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
    struct grpc_client *c = user;
    struct grpc_sent *call = grpc_client_of(c, frame->hd.stream_id);
    (void) s;
    if (frame->hd.type == NGHTTP2_HEADERS && ++call->n_heads == 1)
        call->end_in_head = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->n_goaways++;
        c->goaway = frame->goaway.error_code;
    }
    return 0;
}

static inline int grpc_client_on_data(nghttp2_session *s, uint8_t flags, int32_t id,
                                      const uint8_t *data, size_t len, void *user)
{
    struct grpc_client *c = user;
    (void) flags;
    assert_int_equal(buf_append(&grpc_client_of(c, id)->body, slice_of(data, len)), 0);
    if (!c->deaf)
        (void) nghttp2_session_consume(s, id, len);
    return 0;
}

static inline int grpc_client_on_close(nghttp2_session *s, int32_t id, uint32_t error, void *user)
{
    struct grpc_sent *call = grpc_client_of(user, id);
    (void) s;
    call->closed = true;
    call->error = error;
    return 0;
}

static inline ssize_t grpc_client_read(nghttp2_session *s, int32_t id, uint8_t *to, size_t len,
                                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct grpc_sent *call = grpc_client_of(user, id);
    (void) s;
    (void) source;
    if (call->piece > 0 && len > call->piece)
        len = call->piece;
    size_t n = call->out.len < len ? call->out.len : len;
    if (n == 0 && !call->end)
        return NGHTTP2_ERR_DEFERRED;
    if (n > 0)
        memcpy(to, call->out.data, n);
    buf_consume(&call->out, n);
    if (call->end && call->out.len == 0)
        *flags = NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t) n;
}

/* `window`: of each stream, for what the server sends. */
static inline void grpc_client_init(struct grpc_client *c, struct fixture *f, uint32_t window)
{
    nghttp2_session_callbacks *cb;
    nghttp2_option *option;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window}};
    *c = (struct grpc_client){.f = f, .tcp = client_new(f->grpc_name)};
    assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_set_on_header_callback(cb, grpc_client_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, grpc_client_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, grpc_client_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, grpc_client_on_close);
    assert_int_equal(nghttp2_session_client_new2(&c->session, cb, c, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    assert_int_equal(nghttp2_submit_settings(c->session, 0, settings, 1), 0);
}

static inline struct grpc_client *grpc_client_new(struct fixture *f)
{
    struct grpc_client *c = xcalloc(1, sizeof(*c));
    grpc_client_init(c, f, 65535);
    return c;
}

static inline void grpc_client_free(struct grpc_client *c)
{
    for (size_t i = 0; i < c->n_calls; i++) {
        buf_fini(&c->calls[i].out);
        buf_fini(&c->calls[i].body);
    }
    nghttp2_session_del(c->session);
    client_free(&c->tcp);
    free(c);
}

/* Sends what there is to send and reads what has come; true, so that it can stand in a condition.
 */
static inline bool grpc_client_turn(struct grpc_client *c)
{
    const uint8_t *out;
    ssize_t n;
    while (c->tcp.fd >= 0 && (n = nghttp2_session_mem_send(c->session, &out)) > 0)
        client_send(c->f, &c->tcp, slice_of(out, (size_t) n));
    (void) client_read(&c->tcp);
    if (c->tcp.in.len > 0)
        assert_int_equal(nghttp2_session_mem_recv(c->session, c->tcp.in.data, c->tcp.in.len),
                         c->tcp.in.len);
    buf_clear(&c->tcp.in);
    return true;
}
#define GRPC_UNTIL(c, cond) FIXTURE_UNTIL((c)->f, grpc_client_turn(c) && (cond))

/* A request's head: `extra` has "name: value" texts, the last of them NULL; one whose name is of
 * those that every call has replaces it, with an empty value it is left out. */
static inline struct grpc_sent *grpc_client_begin(struct grpc_client *c, const char *path,
                                                  const char *const *extra)
{
    static const char *const EACH[][2] = {{":method", "POST"},
                                          {":scheme", "http"},
                                          {":authority", "localhost"},
                                          {"te", "trailers"},
                                          {"content-type", "application/grpc"}};
    nghttp2_nv fields[GRPC_CLIENT_FIELDS];
    char text[GRPC_CLIENT_FIELDS][2][128] = {{{0}}};
    size_t n = 0;
    for (; n < ARRAY_LEN(EACH); n++)
        for (size_t k = 0; k < 2; k++)
            (void) snprintf(text[n][k], sizeof(text[n][k]), "%s", EACH[n][k]);
    (void) snprintf(text[n][0], sizeof(text[n][0]), ":path");
    (void) snprintf(text[n++][1], sizeof(text[n][1]), "%s", path);
    for (; extra != NULL && *extra != NULL; extra++) {
        const char *colon = strstr(*extra, ": ");
        char name[128];
        (void) snprintf(name, sizeof(name), "%.*s", (int) (colon - *extra), *extra);
        size_t at = 0;
        while (at < n && strcmp(text[at][0], name) != 0)
            at++;
        n += at == n;
        assert_true(n <= GRPC_CLIENT_FIELDS);
        (void) snprintf(text[at][0], sizeof(text[at][0]), "%s", name);
        (void) snprintf(text[at][1], sizeof(text[at][1]), "%s", colon + 2);
    }
    size_t n_fields = 0; /* pseudo-fields first */
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n; i++)
            if ((text[i][0][0] == ':') == (pass == 0) && text[i][1][0] != '\0')
                fields[n_fields++] =
                    (nghttp2_nv){(uint8_t *) text[i][0], (uint8_t *) text[i][1], strlen(text[i][0]),
                                 strlen(text[i][1]), NGHTTP2_NV_FLAG_NONE};
    assert_true(c->n_calls < GRPC_CLIENT_CALLS);
    struct grpc_sent *call = &c->calls[c->n_calls++];
    *call = (struct grpc_sent){.status = -1};
    buf_init(&call->out, 4 << 20);
    buf_init(&call->body, CLIENT_MAX);
    const nghttp2_data_provider body = {.read_callback = grpc_client_read};
    call->id = nghttp2_submit_request(c->session, NULL, fields, n_fields, &body, NULL);
    assert_true(call->id > 0);
    return call;
}

static inline void grpc_client_say(struct grpc_client *c, struct grpc_sent *call,
                                   struct slice bytes, bool end)
{
    assert_int_equal(buf_append(&call->out, bytes), 0);
    call->end = end;
    (void) nghttp2_session_resume_data(c->session, call->id);
}

/* A message of the test's methods: one text. */
static inline void grpc_client_put(struct buf *out, const char *text)
{
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    uint8_t prefix[GRPC_PREFIX];
    m.service = (char *) (uintptr_t) text;
    grpc_frame_prefix(protobuf_c_message_get_packed_size(&m.base), prefix);
    assert_int_equal(buf_append(out, slice_of(prefix, sizeof(prefix))), 0);
    assert_int_equal(pb_pack(&m.base, out), 0);
}

static inline void grpc_client_message(struct grpc_client *c, struct grpc_sent *call,
                                       const char *text, bool end)
{
    struct buf bytes;
    buf_init(&bytes, 4 << 20);
    grpc_client_put(&bytes, text);
    grpc_client_say(c, call, buf_slice(&bytes), end);
    buf_fini(&bytes);
}

/* A whole call with one message, and its answer. */
static inline struct grpc_sent *grpc_client_ask(struct grpc_client *c, const char *path,
                                                const char *const *extra, const char *text)
{
    struct grpc_sent *call = grpc_client_begin(c, path, extra);
    grpc_client_message(c, call, text, true);
    GRPC_UNTIL(c, call->closed);
    return call;
}

/* The text of the next message of the answer, which has come; it is taken out of it. */
static inline void grpc_client_text(struct grpc_sent *call, char *ret, size_t cap)
{
    assert_true(call->body.len >= GRPC_PREFIX);
    const uint8_t *p = call->body.data;
    size_t len = (size_t) p[2] << 16 | (size_t) p[3] << 8 | p[4];
    assert_true(call->body.len >= GRPC_PREFIX + len);
    Grpc__Health__V1__HealthCheckRequest *m =
        grpc__health__v1__health_check_request__unpack(NULL, len, p + GRPC_PREFIX);
    assert_non_null(m);
    (void) snprintf(ret, cap, "%s", m->service);
    protobuf_c_message_free_unpacked(&m->base, NULL);
    buf_consume(&call->body, GRPC_PREFIX + len);
}

#endif
