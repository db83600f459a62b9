/* embedded.h - an embedded engine in a directory of the test's own, with the loop, mailbox and
 * paths it needs, and what it called back. */
#ifndef TESTS_UNIT_EMBEDDED_H
#define TESTS_UNIT_EMBEDDED_H

#include "engine.h"
#include "log.h"
#include "mem.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EMBEDDED_DEADLINE_MS 8000
#define EMBEDDED_SENDER      "0123456789abcdef" /* one sender id of 16 bytes */

struct embedded {
    char dir[64];
    const char *copy_dir; /* NULL: it is no copy */
    struct config cfg;
    struct config_path paths[2];
    uv_loop_t loop;
    struct mailbox mailbox;
    struct metrics metrics;
    struct path_table *table;
    struct engine *engine;
    struct catalog *catalog;
    struct seen *known;
    struct id_gen ids;
    uint64_t old_seq[2];
    /* what was called back, in order: "done=0 event 1 again 2 deliver first-last@/ " */
    char said[65536];
    size_t n_done, n_delivered, n_events, n_settled;
    uint64_t last_position;
    int failed;
};

static inline void embedded_say(struct embedded *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static inline void embedded_say(struct embedded *m, const char *fmt, ...)
{
    size_t len = strlen(m->said);
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(m->said + len, sizeof(m->said) - len, fmt, args);
    va_end(args);
}

static inline void embedded_on_events(void *ctx, struct event *const *events, size_t n, bool again)
{
    struct embedded *m = ctx;
    for (size_t i = 0; i < n; i++)
        embedded_say(m, "%s %llu ", again ? "again" : "event", (unsigned long long) events[i]->seq);
    m->n_events += n;
}

static inline int embedded_on_deliver(void *ctx, const struct engine_batch *b)
{
    struct embedded *m = ctx;
    embedded_say(m, "deliver %s ", b->path->cfg->path);
    assert_int_equal(pathlog_append_at(b->path->log, b->position, b->frames, 1), 0);
    m->last_position = b->position;
    m->n_delivered++;
    return 0;
}

static inline void embedded_on_delivered(void *ctx)
{
    (void) ctx;
}

static inline void embedded_on_failed(void *ctx, int err)
{
    ((struct embedded *) ctx)->failed = err;
}

static inline void embedded_on_done(void *arg, int err)
{
    struct embedded *m = arg;
    embedded_say(m, "done=%d ", err);
    m->n_done++;
}

static inline struct embedded *embedded_new(void)
{
    static char root[] = "/", builds[] = "/builds", engine[] = "embedded";
    struct embedded *m = xcalloc(1, sizeof(*m));
    log_set_level(LOG_N_LEVELS);
    (void) snprintf(m->dir, sizeof(m->dir), "/tmp/regcast-engine-XXXXXX");
    assert_non_null(mkdtemp(m->dir));
    for (size_t i = 0; i < 2; i++)
        m->paths[i] = (struct config_path){.path = i == 0 ? root : builds,
                                           .max_message_bytes = 131072,
                                           .max_frame_bytes = 32768,
                                           .max_lag_bytes = 1 << 20,
                                           .max_lag_ms = 60000,
                                           .history_count = 100000,
                                           .history_bytes = 64 << 20,
                                           .history_ms = 3600000,
                                           .memory_bytes = 16 << 20};
    m->cfg.engine = engine;
    m->cfg.data_dir = m->dir;
    m->cfg.gateway.paths = m->paths;
    m->cfg.gateway.n_paths = 2;
    m->cfg.gateway.replay_bytes = 1 << 20;
    m->cfg.journal.busy_timeout_ms = 200;
    m->cfg.journal.max_dead_letters = 100;
    m->cfg.dedup.window_ms = 3600000;
    m->cfg.dedup.max_ids = 1000;
    return m;
}

/* Opens the engine, as a start of the program does. `trigger_ids` of n triggers, at most 2. */
static inline void embedded_open_with(struct embedded *m, const char *const *trigger_ids, size_t n,
                                      void (*record)(void *, const struct engine_record *))
{
    assert_int_equal(uv_loop_init(&m->loop), 0);
    assert_int_equal(mailbox_init(&m->mailbox, &m->loop), 0);
    assert_int_equal(path_table_new(&m->cfg, &m->table), 0);
    const struct engine_options options = {
        .cfg = &m->cfg,
        .paths = m->table,
        .metrics = &m->metrics,
        .mailbox = &m->mailbox,
        .cb = {m, embedded_on_events, embedded_on_deliver, embedded_on_delivered,
               embedded_on_failed},
        .copy_dir = m->copy_dir,
    };
    m->said[0] = '\0';
    m->n_done = m->n_delivered = m->n_events = 0;
    assert_int_equal(ENGINE_EMBEDDED.open(&options, &m->engine), 0);
    m->catalog = catalog_new(1000, 1000, 3600000);
    m->known = seen_new(1000, 3600000);
    m->ids = (struct id_gen){0};
    if (m->copy_dir == NULL)
        assert_int_equal(ENGINE_EMBEDDED.load(m->engine, m->catalog, m->known, &m->ids), 0);
    if (record != NULL)
        assert_int_equal(ENGINE_EMBEDDED.load_records(m->engine, record, m), 0);
    assert_int_equal(ENGINE_EMBEDDED.load_triggers(m->engine, trigger_ids, n, m->old_seq), 0);
    assert_int_equal(ENGINE_EMBEDDED.start(m->engine, &m->loop), 0);
}

static inline void embedded_open_(struct embedded *m, const char *const *trigger_ids, size_t n)
{
    embedded_open_with(m, trigger_ids, n, NULL);
}

static inline void embedded_shut(struct embedded *m)
{
    ENGINE_EMBEDDED.stop(m->engine);
    mailbox_fini(&m->mailbox);
    (void) uv_run(&m->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&m->loop), 0);
    ENGINE_EMBEDDED.close(m->engine);
    path_table_free(m->table);
    catalog_free(m->catalog);
    seen_free(m->known);
    m->engine = NULL;
}

static inline int embedded_unlink(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void) st, (void) flag, (void) f;
    return remove(path);
}

static inline void embedded_free(struct embedded *m)
{
    if (m->engine != NULL)
        embedded_shut(m);
    (void) nftw(m->dir, embedded_unlink, 8, FTW_DEPTH | FTW_PHYS);
    log_set_level(LOG_INFO);
    free(m);
}

#define EMBEDDED_UNTIL(m, cond)                                                                    \
    do {                                                                                           \
        for (uint64_t end_ = uv_hrtime() + EMBEDDED_DEADLINE_MS * 1000000ull; !(cond);) {          \
            if (uv_hrtime() > end_)                                                                \
                fail_msg("%s:%d: never came true: %s; so far: %s", __FILE__, __LINE__, #cond,      \
                         (m)->said);                                                               \
            (void) uv_run(&(m)->loop, UV_RUN_NOWAIT);                                              \
            (void) uv_sleep(1);                                                                    \
        }                                                                                          \
    } while (0)

/* An event with an id of its own; the caller's reference. */
static inline struct event *embedded_event(struct embedded *m, const char *repository)
{
    char id[ID_SIZE];
    id_event(&m->ids, 1700000000000, id);
    return event_new(&(struct event_parts){.type = EVENT_CREATE_IMAGE,
                                           .id = id,
                                           .created_at = "2026-11-22T00:00:00Z",
                                           .cloud_id = "c",
                                           .folder_id = "f",
                                           .registry_id = "crtregistry",
                                           .repository = repository,
                                           .digest = "sha256:00",
                                           .tag = "v1"});
}

#endif
