/* move.c - whether a single node's data may be moved into a cluster, and in which order it is. */
#include "cluster/move_private.h"

#include "clock.h"
#include "crash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SCRATCH     "moving" /* in data_dir */
#define MODE_DIR    0700
#define PATIENCE_MS 30000 /* for the servers */
#define GONE_MS     5000  /* after its lease, a node that was stopped is not listed any more */
#define BEGUN       "begun "
#define DONE        "done "
#define VALUE_MAX   256
#define STATE_TEXT  (2 * SHA256_SIZE + 1)
#define HOW_TO_BEGIN                                                                               \
    "delete its streams and buckets (`nats stream rm`, docs/cluster.md), and begin again"

bool move_is_under_way(struct slice value)
{
    const size_t len = sizeof(BEGUN) - 1;
    return value.len >= len && memcmp(value.data, BEGUN, len) == 0;
}

/* --- what is said --- */

int move_fail(struct move *m, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(m->report->why, sizeof(m->report->why), fmt, args);
    va_end(args);
    return err;
}

int move_source_failed(struct move *m, int err)
{
    if (err >= 0 || m->report->why[0] != '\0')
        return err;
    if (err == -ENOTSUP)
        return move_fail(m, -ENOTSUP, "its journal was written by a newer version of regcastd");
    return move_fail(m, -ENODATA, "its journal cannot be read: %s", err_str(err));
}

int move_link_failed(struct move *m, int err)
{
    if (err >= 0 || m->report->why[0] != '\0')
        return err;
    if (err == -EEXIST)
        return move_fail(m, -EBUSY,
                         "somebody else writes into the cluster's streams: see that no "
                         "node runs, then move again");
    if (err == -ENOSPC)
        return move_fail(m, err,
                         "the streams have no room: raise nats.events_bytes, or "
                         "max_file_store of the nats-servers, then move again");
    if (err == -EMSGSIZE)
        return move_fail(m, err,
                         "a message is longer than the servers take: raise max_payload in "
                         "the configuration of the nats-servers, then move again");
    return move_fail(m, err, "the nats-servers: %s; move again when they answer", err_str(err));
}

/* --- the key --- */

static void state_text(const struct move *m, char ret[STATE_TEXT])
{
    for (size_t i = 0; i < SHA256_SIZE; i++)
        (void) snprintf(ret + 2 * i, 3, "%02x", m->source.state[i]);
}

static int write_key(struct move *m, const char *how, uint64_t *revision)
{
    char text[VALUE_MAX], state[STATE_TEXT];
    state_text(m, state);
    (void) snprintf(text, sizeof(text), "%s%s", how, state);
    return move_link_failed(m, move_link_set(m->link, MOVE_KEY, slice_str(text), revision));
}

/* --- whether it may be --- */

/* Nobody has ever written into it. */
static int check_unused(struct move *m)
{
    static const struct {
        enum move_stream which;
        const char *name;
    } ROWS[] = {{MOVE_REC, "REC"}, {MOVE_EV, "EV"}, {MOVE_BAT, "BAT"}, {MOVE_IN, "IN"}};
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct js_stream s;
        int r = move_link_failed(m, move_link_info(m->link, ROWS[i].which, &s));
        if (r < 0)
            return r;
        if (s.last_seq > 0)
            return move_fail(m, -EEXIST,
                             "the cluster is in use already: stream %s_%s has had %" PRIu64
                             " messages. What is moved cannot be put among what is there. If it is "
                             "not needed, stop all nodes, " HOW_TO_BEGIN,
                             m->cfg->nats.prefix, ROWS[i].name, s.last_seq);
    }
    return 0;
}

static int check_done(struct move *m, struct slice value)
{
    char state[STATE_TEXT];
    const size_t len = sizeof(DONE) - 1;
    state_text(m, state);
    m->report->already = value.len > len && slice_eq_str(slice_from(value, len), state);
    if (m->report->already)
        return 0;
    return move_fail(m, -EEXIST,
                     "something else, or an earlier state of this, was moved into the "
                     "cluster before. If that is not needed, stop all nodes, " HOW_TO_BEGIN);
}

/* *ret_revision: of the key, 0: there is none. */
static int check_cluster(struct move *m, uint64_t *ret_revision)
{
    struct buf value;
    buf_init_owed(&value, SIZE_MAX / 2);
    int r = move_link_get(m->link, MOVE_KEY, &value, ret_revision);
    if (r == -ENOENT) {
        *ret_revision = 0;
        r = check_unused(m);
    } else if (r < 0) {
        r = move_link_failed(m, r);
    } else if (!move_is_under_way(buf_slice(&value))) {
        r = check_done(m, buf_slice(&value));
    }
    buf_fini(&value);
    return r;
}

/* One that was stopped is listed for a while. */
static int check_nodes(struct move *m, uint64_t patience_ms)
{
    uint64_t began = clock_mono_ms(), n;
    for (;;) {
        int r = move_link_failed(m, move_link_nodes(m->link, &n));
        if (r < 0 || n == 0)
            return r;
        if (clock_mono_ms() - began > patience_ms)
            return move_fail(m, -EBUSY,
                             "a node of the cluster runs, or did a moment ago: stop all "
                             "of them, then move");
        r = move_link_rest(m->link);
        if (r < 0)
            return move_link_failed(m, r);
    }
}

/* --- all of it --- */

static int purge(struct move *m)
{
    static const enum move_stream ALL[] = {MOVE_EV, MOVE_BAT, MOVE_REC, MOVE_SNAP};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(ALL); i++)
        r = move_link_failed(m, move_link_purge(m->link, ALL[i]));
    return r;
}

static int move_all(struct move *m)
{
    int r = purge(m);
    CRASH_POINT("move.begun");
    if (r == 0)
        r = move_records(m);
    if (r == 0)
        r = move_letters(m);
    CRASH_POINT("move.records");
    if (r == 0)
        r = move_paths(m);
    CRASH_POINT("move.paths");
    if (r == 0)
        r = move_shards(m);
    CRASH_POINT("move.shards");
    return r;
}

/* The limits of the cluster's history may be narrower than the single node's. */
static int count_over(struct move *m)
{
    struct js_stream s;
    uint64_t put = m->report->batches + m->report->paths;
    int r = move_link_failed(m, move_link_info(m->link, MOVE_BAT, &s));
    if (r == 0)
        m->report->batches_over = put > s.messages ? put - s.messages : 0;
    return r;
}

static int move_into(struct move *m)
{
    uint64_t revision = 0, patience_ms = m->cfg->nats.lease_ttl_ms + GONE_MS;
    int r = check_cluster(m, &revision);
    if (r < 0 || m->report->already)
        return r;
    r = check_nodes(m, patience_ms);
    if (r == 0)
        r = write_key(m, BEGUN, &revision);
    if (r == 0)
        r = move_all(m);
    if (r == 0)
        r = count_over(m);
    if (r == 0) /* nobody who does not know the key has come meanwhile */
        r = check_nodes(m, 0);
    if (r == 0)
        r = write_key(m, DONE, &revision);
    CRASH_POINT("move.done");
    return r;
}

/* --- opening --- */

static int open_source(struct move *m, const char *dir)
{
    char scratch[512];
    int64_t pid = 0;
    int n = snprintf(scratch, sizeof(scratch), "%s/" SCRATCH, m->cfg->data_dir);
    if (n < 0 || (size_t) n >= sizeof(scratch))
        return move_fail(m, -ENAMETOOLONG, "data_dir is too long");
    if (mkdir(m->cfg->data_dir, MODE_DIR) < 0 && errno != EEXIST)
        return move_fail(m, -errno, "%s cannot be made: %s", m->cfg->data_dir, err_str(-errno));
    int r = move_source_open(dir, scratch, &m->source, &pid);
    if (r == -EALREADY)
        return move_fail(m, r, "regcastd (pid %" PRId64 ") runs on %s: stop it first", pid, dir);
    if (r == -ENOENT)
        return move_fail(m, -ENODATA, "there is no journal of a single node in %s", dir);
    if (r == -ENOSPC)
        return move_fail(m, r, "there is no room for a copy of the journal in %s", scratch);
    if (r == -EBADMSG)
        return move_fail(m, -ENODATA,
                         "the journal in %s is damaged: start the single node once "
                         "more, which goes on without it or says what it needs",
                         dir);
    m->report->lost_commits = m->source.lost_commits;
    return move_source_failed(m, r);
}

static int open_link(struct move *m)
{
    int r = move_link_open(m->cfg, PATIENCE_MS, &m->link);
    if (r == -ETIMEDOUT)
        return move_fail(m, r, "none of nats.urls answers");
    if (r == -ENOTSUP || r == -EMSGSIZE) /* it said why */
        return move_fail(m, -EPROTO, "the nats-servers cannot be used as they are");
    if (r < 0)
        return move_link_failed(m, r);
    m->c = move_link_cluster(m->link);
    return 0;
}

int move_run(const struct config *cfg, const char *dir, struct move_report *ret)
{
    struct move m = {.cfg = cfg, .report = ret};
    *ret = (struct move_report){.triggers = 0};
    int r = open_source(&m, dir);
    if (r == 0)
        r = open_link(&m);
    if (r == 0)
        r = move_into(&m);
    move_link_close(m.link);
    move_source_close(&m.source);
    free(m.triggers);
    return r;
}
