/* broker_fixture.h - the whole broker in a test: webhooks in, the bytes of path logs out, with the
 * real stages between. */
#ifndef TESTS_UNIT_BROKER_FIXTURE_H
#define TESTS_UNIT_BROKER_FIXTURE_H

#include "fixture.h"
#include "pipeline_private.h"

#include <ftw.h>

#define BROADCASTER "api-gateway.websocketBroadcaster"
#define ALL                                                                                        \
    (CONFIG_CREATE_IMAGE | CONFIG_DELETE_IMAGE | CONFIG_CREATE_IMAGE_TAG | CONFIG_DELETE_IMAGE_TAG)
#define TYPE         "application/vnd.docker.distribution.events.v2+json"
#define MAX_TRIGGERS 4

struct broker {
    struct fixture *f; /* its configuration only: no worker runs */
    struct config_trigger triggers[MAX_TRIGGERS];
    struct config_account accounts[2];
    uv_loop_t loop;
    struct mailbox mailbox;
    struct path_table *paths;
    struct metrics metrics;
    struct pipeline *pipeline;
    unsigned wakes[FIXTURE_PATHS];
    struct client seen[FIXTURE_PATHS]; /* .in: what the path's log has got since it was looked at */
    struct pathlog_reader *readers[FIXTURE_PATHS];
    uint64_t cursors[FIXTURE_PATHS];
    struct ingest_call call;
    struct ingest_answer answer;
    unsigned answers, drained;
    bool may_fail;
    int failed;
    char dir[64];                 /* of a journal, "": none */
    const struct engine_ops *ops; /* NULL: as the configuration says */
};
static struct broker *broker; /* of the running test */

static inline void on_wake(void *ctx, struct path *p)
{
    ((struct broker *) ctx)->wakes[p->index]++;
}

static inline void on_answer(struct ingest_call *call, const struct ingest_answer *answer)
{
    assert_ptr_equal(call, &broker->call);
    broker->answer = *answer;
    broker->answers++;
}

static inline struct config_trigger *add_trigger(struct broker *b, size_t path, uint64_t size,
                                                 uint64_t cutoff_ms)
{
    static char names[MAX_TRIGGERS][16], registry[] = "crtregistry000000001",
                                         allowed[] = "aje-allowed";
    char *name = names[b->f->cfg.n_triggers];
    (void) snprintf(name, sizeof(names[0]), "trigger-%zu", b->f->cfg.n_triggers);
    struct config_trigger *t = &b->triggers[b->f->cfg.n_triggers++];
    *t = (struct config_trigger){.name = name,
                                 .event_types.mask = ALL,
                                 .registry_id = registry,
                                 .batch_size = size,
                                 .batch_cutoff_ms = cutoff_ms,
                                 .path = b->f->paths[path].path,
                                 .service_account_id = allowed};
    return t;
}

static inline int setup(void **state)
{
    static char allowed[] = "aje-allowed", denied[] = "aje-denied", role[] = BROADCASTER,
                other[] = "viewer";
    static char *has[] = {other, role}, *lacks[] = {other};
    struct broker *b = xcalloc(1, sizeof(*b));
    b->f = fixture_new();
    b->accounts[0] = (struct config_account){.id = allowed, .roles = {has, 2}};
    b->accounts[1] = (struct config_account){.id = denied, .roles = {lacks, 1}};
    b->f->cfg.triggers = b->triggers;
    b->f->cfg.service_accounts = b->accounts;
    b->f->cfg.n_service_accounts = 2;
    *state = broker = b;
    int r = uv_loop_init(&b->loop);
    return r == 0 ? mailbox_init(&b->mailbox, &b->loop) : r;
}

static inline void on_failed(void *ctx, int err)
{
    struct broker *b = ctx;
    if (!b->may_fail)
        fail_msg("the pipeline failed: %s", err_str(err));
    b->failed = err;
}

static inline void start(struct broker *b)
{
    assert_int_equal(path_table_new(&b->f->cfg, &b->paths), 0);
    for (size_t i = 0; i < FIXTURE_PATHS; i++) {
        struct path *p = path_table_at(b->paths, i);
        p->wake = on_wake;
        p->wake_ctx = b;
        assert_int_equal(pathlog_reader_new(p->log, &b->readers[i]), 0);
        buf_init(&b->seen[i].in, 64 << 20);
    }
    int r =
        b->ops == NULL
            ? pipeline_new(&b->f->cfg, b->paths, &b->metrics, &b->mailbox, &b->pipeline)
            : pipeline_new_on(b->ops, &b->f->cfg, b->paths, &b->metrics, &b->mailbox, &b->pipeline);
    assert_int_equal(r, 0);
    assert_int_equal(pipeline_start(b->pipeline, &b->loop, on_failed, b), 0);
}

static inline int shut(struct broker *b)
{
    pipeline_stop(b->pipeline);
    mailbox_fini(&b->mailbox);
    pipeline_close(b->pipeline);
    (void) uv_run(&b->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&b->loop);
    pipeline_free(b->pipeline);
    for (size_t i = 0; i < FIXTURE_PATHS; i++) {
        pathlog_reader_free(b->readers[i]);
        buf_fini(&b->seen[i].in);
    }
    path_table_free(b->paths);
    return r;
}

static inline int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void) st, (void) flag, (void) f;
    return remove(path);
}

static inline int teardown(void **state)
{
    struct broker *b = *state;
    int r = shut(b);
    if (b->dir[0] != '\0')
        (void) nftw(b->dir, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
    fixture_free(b->f);
    free(b);
    return r;
}

/* The engine with a journal, in a directory of its own. */
static inline void use_journal(struct broker *b)
{
    static char embedded[] = "embedded";
    (void) snprintf(b->dir, sizeof(b->dir), "/tmp/regcast-pipeline-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    b->f->cfg.engine = embedded;
    b->f->cfg.data_dir = b->dir;
    b->f->cfg.gateway.replay_bytes = 1 << 20;
    b->f->cfg.journal.busy_timeout_ms = 200;
    b->f->cfg.journal.max_dead_letters = 100;
}

static inline void restart(struct broker *b)
{
    assert_int_equal(shut(b), 0);
    memset(b->cursors, 0, sizeof(b->cursors));
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_int_equal(mailbox_init(&b->mailbox, &b->loop), 0);
    start(b);
    for (size_t i = 0; i < FIXTURE_PATHS; i++)
        b->cursors[i] = pathlog_tail(path_table_at(b->paths, i)->log);
}

static inline void on_drained(void *arg)
{
    ((struct broker *) arg)->drained++;
}

static inline void drain(struct broker *b)
{
    unsigned before = b->drained;
    pipeline_drain(b->pipeline, on_drained, b);
    assert_int_equal(b->drained, before + 1); /* this engine has nothing to wait for */
}

static inline uint64_t counted(const struct broker *b, enum metric id)
{
    const struct metrics *all[] = {&b->metrics};
    return metrics_get(all, 1, id);
}

/* Posts the push of image number `n` under one tag; a new one gives CreateImage and CreateImageTag.
 */
static inline void send_push(struct broker *b, unsigned n, const char *repository)
{
    char body[1024];
    (void) snprintf(body, sizeof(body),
                    "{\"events\":[{\"action\":\"push\",\"target\":{\"mediaType\":"
                    "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:%064x\","
                    "\"repository\":\"%s\",\"tag\":\"v%u\"}}]}",
                    n, repository, n);
    struct ingest_request req = {.registry_id = slice_str(b->f->registry.id),
                                 .content_type = SLICE_LIT(TYPE),
                                 .body = slice_str(body),
                                 .peer = "127.0.0.1:1"};
    b->call.done = on_answer;
    ingest_post(pipeline_ingest(b->pipeline), &req, &b->call);
}

static inline void post(struct broker *b, unsigned n, const char *repository, unsigned status)
{
    unsigned before = b->answers;
    send_push(b, n, repository);
    assert_int_equal(b->answers, before + 1);
    assert_int_equal(b->answer.status, status);
}

/* Fetches what is new on the path's log. */
static inline void look(struct broker *b, size_t path)
{
    pathlog_enter(b->readers[path]);
    for (;;) {
        struct segment_span span;
        assert_int_equal(pathlog_read(b->readers[path], b->cursors[path], &span), 0);
        if (span.bytes.len == 0)
            break;
        assert_int_equal(buf_append(&b->seen[path].in, span.bytes), 0);
        b->cursors[path] = span.start + span.bytes.len;
    }
    pathlog_leave(b->readers[path]);
}

static inline size_t count_in(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

/* The next message of the path: its text (for free()), whole whatever its frames; NULL: none. */
static inline char *next_message(struct broker *b, size_t path)
{
    struct client *c = &b->seen[path];
    struct received got;
    look(b, path);
    if (!client_peek(c, &got))
        return NULL;
    assert_int_equal(got.opcode, FRAME_TEXT);
    struct buf text;
    buf_init(&text, 1 << 24);
    for (;;) {
        assert_true(got.payload.len <= b->f->paths[path].max_frame_bytes);
        assert_int_equal(buf_append(&text, got.payload), 0);
        bool last = got.fin;
        buf_consume(&c->in, got.size);
        if (last)
            break;
        assert_true(client_peek(c, &got));
        assert_int_equal(got.opcode, 0);
    }
    char *ret = xslicedup(buf_slice(&text));
    buf_fini(&text);
    return ret;
}

/* The next message has exactly these events: "CreateImage v1, CreateImageTag v1, ". */
static inline void expect_message(struct broker *b, size_t path, const char *events)
{
    char *text = next_message(b, path), got[1024] = "";
    if (text == NULL)
        fail_msg("no message with %s", events);
    assert_memory_equal(text, "{\"messages\":[", 13);
    assert_string_equal(text + strlen(text) - 2, "]}");
    for (const char *at = text; (at = strstr(at, "containerregistry.")) != NULL;) {
        at += strlen("containerregistry.");
        const char *tag = strstr(at, "\"tag\":\"");
        assert_non_null(tag);
        tag += strlen("\"tag\":\"");
        (void) snprintf(got + strlen(got), sizeof(got) - strlen(got), "%.*s %.*s, ",
                        (int) strcspn(at, "\""), at, (int) strcspn(tag, "\""), tag);
    }
    assert_string_equal(got, events);
    free(text);
}

static inline void expect_nothing(struct broker *b, size_t path)
{
    char *text = next_message(b, path);
    if (text != NULL)
        fail_msg("a message nobody wanted: %s", text);
}

/* Runs the loop until the condition holds. */
#define BROKER_UNTIL(b, cond)                                                                      \
    do {                                                                                           \
        uint64_t end_ = uv_hrtime() + FIXTURE_DEADLINE_MS * 1000000ull;                            \
        while (!(cond)) {                                                                          \
            if (uv_hrtime() > end_)                                                                \
                fail_msg("%s:%d: never came true: %s", __FILE__, __LINE__, #cond);                 \
            (void) uv_run(&(b)->loop, UV_RUN_ONCE); /* the expiry timer wakes it each second */    \
        }                                                                                          \
    } while (0)

#endif
