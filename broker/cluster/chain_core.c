/* chain_core.c - of each trigger the batches that are not known to be stored. */
#include "cluster/chain_core.h"

#include "mem.h"
#include "siphash.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 1000
/* An attempt without an answer may have been stored, and the stream knows it again only for so long
 * (P_BAT's duplicate_window is at least twice that): later, what became of it is read anew. */
#define UNSURE_MAX_MS 60000

struct chain {
    struct chain_core *core;
    struct table_node by_id;
    struct list in_shard, in_waiting;
    char trigger_id[ID_SIZE];
    unsigned shard;
    uint64_t stored_seq, appended_seq;
    struct list messages;
};

struct shard {
    struct list chains;
    size_t n_messages;
    bool refused;
};

struct chain_core {
    struct chain_core_port port;
    struct table by_id;
    struct siphash_seed seed;
    struct list waiting; /* chains whose first message is to be sent */
    struct list dropped; /* messages, while they were on their way */
    uint64_t stored, pending_bytes, random;
    struct shard shards[CLUSTER_SHARDS];
};

struct chain_core *chain_core_new(const struct chain_core_port *port)
{
    struct chain_core *c = xcalloc(1, sizeof(*c));
    c->port = *port;
    c->seed = siphash_random_seed();
    c->random = siphash(&(struct siphash_seed){0}, 0, slice_str(port->writer)) | 1;
    list_init(&c->waiting);
    list_init(&c->dropped);
    for (size_t i = 0; i < CLUSTER_SHARDS; i++)
        list_init(&c->shards[i].chains);
    return c;
}

static uint64_t hash_of(const struct chain_core *c, const char *trigger_id)
{
    return siphash(&c->seed, 0, slice_str(trigger_id));
}

static struct chain *find(const struct chain_core *c, const char *trigger_id)
{
    struct table_node *node = table_first(&c->by_id, hash_of(c, trigger_id));
    for (; node != NULL; node = table_next(node)) {
        struct chain *chain = LIST_ENTRY(node, struct chain, by_id);
        if (strcmp(chain->trigger_id, trigger_id) == 0)
            return chain;
    }
    return NULL;
}

void chain_core_load(struct chain_core *c, unsigned shard, const char *trigger_id,
                     uint64_t batched_seq)
{
    ASSERT(shard < CLUSTER_SHARDS && find(c, trigger_id) == NULL);
    struct chain *chain = xcalloc(1, sizeof(*chain));
    chain->core = c;
    chain->shard = shard;
    chain->stored_seq = chain->appended_seq = batched_seq;
    (void) snprintf(chain->trigger_id, sizeof(chain->trigger_id), "%s", trigger_id);
    list_init(&chain->messages);
    list_init(&chain->in_waiting);
    list_push(&c->shards[shard].chains, &chain->in_shard);
    chain->by_id.hash = hash_of(c, trigger_id);
    table_add(&c->by_id, &chain->by_id);
}

/* --- appending --- */

static struct chain_message *message_at(const struct list *node)
{
    return LIST_ENTRY(node, struct chain_message, in_chain);
}

/* Borrowed: what is to be sent or on its way. */
static struct chain_message *head(const struct chain *chain)
{
    return message_at(chain->messages.next);
}

static struct chain_message *message_new(struct chain *chain, struct path *path)
{
    struct chain_message *m = try_calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    m->ctx = chain->core->port.ctx;
    m->path = path;
    m->prev_seq = chain->appended_seq;
    m->chain = chain;
    memcpy(m->trigger_id, chain->trigger_id, sizeof(m->trigger_id));
    buf_init(&m->data, SIZE_MAX);
    list_init(&m->in_chain);
    return m;
}

static void message_free(struct chain_message *m)
{
    list_remove(&m->in_chain);
    buf_fini(&m->data);
    free(m);
}

/* What was tried once must stay as it is. */
static bool has_room(const struct chain_message *m, const struct path *path, size_t len)
{
    return m->attempts == 0 && m->path == path && m->data.len + len <= CHAIN_MESSAGE_BYTES;
}

static void await(struct chain *chain)
{
    list_move(&chain->core->waiting, &chain->in_waiting);
}

int chain_core_append(struct chain_core *c, const char *trigger_id, struct path *path,
                      const struct batch_wire_item *item)
{
    struct chain *chain = find(c, trigger_id);
    size_t len = item->ids.len + item->name.len + item->frames.len;
    if (chain == NULL)
        return -ENOENT;
    if (item->last_seq <= chain->appended_seq)
        return -EINVAL;
    if (c->pending_bytes + len > CHAIN_PENDING_BYTES)
        return -ENOBUFS;
    struct chain_message *last =
        list_empty(&chain->messages) ? NULL : message_at(chain->messages.prev);
    struct chain_message *m =
        last != NULL && has_room(last, path, len) ? last : message_new(chain, path);
    if (m == NULL)
        return -ENOMEM;
    size_t before = m->data.len;
    int r = batch_wire_put_item(&m->data, item);
    if (r < 0) {
        if (m != last)
            message_free(m);
        return r;
    }
    if (m != last) {
        list_push(&chain->messages, &m->in_chain);
        c->shards[chain->shard].n_messages++;
    }
    if (head(chain) == m)
        await(chain);
    c->pending_bytes += m->data.len - before;
    m->last_seq = chain->appended_seq = item->last_seq;
    return 0;
}

/* --- sending --- */

static void put(struct chain_core *c, struct chain_message *m)
{
    list_remove(&m->chain->in_waiting);
    m->state = CHAIN_SENT;
    if (m->attempts == 0)
        m->behind = c->stored;
    m->attempts++;
    c->port.send(c->port.ctx, m);
}

bool chain_core_turn(struct chain_core *c, uint64_t now_ms)
{
    LIST_FOREACH_SAFE (it, &c->waiting) {
        struct chain *chain = LIST_ENTRY(it, struct chain, in_waiting);
        struct chain_message *m = head(chain);
        if (now_ms >= m->retry_ms && !c->shards[chain->shard].refused &&
            c->port.valid(c->port.ctx, chain->shard))
            put(c, m);
    }
    return !list_empty(&c->waiting);
}

/* 20 to 40 ms, and twice as much each time, up to a second. */
static uint64_t pause_ms(struct chain_core *c, unsigned attempts)
{
    uint64_t ms = PAUSE_MIN_MS;
    for (unsigned i = 1; i < attempts && ms < PAUSE_MAX_MS; i++)
        ms *= 2;
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    ms += c->random % ms;
    return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

static void refuse(struct chain_core *c, unsigned shard)
{
    if (c->shards[shard].refused)
        return;
    c->shards[shard].refused = true;
    c->port.refused(c->port.ctx, shard);
}

static void again(struct chain_message *m, bool unsure, uint64_t now_ms)
{
    struct chain_core *c = m->chain->core;
    m->state = CHAIN_WAITING;
    m->retry_ms = now_ms + pause_ms(c, m->attempts);
    await(m->chain);
    if (unsure && m->unsure_ms == 0)
        m->unsure_ms = now_ms;
    if (m->unsure_ms != 0 && now_ms - m->unsure_ms >= UNSURE_MAX_MS)
        refuse(c, m->chain->shard);
}

/* May be followed by the shard's drop, from inside. */
static void take_out(struct chain_message *m)
{
    struct chain *chain = m->chain;
    struct chain_core *c = chain->core;
    c->pending_bytes -= m->data.len;
    c->shards[chain->shard].n_messages--;
    if (m->state == CHAIN_WAITING) {
        message_free(m);
        return;
    }
    buf_fini(&m->data);
    buf_init(&m->data, 0);
    m->ctx = NULL;
    list_move(&c->dropped, &m->in_chain);
}

static void stored(struct chain_message *m, uint64_t seq)
{
    struct chain *chain = m->chain;
    struct chain_core *c = chain->core;
    struct shard *shard = &c->shards[chain->shard];
    chain->stored_seq = m->last_seq;
    c->stored = seq > c->stored ? seq : c->stored;
    m->state = CHAIN_WAITING; /* answered */
    take_out(m);
    if (!list_empty(&chain->messages))
        await(chain);
    if (shard->n_messages == 0)
        c->port.quiet(c->port.ctx, chain->shard);
}

void chain_core_sent(struct chain_message *m, int err, uint64_t seq, bool duplicate,
                     uint64_t now_ms)
{
    if (m->ctx == NULL) {
        message_free(m);
        return;
    }
    struct chain_core *c = m->chain->core;
    if (err < 0) {
        again(m, err == -ETIMEDOUT || err == -ENOTCONN, now_ms);
    } else if (!duplicate) {
        stored(m, seq);
    } else if (m->attempts > 1) {
        m->state = CHAIN_LOOKING;
        m->seq = seq;
        c->port.look(c->port.ctx, m, seq);
    } else {
        m->state = CHAIN_WAITING;
        refuse(c, m->chain->shard);
    }
}

/* One that has left the stream since (-ENOENT) is taken for ours: the shard has been ours from our
 * first attempt on, so somebody else's would have had to be on its way all that time. */
void chain_core_looked(struct chain_message *m, int err, const struct batch_wire *found,
                       struct slice writer, uint64_t now_ms)
{
    if (m->ctx == NULL) {
        message_free(m);
        return;
    }
    struct chain_core *c = m->chain->core;
    if (err < 0 && err != -ENOENT) {
        again(m, false, now_ms);
    } else if (err == -ENOENT ||
               (slice_eq_str(writer, c->port.writer) && found->last_seq == m->last_seq &&
                found->prev_seq == m->prev_seq && strcmp(found->trigger_id, m->trigger_id) == 0)) {
        stored(m, m->seq);
    } else {
        m->state = CHAIN_WAITING;
        refuse(c, m->chain->shard);
    }
}

/* --- dropping --- */

static void chain_free(struct chain *chain)
{
    LIST_FOREACH_SAFE (it, &chain->messages) {
        take_out(message_at(it));
    }
    list_remove(&chain->in_waiting);
    list_remove(&chain->in_shard);
    table_remove(&chain->core->by_id, &chain->by_id);
    free(chain);
}

void chain_core_drop(struct chain_core *c, unsigned shard)
{
    LIST_FOREACH_SAFE (it, &c->shards[shard].chains) {
        chain_free(LIST_ENTRY(it, struct chain, in_shard));
    }
    c->shards[shard].refused = false;
}

void chain_core_drop_trigger(struct chain_core *c, const char *trigger_id)
{
    struct chain *chain = find(c, trigger_id);
    if (chain == NULL)
        return;
    unsigned shard = chain->shard;
    bool pending = c->shards[shard].n_messages > 0;
    chain_free(chain);
    if (pending && c->shards[shard].n_messages == 0)
        c->port.quiet(c->port.ctx, shard);
}

void chain_core_free(struct chain_core *c)
{
    if (c == NULL)
        return;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        chain_core_drop(c, i);
    LIST_FOREACH_SAFE (it, &c->dropped) {
        message_free(message_at(it));
    }
    table_fini(&c->by_id);
    free(c);
}

/* --- how far they are --- */

uint64_t chain_core_pending_first(const struct chain_core *c, unsigned shard)
{
    uint64_t first = UINT64_MAX;
    LIST_FOREACH (it, &c->shards[shard].chains) {
        const struct chain *chain = LIST_ENTRY(it, struct chain, in_shard);
        if (!list_empty(&chain->messages) && chain->stored_seq + 1 < first)
            first = chain->stored_seq + 1;
    }
    return first;
}

void chain_core_marks(const struct chain_core *c, unsigned shard,
                      void (*one)(void *ctx, const char *trigger_id, uint64_t stored_seq),
                      void *ctx)
{
    LIST_FOREACH (it, &c->shards[shard].chains) {
        const struct chain *chain = LIST_ENTRY(it, struct chain, in_shard);
        one(ctx, chain->trigger_id, chain->stored_seq);
    }
}

/* What is on its way may be stored already, before others of which we know. */
uint64_t chain_core_stored(const struct chain_core *c)
{
    uint64_t stored = c->stored;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        LIST_FOREACH (it, &c->shards[i].chains) {
            const struct chain *chain = LIST_ENTRY(it, struct chain, in_shard);
            if (list_empty(&chain->messages) || head(chain)->attempts == 0)
                continue;
            stored = head(chain)->behind < stored ? head(chain)->behind : stored;
        }
    }
    return stored;
}

uint64_t chain_core_pending_bytes(const struct chain_core *c)
{
    return c->pending_bytes;
}
