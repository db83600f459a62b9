/* Webhooks from the request to the answer: who may post, what is counted, logged and submitted, and
 * that nothing is lost when the events cannot be taken. */
#include "clock.h"
#include "ingest.h"
#include "log.h"
#include "mem.h"
#include "network.h"
#include "record.h"

#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define TYPE   "application/vnd.docker.distribution.events.v2+json"
#define OCI    "application/vnd.oci.image.manifest.v1+json"
#define DIGEST "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define OTHER  "sha256:45d33032d2e088783634054c7fc7ad91d5549dba6eaefbb54f1858b30da36e9f"

#define PUSH(digest, tag)                                                                          \
    "{\"timestamp\":\"2026-11-22T07:50:41.5+03:00\",\"action\":\"push\",\"target\":"               \
    "{\"mediaType\":\"" OCI "\",\"digest\":\"" digest "\",\"repository\":\"app\",\"tag\":\"" tag   \
    "\"}}"
#define DELETE(digest)                                                                             \
    "{\"action\":\"delete\",\"target\":{\"digest\":\"" digest "\",\"repository\":\"app\"}}"
#define PULL         "{\"action\":\"pull\"}"
#define BAD          "{\"action\":17}"
#define BODY(events) "{\"events\":[" events "]}"

/* --- the other side: an engine that does as told, and a caller --- */

struct world {
    struct ingest *in;
    struct metrics metrics;
    /* what the engine shall do */
    int submit_result;
    bool later;   /* call done when the test says so */
    int done_err; /* otherwise, and then, with this */
    /* what it was given */
    struct buf events; /* "CreateImage app v1, " */
    struct buf json;   /* of the last event */
    char last_id[ID_SIZE];
    size_t n_ids, submissions; /* sender ids of the last submission */
    struct buf letters, notes; /* of the last submission */
    uint64_t epoch, now_ms, suspect;
    struct {
        void (*done)(void *arg, int err);
        void *arg;
    } waiting[8];
    size_t n_waiting;
    /* what the caller was told */
    struct ingest_call call;
    struct ingest_answer answer;
    size_t answers;
    char handshake[128]; /* of the last answer */
    int log_fd;
    bool doubled; /* all is for the adapter of this test */
};
static struct world *world; /* of the running test */

static int can_submit(void *ctx)
{
    return ((struct world *) ctx)->submit_result;
}

/* Says something of each, which the event is to keep. */
static bool wanted(void *ctx, struct event *probe)
{
    (void) ctx;
    probe->verdicts = (struct event_verdicts){1, 2, 3};
    return true;
}

static void on_submit(void *ctx, const struct engine_submission *s)
{
    struct world *w = ctx;
    assert_int_equal(w->submit_result, 0);
    for (size_t i = 0; i < s->n; i++) {
        const struct event *e = s->events[i];
        assert_true(strcmp(w->last_id, e->id) < 0);
        assert_int_equal(e->verdicts.passes, 3);
        memcpy(w->last_id, e->id, ID_SIZE);
        assert_int_equal(
            buf_printf(&w->events, "%s %s %s, ", EVENT_TYPES[e->type], e->repository, e->tag), 0);
        buf_clear(&w->json);
        assert_int_equal(buf_append(&w->json, e->json), 0);
    }
    w->n_ids = s->sender_ids.len / SEEN_KEY_SIZE;
    buf_clear(&w->letters);
    assert_int_equal(buf_append(&w->letters, s->letters), 0);
    buf_clear(&w->notes);
    assert_int_equal(buf_append(&w->notes, s->notes), 0);
    w->epoch = s->epoch;
    w->submissions++;
    if (!w->later) {
        s->done(s->arg, w->done_err);
        return;
    }
    assert_true(w->n_waiting < ARRAY_LEN(w->waiting));
    w->waiting[w->n_waiting].done = s->done;
    w->waiting[w->n_waiting++].arg = s->arg;
}

/* The oldest of what waits is safe (or not). */
static void engine_answers(struct world *w, int err)
{
    assert_true(w->n_waiting > 0);
    void (*done)(void *arg, int e) = w->waiting[0].done;
    void *arg = w->waiting[0].arg;
    memmove(&w->waiting[0], &w->waiting[1], --w->n_waiting * sizeof(w->waiting[0]));
    done(arg, err);
}

static uint64_t now_ms(void *ctx)
{
    return ((struct world *) ctx)->now_ms;
}

static bool is_suspect(void *ctx, uint64_t webhook_hash)
{
    const struct world *w = ctx;
    return w->suspect != 0 && webhook_hash == w->suspect;
}

static void on_answer(struct ingest_call *call, const struct ingest_answer *answer)
{
    assert_ptr_equal(call, &world->call);
    world->answer = *answer;
    (void) snprintf(world->handshake, sizeof(world->handshake), "%.*s", (int) answer->handshake.len,
                    (const char *) answer->handshake.data);
    world->answers++;
}

static char ID_OPEN[] = "crtopen", ID_LOCKED[] = "crtlocked", ID_ODD[] = "crtodd";
static char KIND[] = "distribution", TOKEN[] = "s3cret:x";
static char CLOUD[] = "b1gcloud", FOLDER[] = "b1gfolder", NO_KIND[] = "nobody";

/* The secret is 32 times 'k'. */
static char ID_SIGNED[] = "crtsigned",
            SECRET[] = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
static char *SECRETS[] = {SECRET};

static struct config_registry REGISTRIES[] = {
    {.id = ID_OPEN},
    {.id = ID_LOCKED, .kind = KIND, .token = TOKEN},
    {.id = ID_ODD, .kind = NO_KIND},
    {.id = ID_SIGNED,
     .kind = KIND,
     .signature = SIGNATURE_STANDARD,
     .signature_secrets = {.at = SECRETS, .n = 1}},
};
static const struct config CONFIG = {
    .cloud_id = CLOUD,
    .folder_id = FOLDER,
    .dedup = {.window_ms = 3600000, .max_ids = 10000},
    .catalog = {.max_images = 1000, .max_tags = 1000},
    .registries = REGISTRIES,
    .n_registries = ARRAY_LEN(REGISTRIES),
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    buf_init(&w->events, 1 << 24);
    buf_init(&w->json, 1 << 20);
    buf_init(&w->letters, 1 << 20);
    buf_init(&w->notes, 1 << 20);
    w->call.done = on_answer;
    w->log_fd = memfd_create("log", 0);
    assert_true(w->log_fd >= 0);
    log_set_fd(w->log_fd);
    const struct ingest_target target = {.ctx = w,
                                         .can_submit = can_submit,
                                         .wanted = wanted,
                                         .submit = on_submit,
                                         .now_ms = now_ms,
                                         .suspect = is_suspect};
    w->in = ingest_new(&CONFIG, &w->metrics, &target);
    clock_freeze(1000, 1600000000123); /* 2020-09-13T12:26:40.123Z */
    *state = world = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    ingest_free(w->in);
    clock_unfreeze();
    log_set_fd(STDERR_FILENO);
    (void) close(w->log_fd);
    buf_fini(&w->events);
    buf_fini(&w->json);
    buf_fini(&w->letters);
    buf_fini(&w->notes);
    free(w);
    return 0;
}

static struct ingest_request request(const char *registry, const char *body)
{
    return (struct ingest_request){
        .registry_id = slice_str(registry),
        .content_type = slice_str(TYPE),
        .body = slice_str(body),
        .peer = "192.0.2.1:4711",
    };
}

/* A request with this Authorization; "": none. The field's place is the caller's. */
static void authorize(struct ingest_request *req, struct header *field, const char *value)
{
    *field = (struct header){SLICE_LIT("authorization"), slice_str(value)};
    req->headers = (struct headers){field, value[0] == '\0' ? 0 : 1};
}

static void post(struct world *w, const struct ingest_request *req)
{
    size_t before = w->answers;
    buf_clear(&w->events);
    ingest_post(w->in, req, &w->call);
    assert_int_equal(w->answers, before + (w->later ? 0 : 1));
}

static uint64_t counted(const struct world *w, enum metric id)
{
    const struct metrics *all[] = {&w->metrics};
    return metrics_get(all, 1, id);
}

/* What was logged since the last call; valid until the next. */
static const char *logged(struct world *w)
{
    static char text[65536];
    ssize_t n = pread(w->log_fd, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_int_equal(ftruncate(w->log_fd, 0), 0);
    assert_int_equal(lseek(w->log_fd, 0, SEEK_SET), 0);
    return text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

/* --- tests --- */

static void test_check(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *registry, *authorization, *encoding;
        enum refuse want;
    } CASES[] = {
        {"open registry", "crtopen", "", "", REFUSE_NONE},
        {"open registry, a token nobody asked for", "crtopen", "Bearer x", "", REFUSE_NONE},
        {"identity", "crtopen", "", "identity", REFUSE_NONE},
        {"identity in capitals", "crtopen", "", "Identity", REFUSE_NONE},
        {"gzip", "crtopen", "", "gzip", REFUSE_ENCODING},
        {"identity and gzip", "crtopen", "", "identity, gzip", REFUSE_ENCODING},
        {"unknown registry", "crtnone", "Bearer s3cret:x", "", REFUSE_REGISTRY},
        {"start of a registry", "crtope", "", "", REFUSE_REGISTRY},
        {"registry with more behind", "crtopen1", "", "", REFUSE_REGISTRY},
        {"registry in capitals", "CRTOPEN", "", "", REFUSE_REGISTRY},
        {"no registry", "", "", "", REFUSE_REGISTRY},
        {"bearer", "crtlocked", "Bearer s3cret:x", "", REFUSE_NONE},
        {"scheme in another case", "crtlocked", "bEARER  s3cret:x ", "", REFUSE_NONE},
        {"bearer and gzip", "crtlocked", "Bearer s3cret:x", "gzip", REFUSE_ENCODING},
        {"nothing", "crtlocked", "", "", REFUSE_AUTH},
        {"nothing and gzip", "crtlocked", "", "gzip", REFUSE_AUTH},
        {"wrong token", "crtlocked", "Bearer s3cret:y", "", REFUSE_AUTH},
        {"start of the token", "crtlocked", "Bearer s3cret", "", REFUSE_AUTH},
        {"token with more behind", "crtlocked", "Bearer s3cret:xx", "", REFUSE_AUTH},
        {"token in capitals", "crtlocked", "Bearer S3CRET:X", "", REFUSE_AUTH},
        {"no scheme", "crtlocked", "s3cret:x", "", REFUSE_AUTH},
        {"scheme alone", "crtlocked", "Bearer", "", REFUSE_AUTH},
        {"scheme and a space", "crtlocked", "Bearer ", "", REFUSE_AUTH},
        {"scheme with more behind", "crtlocked", "Bearers3cret:x", "", REFUSE_AUTH},
        {"another scheme", "crtlocked", "Digest s3cret:x", "", REFUSE_AUTH},
        {"basic, user:s3cret:x", "crtlocked", "Basic dXNlcjpzM2NyZXQ6eA==", "", REFUSE_NONE},
        {"basic, no user", "crtlocked", "basic OnMzY3JldDp4", "", REFUSE_NONE},
        {"basic, wrong password", "crtlocked", "Basic dXNlcjpzM2NyZXQ6eQ==", "", REFUSE_AUTH},
        {"basic, token as the user", "crtlocked", "Basic czNjcmV0Ong6", "", REFUSE_AUTH},
        {"basic, token without a user", "crtlocked", "Basic czNjcmV0Ong=", "", REFUSE_AUTH},
        {"basic, no colon", "crtlocked", "Basic dXNlcg==", "", REFUSE_AUTH},
        {"basic, not base64", "crtlocked", "Basic s3cret:x", "", REFUSE_AUTH},
        {"basic, empty", "crtlocked", "Basic ", "", REFUSE_AUTH},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct ingest_request req = request(CASES[i].registry, BODY(PULL));
        struct header field;
        authorize(&req, &field, CASES[i].authorization);
        req.content_encoding = slice_str(CASES[i].encoding);
        struct ingest_answer answer = {.status = 0};
        assert_int_equal(ingest_check(w->in, &req, &answer), CASES[i].want);
        assert_int_equal(answer.status,
                         CASES[i].want == REFUSE_NONE ? 0 : refuse_info(CASES[i].want)->answer);

        post(w, &req); /* comes to the same, also for who did not check before */
        assert_int_equal(w->answer.status,
                         CASES[i].want == REFUSE_NONE ? 202 : refuse_info(CASES[i].want)->answer);
        assert_int_equal(w->answer.why, CASES[i].want);
        if (CASES[i].want == REFUSE_AUTH)
            assert_string_equal(w->answer.extra_header, "WWW-Authenticate: Bearer\r\n");
        else
            assert_null(w->answer.extra_header);
        if (CASES[i].want != REFUSE_NONE) {
            char body[64];
            (void) snprintf(body, sizeof(body), "{\"error\":\"%s\"}",
                            refuse_info(CASES[i].want)->name);
            assert_string_equal(w->answer.body, body);
        }
    }
    static char large[70000] = "Bearer ";
    memset(large + 7, 'a', sizeof(large) - 8);
    struct ingest_request req = request("crtlocked", BODY(PULL));
    struct header field;
    authorize(&req, &field, large);
    struct ingest_answer answer;
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_AUTH);
    memcpy(large, "Basic  ", 7);
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_AUTH);
}

/* --- who signs --- */

struct signing {
    char timestamp[24], signature[64];
    struct header fields[3];
};

/* A request signed as of `ago_s` seconds ago. */
static struct ingest_request signed_request(struct signing *s, const char *id, const char *body,
                                            int64_t ago_s)
{
    char text[4096];
    uint8_t mac[32], encoded[48];
    size_t len;
    (void) snprintf(s->timestamp, sizeof(s->timestamp), "%lld",
                    (long long) (clock_wall_ms() / 1000) - (long long) ago_s);
    int n = snprintf(text, sizeof(text), "%s.%s.%s", id, s->timestamp, body);
    assert_int_equal(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
                                     (const uint8_t *) "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", 32,
                                     (const uint8_t *) text, (size_t) n, mac),
                     0);
    assert_int_equal(mbedtls_base64_encode(encoded, sizeof(encoded), &len, mac, sizeof(mac)), 0);
    (void) snprintf(s->signature, sizeof(s->signature), "v1,%s", (const char *) encoded);
    struct ingest_request req = request("crtsigned", body);
    s->fields[0] = (struct header){SLICE_LIT("webhook-id"), slice_str(id)};
    s->fields[1] = (struct header){SLICE_LIT("webhook-timestamp"), slice_str(s->timestamp)};
    s->fields[2] = (struct header){SLICE_LIT("webhook-signature"), slice_str(s->signature)};
    req.headers = (struct headers){s->fields, ARRAY_LEN(s->fields)};
    return req;
}

/* --- whose it is --- */

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
    assert_int_equal(seen_count(ingest_seen(w->in)), 0);
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

/* A certificate alone, and beside a token. */
static void test_certificates(void **state)
{
    static char rule[] = "dns:registry.example";
    static char *rules[] = {rule};
    struct world *w = *state;
    static const struct {
        const char *registry, *name, *authorization;
        enum refuse want;
    } CASES[] = {
        {"crtopen", NULL, "", REFUSE_AUTH},
        {"crtopen", "other.example", "", REFUSE_AUTH},
        {"crtopen", "registry.example", "", REFUSE_NONE},
        {"crtlocked", "registry.example", "", REFUSE_AUTH},
        {"crtlocked", "other.example", "Bearer s3cret:x", REFUSE_AUTH},
        {"crtlocked", NULL, "Bearer s3cret:x", REFUSE_AUTH},
        {"crtlocked", "registry.example", "Bearer s3cret:x", REFUSE_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(REGISTRIES); i++)
        REGISTRIES[i].client_certificates = (struct config_strings){rules, 1};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct san_list *names = san_list_new(UINT64_MAX);
        struct ingest_request req = request(CASES[i].registry, BODY(PULL));
        struct ingest_answer answer;
        if (CASES[i].name != NULL)
            san_list_add(names, SAN_DNS, slice_str(CASES[i].name));
        req.names = CASES[i].name == NULL ? NULL : names;
        struct header field;
        authorize(&req, &field, CASES[i].authorization);
        assert_int_equal(ingest_check(w->in, &req, &answer), CASES[i].want);
        post(w, &req);
        assert_int_equal(w->answer.why, CASES[i].want);
        names->expires_s = 1; /* since long */
        assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_AUTH);
        req.own = true;
        assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_NONE);
        san_list_free(names);
    }
    for (size_t i = 0; i < ARRAY_LEN(REGISTRIES); i++)
        REGISTRIES[i].client_certificates = (struct config_strings){NULL, 0};
}

#define PATH_A "aaaaaaaaaaaaaaaaaaaaaaaa"
#define PATH_B "bbbbbbbbbbbbbbbbbbbbbbbb"

/* A token in the path stands for the id, and for nothing else that is asked for. */
static void test_path_token(void **state)
{
    static char *tokens[] = {PATH_A, PATH_B};
    struct world *w = *state;
    static const struct {
        const char *registry, *path_token, *authorization;
        enum refuse want;
        const char *named; /* the registry in the log */
    } CASES[] = {
        {"", PATH_A, "", REFUSE_NONE, "crtopen"},
        {"", PATH_B, "", REFUSE_AUTH, "crtlocked"},
        {"", PATH_B, "Bearer s3cret:x", REFUSE_NONE, "crtlocked"},
        {"", "cccccccccccccccccccccccc", "Bearer s3cret:x", REFUSE_NOT_FOUND, ""},
        {"", "aaaaaaaaaaaaaaaaaaaaaaa", "", REFUSE_NOT_FOUND, ""},
        {"", "crtopen", "", REFUSE_NOT_FOUND, ""},
        {"crtopen", "", "", REFUSE_AUTH, "crtopen"}, /* the id is no secret */
        {"crtlocked", "", "Bearer s3cret:x", REFUSE_NONE, "crtlocked"},
        {PATH_A, "", "", REFUSE_REGISTRY, PATH_A},
    };
    for (size_t i = 0; i < 2; i++)
        REGISTRIES[i].path_tokens = (struct config_strings){&tokens[i], 1};
    ingest_configure(w->in, &CONFIG);
    (void) logged(w);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct ingest_request req = request(CASES[i].registry, BODY(PULL));
        struct ingest_answer answer;
        struct header field;
        char named[80];
        req.path_token = slice_str(CASES[i].path_token);
        authorize(&req, &field, CASES[i].authorization);
        assert_int_equal(ingest_check(w->in, &req, &answer), CASES[i].want);
        post(w, &req);
        assert_int_equal(w->answer.why, CASES[i].want);
        const char *log = logged(w);
        (void) snprintf(named, sizeof(named), "\"registry\":\"%s\"", CASES[i].named);
        assert_non_null(strstr(log, named));
        if (CASES[i].path_token[0] != '\0' && strcmp(CASES[i].path_token, "crtopen") != 0)
            assert_null(strstr(log, CASES[i].path_token));
    }
    for (size_t i = 0; i < 2; i++)
        REGISTRIES[i].path_tokens = (struct config_strings){NULL, 0};
}

static void test_networks(void **state)
{
    static char *networks[] = {"192.0.2.0/24", "2001:db8::/32"};
    struct world *w = *state;
    static const struct {
        const char *registry, *address, *authorization;
        enum refuse want;
    } CASES[] = {
        {"crtopen", "192.0.2.255", "", REFUSE_NONE},
        {"crtopen", "2001:db8::1", "", REFUSE_NONE},
        {"crtopen", "192.0.3.0", "", REFUSE_SOURCE},
        {"crtopen", "2001:db9::1", "", REFUSE_SOURCE},
        {"crtopen", NULL, "", REFUSE_SOURCE},
        {"crtlocked", "192.0.2.1", "", REFUSE_AUTH}, /* one does not stand for the other */
        {"crtlocked", "192.0.3.1", "Bearer s3cret:x", REFUSE_SOURCE},
        {"crtlocked", "192.0.2.1", "Bearer s3cret:x", REFUSE_NONE},
    };
    for (size_t i = 0; i < 2; i++)
        REGISTRIES[i].allowed_from = (struct config_strings){networks, ARRAY_LEN(networks)};
    ingest_configure(w->in, &CONFIG);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct ingest_request req = request(CASES[i].registry, BODY(PULL));
        struct ingest_answer answer;
        struct in6_addr address;
        struct header field;
        if (CASES[i].address != NULL)
            assert_true(network_parse_address(slice_str(CASES[i].address), &address));
        req.address = CASES[i].address == NULL ? NULL : &address;
        authorize(&req, &field, CASES[i].authorization);
        assert_int_equal(ingest_check(w->in, &req, &answer), CASES[i].want);
        if (CASES[i].want == REFUSE_SOURCE)
            assert_int_equal(answer.status, 403);
        post(w, &req);
        assert_int_equal(w->answer.why, CASES[i].want);
    }
    for (size_t i = 0; i < 2; i++)
        REGISTRIES[i].allowed_from = (struct config_strings){NULL, 0};
}

static void test_signed(void **state)
{
    struct world *w = *state;
    struct signing s;
    struct ingest_request req = signed_request(&s, "msg_1", BODY(PUSH(DIGEST, "v1")), 0);
    struct ingest_answer answer;
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_NONE);
    req.body = SLICE_LIT(BODY(PUSH(DIGEST, "v2")));
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_NONE); /* it knows no body */
    post(w, &req);
    assert_int_equal(w->answer.status, 401);
    assert_string_equal(w->answer.body, "{\"error\":\"signature\"}");
    assert_string_equal(w->answer.extra_header, "WWW-Authenticate: Signature\r\n");
    req = signed_request(&s, "msg_1", BODY(PUSH(DIGEST, "v1")), 302);
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_TIMESTAMP);
    assert_string_equal(answer.body, "{\"error\":\"timestamp\"}");
    post(w, &req);
    assert_int_equal(w->answer.status, 401);
    assert_int_equal(w->submissions, 0);
    req.own = true; /* an operator's */
    post(w, &req);
    assert_int_equal(w->answer.status, 202);
}

/* The same delivery again says nothing, whatever its events have for ids; one that was refused
 * does.
 */
static void test_repeated_delivery(void **state)
{
    struct world *w = *state;
    static const char AGAIN[] = "{\"accepted\":0,\"ignored\":0,\"duplicates\":1}";
    static const char FIRST[] = "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}";
    struct signing s;
    struct ingest_request req = signed_request(&s, "msg_1", BODY(PUSH(DIGEST, "v1")), 0);
    w->done_err = -EIO;
    post(w, &req);
    assert_int_equal(w->answer.status, 503);
    w->done_err = 0;
    post(w, &req);
    assert_string_equal(w->answer.body, FIRST);
    assert_int_equal(w->n_ids, 1);
    for (int64_t ago_s = 0; ago_s < 3; ago_s++) { /* sent again, signed anew */
        req = signed_request(&s, "msg_1", BODY(PUSH(OTHER, "v1")), ago_s);
        post(w, &req);
        assert_int_equal(w->answer.status, 202);
        assert_string_equal(w->answer.body, AGAIN);
        assert_int_equal(w->events.len, 0);
    }
    assert_int_equal(counted(w, M_WEBHOOK_DUPLICATE), 3);
    req = signed_request(&s, "msg_2", BODY(PUSH(OTHER, "v1")), 0);
    post(w, &req);
    assert_string_equal(w->answer.body, FIRST);
}

/* What was set aside of one delivery comes back letter by letter, each with the headers of the
 * delivery, which is known. */
static void test_letters_of_one_delivery(void **state)
{
    struct world *w = *state;
    static const char *const EVENTS[] = {BODY(PUSH(DIGEST, "v1")), BODY(PUSH(OTHER, "v2"))};
    struct signing s;
    struct ingest_request req = signed_request(&s, "msg_1", "{\"events\":[{},{}]}", 0);
    post(w, &req);
    assert_string_equal(w->answer.body,
                        "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":2}");
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++) {
        req = signed_request(&s, "msg_1", EVENTS[i], 0);
        req.own = true;
        post(w, &req);
        assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");
    }
}

static void test_counts(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *registry, *content_type, *body;
        const char *answer, *events;
        unsigned accepted, ignored, set_aside;
    } CASES[] = {
        {"new image", "crtopen", TYPE, BODY(PUSH(DIGEST, "v1")),
         "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}",
         "CreateImage app v1, CreateImageTag app v1, ", 1, 0, 0},
        {"the same again", "crtopen", TYPE, BODY(PUSH(DIGEST, "v1")),
         "{\"accepted\":0,\"ignored\":1,\"duplicates\":0}", "", 0, 1, 0},
        {"the same in another registry", "crtlocked", TYPE, BODY(PUSH(DIGEST, "v1")),
         "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}",
         "CreateImage app v1, CreateImageTag app v1, ", 1, 0, 0},
        {"a bit of everything", "crtopen", TYPE,
         BODY(PULL "," BAD "," PUSH(DIGEST, "v2") "," PULL "," PUSH(OTHER, "v1") "," DELETE(
             "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")),
         "{\"accepted\":2,\"ignored\":3,\"duplicates\":0,\"set_aside\":1}",
         "CreateImageTag app v2, CreateImage app v1, DeleteImageTag app v1, "
         "CreateImageTag app v1, ",
         2, 3, 1},
        {"delete", "crtopen", TYPE, BODY(DELETE(DIGEST)),
         "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}",
         "DeleteImage app , DeleteImageTag app v2, ", 1, 0, 0},
        {"no events", "crtopen", TYPE, BODY(""), "{\"accepted\":0,\"ignored\":0,\"duplicates\":0}",
         "", 0, 0, 0},
        {"broken", "crtopen", TYPE, "{\"events\":[{",
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
        {"empty", "crtopen", TYPE, "",
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
        {"charset", "crtopen", TYPE "; charset=utf-16", BODY(PULL),
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
        {"nobody's", "crtopen", "text/plain", BODY(PULL),
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
        {"declared, so the type does not matter", "crtlocked", "text/plain", BODY(PULL),
         "{\"accepted\":0,\"ignored\":1,\"duplicates\":0}", "", 0, 1, 0},
        {"a kind that is not built", "crtodd", TYPE, BODY(PULL),
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct ingest_request req = request(CASES[i].registry, CASES[i].body);
        req.content_type = slice_str(CASES[i].content_type);
        struct header field;
        authorize(&req, &field, "Bearer s3cret:x");
        uint64_t accepted = counted(w, M_WEBHOOK_ACCEPTED), ignored = counted(w, M_WEBHOOK_IGNORED);
        uint64_t set_aside = counted(w, M_WEBHOOK_SET_ASIDE);
        post(w, &req);
        assert_int_equal(w->answer.status, 202);
        assert_int_equal(w->answer.retry_after_s, 0);
        assert_string_equal(w->answer.body, CASES[i].answer);
        if (!slice_eq_str(buf_slice(&w->events), CASES[i].events))
            fail_msg("events: %.*s", (int) w->events.len, (const char *) w->events.data);
        assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED) - accepted, CASES[i].accepted);
        assert_int_equal(counted(w, M_WEBHOOK_IGNORED) - ignored, CASES[i].ignored);
        assert_int_equal(counted(w, M_WEBHOOK_SET_ASIDE) - set_aside, CASES[i].set_aside);

        const char *log = logged(w);
        assert_int_equal(count_of(log, "\"msg\":\"answered\""), 1);
        assert_int_equal(count_of(log, "\"msg\":\"set aside\""), CASES[i].set_aside);
        assert_int_equal(count_of(log, "\n"), 1 + CASES[i].set_aside);
        char numbers[256];
        (void) snprintf(
            numbers, sizeof(numbers),
            "\"registry\":\"%s\",\"peer\":\"192.0.2.1:4711\",\"status\":202,"
            "\"bytes\":%zu,\"accepted\":%u,\"ignored\":%u,\"duplicates\":0,\"set_aside\":%u,"
            "\"duration_us\":0",
            CASES[i].registry, req.body.len, CASES[i].accepted, CASES[i].ignored,
            CASES[i].set_aside);
        if (strstr(log, numbers) == NULL)
            fail_msg("%s not in: %s", numbers, log);
    }
    uint64_t observed = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        observed += atomic_load(&w->metrics.histogram[H_WEBHOOK].bucket[i]);
    assert_int_equal(observed, ARRAY_LEN(CASES));
}

static void test_event_contents(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *body, *trace, *want; /* want: part of the JSON */
    } CASES[] = {
        {"the sender's time", BODY(PUSH(DIGEST, "v1")), "",
         "{\"event_metadata\":{\"cloud_id\":\"b1gcloud\",\"created_at\":\"2026-11-22T04:50:41."
         "5Z\""},
        {"time of receipt", BODY(DELETE(DIGEST)), "",
         "\"created_at\":\"2020-09-13T12:26:40.123Z\""},
        {"repository", BODY(PUSH(DIGEST, "v1")), "",
         "\"registry_id\":\"crtopen\",\"repository_name\":\"crtopen/app\",\"tag\":\"v1\""},
        {"no trace", BODY(PUSH(DIGEST, "v2")), "",
         "{\"parent_span_id\":\"\",\"span_id\":\"\",\"trace_id\":\"\"}"},
        {"trace", BODY(PUSH(DIGEST, "v3")),
         "00-0af7651916cd43dd8448eb211c80319c-00000000000000ff-01",
         "\"tracing_context\":{\"parent_span_id\":\"255\",\"span_id\":\""},
        {"malformed trace", BODY(PUSH(DIGEST, "v4")), "00-xyz", "\"trace_id\":\"\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct ingest_request req = request("crtopen", CASES[i].body);
        req.traceparent = slice_str(CASES[i].trace);
        post(w, &req);
        if (memmem(w->json.data, w->json.len, CASES[i].want, strlen(CASES[i].want)) == NULL)
            fail_msg("%.*s", (int) w->json.len, (const char *) w->json.data);
    }
}

/* Refused events come again, and then they must yield what they would have yielded. */
static void test_not_taken(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name;
        int submit_result, done_err;
        unsigned retry_after_s;
        enum refuse why;
    } CASES[] = {
        {"overload", -EAGAIN, 0, 1, REFUSE_OVERLOAD},
        {"the journal has failed", -EIO, 0, 1, REFUSE_JOURNAL},
        {"not safe, known at once", 0, -EIO, 5, REFUSE_JOURNAL},
        {"a full disk", 0, -ENOSPC, 5, REFUSE_DISK_FULL},
        {"a lock that is not given up", 0, -EBUSY, 5, REFUSE_JOURNAL},
    };
    struct ingest_request first = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    struct ingest_request move = request("crtopen", BODY(PULL "," BAD "," PUSH(OTHER, "v1")));
    post(w, &first);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        w->submit_result = CASES[i].submit_result;
        w->done_err = CASES[i].done_err;
        uint64_t before = counted(w, M_WEBHOOK_ACCEPTED);
        for (int again = 0; again < 3; again++) {
            post(w, &move);
            assert_int_equal(w->answer.status, 503);
            assert_int_equal(w->answer.why, CASES[i].why);
            assert_int_equal(w->answer.retry_after_s, CASES[i].retry_after_s);
            char body[64];
            (void) snprintf(body, sizeof(body), "{\"error\":\"%s\"}",
                            refuse_info(CASES[i].why)->name);
            assert_string_equal(w->answer.body, body);
        }
        assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED), before);
        assert_int_equal(counted(w, M_WEBHOOK_SET_ASIDE), 0);
    }
    w->submit_result = 0;
    w->done_err = 0;
    post(w, &move);
    assert_int_equal(w->answer.status, 202);
    assert_true(slice_eq_str(buf_slice(&w->events),
                             "CreateImage app v1, DeleteImageTag app v1, CreateImageTag app v1, "));
}

static void test_answer_later(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *body;
        int err;
        unsigned status;
    } CASES[] = {
        {"safe", BODY(PUSH(DIGEST, "v1")), 0, 202},
        {"not safe", BODY(PUSH(DIGEST, "v2")), -EIO, 503},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        size_t before = w->answers;
        w->later = true;
        struct ingest_request req = request("crtopen", CASES[i].body);
        post(w, &req);
        w->later = false;
        (void) logged(w);
        engine_answers(w, CASES[i].err); /* the request is gone by now */
        assert_int_equal(w->answers, before + 1);
        assert_int_equal(w->answer.status, CASES[i].status);
        const char *log = logged(w);
        assert_int_equal(count_of(log, "\"msg\":\"answered\""), 1);
        assert_int_equal(count_of(log, "\"registry\":\"crtopen\",\"peer\":\"192.0.2.1:4711\""), 1);
    }
}

static void test_no_memory(void **state)
{
    struct world *w = *state;
    struct ingest_request pull = request("crtopen", BODY(PULL));
    struct ingest_request push = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    unsigned n = 1; /* the envelope needs the same of both, so then comes the list of events */
    for (;; n++) {
        mem_fail_at(n);
        post(w, &pull);
        mem_fail_at(0);
        if (w->answer.status == 202)
            break;
        assert_int_equal(w->answer.status, 503);
        assert_string_equal(w->answer.body, "{\"error\":\"overload\"}");
    }
    assert_true(n > 1);
    for (; n > 0; n--) {
        mem_fail_at(n);
        post(w, &push);
        mem_fail_at(0);
        assert_int_equal(w->answer.status, 503);
    }
    post(w, &push);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImage app v1, CreateImageTag app v1, "));
}

/* The caller goes on with the connection's next request from inside done(). */
static void post_again(struct ingest_call *call, const struct ingest_answer *answer)
{
    on_answer(call, answer);
    if (world->answers > 1)
        return;
    world->submit_result = -EAGAIN;
    struct ingest_request req = request("crtopen", BODY(PUSH(OTHER, "v1")));
    ingest_post(world->in, &req, call);
}

static void test_post_inside_done(void **state)
{
    struct world *w = *state;
    struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    w->call.done = post_again;
    ingest_post(w->in, &req, &w->call);
    assert_int_equal(w->answers, 2);
    assert_int_equal(w->answer.status, 503);
    w->call.done = on_answer;
    w->submit_result = 0;
    post(w, &req); /* the first one was taken for good, the second was not */
    assert_string_equal(w->answer.body, "{\"accepted\":0,\"ignored\":1,\"duplicates\":0}");
    assert_int_equal(w->events.len, 0);
}

static void test_set_aside_log(void **state)
{
    struct world *w = *state;
    struct buf body;
    buf_init(&body, 1 << 20);
    assert_int_equal(buf_append_str(&body, "{\"events\":[" PUSH(DIGEST, "v1")), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_printf(&body, ",{\"x\":\"\x1b[31m%0999d\"}", i), 0);
    assert_int_equal(buf_append_str(&body, "]}"), 0);
    struct ingest_request req = request("crtopen", "");
    req.body = buf_slice(&body);
    post(w, &req);
    assert_string_equal(w->answer.body,
                        "{\"accepted\":1,\"ignored\":0,\"duplicates\":0,\"set_aside\":1000}");
    const char *log = logged(w);
    assert_int_equal(count_of(log, "\"msg\":\"set aside\""), 10);
    assert_int_equal(count_of(log, "\"reason\":\"control\""), 10);
    assert_int_equal(count_of(log, "\x1b"), 0);
    assert_true(strlen(log) < 10 * 700 + 500);
    buf_fini(&body);
}

/* --- duplicates --- */

#define PUSH_ID(id, digest, tag)                                                                   \
    "{\"id\":\"" id "\",\"action\":\"push\",\"target\":{\"mediaType\":\"" OCI                      \
    "\",\"digest\":\"" digest "\",\"repository\":\"app\",\"tag\":\"" tag "\"}}"

static void test_duplicates(void **state)
{
    struct world *w = *state;
    struct ingest_request req =
        request("crtopen", BODY(PUSH_ID("a", DIGEST, "v1") "," PUSH_ID("a", DIGEST, "v2")));
    post(w, &req); /* twice in one envelope */
    assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":1}");
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImage app v1, CreateImageTag app v1, "));
    assert_int_equal(w->n_ids, 1);
    post(w, &req);
    assert_string_equal(w->answer.body, "{\"accepted\":0,\"ignored\":0,\"duplicates\":2}");
    assert_int_equal(w->events.len, 0);
    assert_int_equal(counted(w, M_WEBHOOK_DUPLICATE), 3);

    struct ingest_request other = request("crtlocked", BODY(PUSH_ID("a", DIGEST, "v1")));
    struct header field;
    authorize(&other, &field, "Bearer s3cret:x");
    post(w, &other); /* the same id of another registry is another event */
    assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");

    w->now_ms += CONFIG.dedup.window_ms + 1;
    struct ingest_request moved = request("crtopen", BODY(PUSH_ID("a", OTHER, "v1")));
    post(w, &moved); /* after the window it is a new one */
    assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");
}

/* What is not safe yet may be lost yet: its duplicate waits for the same answer. */
static void test_duplicate_waits(void **state)
{
    struct world *w = *state;
    struct ingest_request req = request("crtopen", BODY(PUSH_ID("a", DIGEST, "v1")));
    struct ingest_request pull = request("crtopen", BODY(PULL));
    w->later = true;
    post(w, &req);
    post(w, &req);
    assert_int_equal(w->n_waiting, 2);
    ingest_post(w->in, &pull, &w->call); /* depends on nothing */
    assert_int_equal(w->answers, 1);
    engine_answers(w, -ENOSPC);
    engine_answers(w, -EAGAIN);
    assert_int_equal(w->answers, 3);
    assert_int_equal(w->answer.status, 503);
    assert_int_equal(counted(w, M_WEBHOOK_DUPLICATE), 0); /* it comes again and is counted then */
    w->later = false;
    post(w, &req); /* after the refusal it is new again */
    assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");
}

/* Several under way, the second is refused: the first stays, all later ones come again, and what
 * was derived on top of them is derived anew. */
static void test_epochs(void **state)
{
    struct world *w = *state;
    struct ingest_request first = request("crtopen", BODY(PUSH_ID("1", DIGEST, "v1")));
    struct ingest_request second = request("crtopen", BODY(PUSH_ID("2", OTHER, "v1")));
    struct ingest_request third = request("crtopen", BODY(PUSH_ID("3", OTHER, "v2")));
    w->later = true;
    post(w, &first);
    uint64_t epoch = w->epoch;
    post(w, &second);
    post(w, &third);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImageTag app v2, "));
    assert_int_equal(w->epoch, epoch);
    engine_answers(w, 0);
    engine_answers(w, -ENOSPC);
    post(w, &second); /* the next epoch begins while one of the last still waits */
    assert_int_equal(w->epoch, epoch + 1);
    assert_true(slice_eq_str(buf_slice(&w->events),
                             "CreateImage app v1, DeleteImageTag app v1, CreateImageTag app v1, "));
    engine_answers(w, -EAGAIN); /* the third: nothing of the new epoch is undone */
    engine_answers(w, 0);
    w->later = false;
    post(w, &third);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImageTag app v2, "));
    assert_int_equal(w->answers, 5);
    assert_int_equal(catalog_images(ingest_catalog(w->in)), 2);
    assert_int_equal(catalog_tags(ingest_catalog(w->in)), 2);
}

/* The sender has lost patience with a webhook under way and sends it again, just when an earlier
 * one has been refused and with it all of the epoch: what was not taken is nobody's duplicate. */
static void test_again_after_refusal(void **state)
{
    struct world *w = *state;
    struct ingest_request first = request("crtopen", BODY(PUSH_ID("1", DIGEST, "v1")));
    struct ingest_request second = request("crtopen", BODY(PUSH_ID("2", OTHER, "v2")));
    w->later = true;
    post(w, &first);
    post(w, &second);
    engine_answers(w, -ENOSPC);
    post(w, &second);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImage app v2, CreateImageTag app v2, "));
    engine_answers(w, -EAGAIN); /* the first try of the second: takes nothing back from the next */
    engine_answers(w, 0);
    assert_int_equal(w->answer.status, 202);
    w->later = false;
    post(w, &second);
    assert_string_equal(w->answer.body, "{\"accepted\":0,\"ignored\":0,\"duplicates\":1}");
}

/* One that is refused before it is under way takes nothing back of those that are. */
static void test_refused_at_once(void **state)
{
    struct world *w = *state;
    struct ingest_request first = request("crtopen", BODY(PUSH_ID("1", DIGEST, "v1")));
    struct ingest_request second = request("crtopen", BODY(PUSH_ID("2", OTHER, "v2")));
    w->later = true;
    post(w, &first);
    uint64_t epoch = w->epoch;
    w->later = false;
    w->done_err = -ENOMEM;
    post(w, &second);
    assert_int_equal(w->answer.status, 503);
    w->done_err = 0;
    engine_answers(w, 0);
    assert_int_equal(w->answer.status, 202);
    assert_int_equal(catalog_images(ingest_catalog(w->in)), 1);
    assert_int_equal(catalog_tags(ingest_catalog(w->in)), 1);
    post(w, &second);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImage app v2, CreateImageTag app v2, "));
    assert_int_equal(w->epoch, epoch);
}

/* What changes nothing because of what is under way waits for that. */
static void test_ignored_waits(void **state)
{
    struct world *w = *state;
    struct ingest_request push = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    w->later = true;
    post(w, &push);
    post(w, &push); /* has no id */
    assert_int_equal(w->n_waiting, 2);
    engine_answers(w, -ENOSPC);
    engine_answers(w, -EAGAIN);
    assert_int_equal(w->answers, 2);
    assert_int_equal(w->answer.status, 503);
}

/* --- dead letters --- */

static void test_letters(void **state)
{
    struct world *w = *state;
    struct record_letter letter;
    struct ingest_request req = request("crtopen", BODY(PULL "," BAD "," PUSH(DIGEST, "v1")));
    const struct header fields[] = {{SLICE_LIT("Authorization"), SLICE_LIT("Bearer s3cret:x")},
                                    {SLICE_LIT("Content-Type"), SLICE_LIT(TYPE)}};
    req.headers = (struct headers){fields, ARRAY_LEN(fields)};
    post(w, &req);
    struct slice letters = buf_slice(&w->letters);
    assert_int_equal(record_next_letter(&letters, &letter), 0);
    assert_int_equal(letters.len, 0);
    assert_string_equal(letter.registry_id, "crtopen");
    assert_true(slice_eq_str(letter.body, BAD));
    assert_true(slice_eq_str(letter.headers, "Content-Type: " TYPE "\r\n"));
    assert_int_equal(counted(w, M_DEAD_LETTERS), 1);
    post(w, &req); /* the push is known by now, but the bad one is bad again */
    assert_int_equal(counted(w, M_DEAD_LETTERS), 2);
    assert_int_equal(w->submissions, 2);
}

static void test_suspect(void **state)
{
    struct world *w = *state;
    struct record_letter letter;
    struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    w->suspect = trial_hash("crtopen", req.body);
    post(w, &req);
    assert_string_equal(w->answer.body,
                        "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}");
    assert_int_equal(w->events.len, 0);
    struct slice letters = buf_slice(&w->letters);
    assert_int_equal(record_next_letter(&letters, &letter), 0);
    assert_true(slice_eq(letter.body, req.body));
}

/* What goes to the disk rebuilds the catalog. */
static void test_notes(void **state)
{
    struct world *w = *state;
    struct ingest_request push = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    struct ingest_request move = request("crtopen", BODY(PUSH(OTHER, "v1")));
    struct catalog_note note;
    post(w, &push);
    struct slice notes = buf_slice(&w->notes);
    assert_int_equal(record_next_note(&notes, &note), 0);
    assert_int_equal(note.kind, NOTE_IMAGE);
    assert_string_equal(note.digest, DIGEST);
    assert_int_equal(record_next_note(&notes, &note), 0);
    assert_int_equal(note.kind, NOTE_TAG);
    assert_string_equal(note.name, "v1");
    assert_int_equal(notes.len, 0);
    post(w, &move);
    notes = buf_slice(&w->notes);
    unsigned kinds = 0;
    while (notes.len > 0) {
        assert_int_equal(record_next_note(&notes, &note), 0);
        kinds |= 1u << note.kind;
    }
    assert_int_equal(kinds, 1u << NOTE_IMAGE | 1u << NOTE_TAG | 1u << NOTE_TAG_GONE);
}

/* What happened before what is known already is told as far as it is news, and counted. */
/* What tells no time happened when it came, and not when an operator posts it again. */
static void test_old_letters(void **state)
{
    struct world *w = *state;
    char then[CLOCK_RFC3339_SIZE];
    struct ingest_request req = request("crtopen", BODY(PUSH_ID("e1", OTHER, "v1")));
    post(w, &req);
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 0);
    req = request("crtopen", BODY(PUSH_ID("e2", DIGEST, "v1")));
    req.own = true;
    req.received_ms = clock_wall_ms() - 3600000;
    clock_rfc3339(req.received_ms, then);
    post(w, &req);
    assert_int_equal(w->answer.status, 202);
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 1); /* the tag is another image's by now */
    assert_int_equal(catalog_images(ingest_catalog(w->in)), 2);
    assert_int_equal(catalog_tags(ingest_catalog(w->in)), 1);
    assert_non_null(memmem(w->json.data, w->json.len, then, strlen(then)));
}

static void test_late_changes(void **state)
{
    struct world *w = *state;
    static const char EARLIER[] =
        "{\"events\":[{\"timestamp\":\"2020-09-13T12:00:00Z\",\"action\":\"push\",\"target\":"
        "{\"mediaType\":\"" OCI "\",\"digest\":\"" OTHER "\",\"repository\":\"app\","
        "\"tag\":\"v1\"}}]}";
    struct ingest_request push = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    struct ingest_request late = request("crtopen", EARLIER);
    post(w, &push); /* its time is in the future: it counts as now */
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 0);
    assert_null(strstr(logged(w), "\"stale\":"));
    post(w, &late);
    assert_int_equal(w->answer.status, 202);
    assert_non_null(strstr(logged(w), "\"set_aside\":0,\"stale\":1,"));
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 1);
    assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED), 2); /* the image is new */
    assert_int_equal(catalog_images(ingest_catalog(w->in)), 2);
    assert_int_equal(catalog_tags(ingest_catalog(w->in)), 1);
    post(w, &late);
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 2);
    assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handshake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kind_is_logged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_looks_like_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kind_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_networks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated_delivery, setup, teardown),
        cmocka_unit_test_setup_teardown(test_letters_of_one_delivery, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_event_contents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_post_inside_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_aside_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_duplicate_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_epochs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again_after_refusal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ignored_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_letters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suspect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_notes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_letters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_changes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
