/* move_paths.c - the histories of a single node's paths, as messages of P_BAT. */
#include "cluster/batch_wire.h"
#include "cluster/move_private.h"

#include <inttypes.h>

#define NO_LIMIT     (SIZE_MAX / 2)
#define MAX_POSITION ((UINT64_C(1) << 48) - 1)

struct moving {
    struct move *m;
    const struct store_seen_path *path;
    char subject[CLUSTER_SUBJECT_SIZE];
    struct buf headers, data;
};

/* Of no trigger's chain, as what an operator has sent again: which one a batch was of is not kept,
 * and where a trigger goes on is in its shard's mark. */
static int put_headers(struct moving *p)
{
    char writer[96];
    (void) snprintf(writer, sizeof(writer), "%s.%s", p->m->c->node, p->m->c->nonce);
    buf_clear(&p->headers);
    return batch_wire_put_headers(&p->headers, &(struct batch_wire){.writer = writer});
}

static int put_floor(struct moving *p)
{
    char id[ID_SIZE];
    id_unpack(EVENT_ID_PREFIX, p->path->floor, id);
    int r = put_headers(p);
    if (r == 0)
        r = buf_printf(&p->headers, BATCH_WIRE_FLOOR ": %s\r\n", id);
    if (r == 0)
        r = move_link_put(p->m->link, MOVE_BAT, p->subject, buf_slice(&p->headers),
                          (struct slice){NULL, 0}, NULL);
    return r;
}

static int on_batch(void *ctx, const struct store_picked *batch)
{
    struct moving *p = ctx;
    struct move *m = p->m;
    buf_clear(&p->data);
    int r = put_headers(p);
    if (r == 0)
        r = batch_wire_put_item(&p->data, &(struct batch_wire_item){.why = BATCH_SIZE,
                                                                    .ids = batch->ids,
                                                                    .frames = batch->frames});
    if (r == 0 && p->data.len > move_link_max_payload(m->link))
        return move_fail(m, -EMSGSIZE,
                         "a message of the path %s takes %zu bytes, and the servers take less: "
                         "raise max_payload in the configuration of the nats-servers",
                         p->path->name, p->data.len);
    if (r == 0)
        r = move_link_put(m->link, MOVE_BAT, p->subject, buf_slice(&p->headers),
                          buf_slice(&p->data), NULL);
    m->report->batches++;
    m->report->batch_bytes += batch->frames.len;
    return move_link_failed(m, r);
}

static int on_path(void *ctx, const struct store_seen_path *path)
{
    struct move *m = ctx;
    struct moving p = {.m = m, .path = path};
    struct store_pick all = {.from = 0, .to = MAX_POSITION};
    memset(all.high, 0xff, sizeof(all.high));
    buf_init_owed(&p.headers, NO_LIMIT);
    buf_init_owed(&p.data, NO_LIMIT);
    cluster_path_subject(m->c, p.subject, "bat", path->name);
    int r = move_link_failed(m, put_floor(&p));
    if (r == 0)
        r = store_reader_pick(m->source.reader, path->name, &all, on_batch, &p);
    buf_fini(&p.headers);
    buf_fini(&p.data);
    m->report->paths++;
    return r;
}

int move_paths(struct move *m)
{
    return move_source_failed(m, store_reader_paths(m->source.reader, on_path, m));
}
