/* records.c - the records that all nodes share: what there is, by kind and id. */
#include "cluster/records_private.h"

#include "digits.h"
#include "siphash.h"
#include "trigger_spec.h"

#include <inttypes.h>
#include <stdlib.h>

#define VALUE_MAX ((size_t) 1 << 20)

static const char *const KINDS[] = {[ENGINE_TRIGGER] = "trigger",
                                    [ENGINE_OPERATION] = "operation",
                                    [ENGINE_REVOCATION] = "revocation"};

const char *records_kind_name(enum engine_record_kind kind)
{
    return (size_t) kind < ARRAY_LEN(KINDS) ? KINDS[kind] : NULL;
}

bool records_subject(const struct config *cfg, const char *subject, unsigned *ret_kind,
                     const char **ret_id)
{
    size_t prefix = strlen(cfg->nats.prefix);
    if (strncmp(subject, cfg->nats.prefix, prefix) != 0 ||
        strncmp(subject + prefix, ".rec.", 5) != 0)
        return false;
    const char *kind = subject + prefix + 5, *dot = strchr(kind, '.');
    if (dot == NULL || dot[1] == '\0' || strlen(dot + 1) >= ID_SIZE)
        return false;
    struct slice name = slice_of((const uint8_t *) kind, (size_t) (dot - kind));
    *ret_id = dot + 1;
    *ret_kind = 0;
    if (slice_eq_str(name, RECORDS_LETTER))
        return true;
    for (unsigned i = ENGINE_TRIGGER; i < ARRAY_LEN(KINDS); i++)
        if (slice_eq_str(name, KINDS[i]))
            *ret_kind = i;
    return *ret_kind != 0;
}

bool records_gone(const struct js_msg *m)
{
    return nats_header(m->headers, "Gone").data != NULL;
}

/* --- one of them --- */

static uint64_t hash_of(enum engine_record_kind kind, const char *id)
{
    static const struct siphash_seed NONE = {0};
    return siphash(&NONE, (uint64_t) kind, slice_str(id));
}

struct record_item *records_find(const struct records *r, enum engine_record_kind kind,
                                 const char *id)
{
    struct table_node *n = table_first(&r->by_id, hash_of(kind, id));
    for (; n != NULL; n = table_next(n)) {
        struct record_item *item = LIST_ENTRY(n, struct record_item, by_id);
        if (item->kind == kind && strcmp(item->id, id) == 0)
            return item;
    }
    return NULL;
}

static struct record_item *item_new(struct records *r, enum engine_record_kind kind, const char *id)
{
    struct record_item *item = xcalloc(1, sizeof(*item));
    item->kind = kind;
    memcpy(item->id, id, strlen(id) + 1);
    item->by_id.hash = hash_of(kind, id);
    item->shard = CLUSTER_SHARDS;
    buf_init_owed(&item->value, VALUE_MAX);
    list_init(&item->in_kind);
    table_add(&r->by_id, &item->by_id);
    r->n_operations += kind == ENGINE_OPERATION;
    return item;
}

void records_take_away(struct records *r, struct record_item *item)
{
    r->n_operations -= item->kind == ENGINE_OPERATION;
    table_remove(&r->by_id, &item->by_id);
    list_remove(&item->in_kind);
    buf_fini(&item->value);
    free(item);
}

static uint64_t number_of(struct slice text, uint64_t otherwise)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len >= DIGITS_MAX)
        return otherwise;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return otherwise;
        value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

/* Where it belongs, and from when on events are its: from this message on, if it does not say since
 * which one. */
static void follow_trigger(struct record_item *item, const struct js_msg *m)
{
    struct trigger_spec spec;
    item->shard = CLUSTER_SHARDS;
    item->since = number_of(nats_header(m->headers, "Since"), m->seq);
    item->paused = 0;
    if (trigger_spec_unpack(buf_slice(&item->value), &spec) < 0)
        return;
    item->shard = cluster_shard(spec.registry_id);
    if (spec.status == TRIGGER_PAUSED)
        item->paused = number_of(nats_header(m->headers, "Paused"), m->seq);
    trigger_spec_fini(&spec);
}

int records_put_since(const struct records *r, const struct engine_record *rec, struct buf *out)
{
    const struct record_item *item =
        rec->kind == ENGINE_TRIGGER ? records_find(r, rec->kind, rec->id) : NULL;
    struct trigger_spec spec;
    int err = 0;
    if (item == NULL || rec->value.len == 0 || trigger_spec_unpack(rec->value, &spec) < 0)
        return 0;
    bool paused = spec.status == TRIGGER_PAUSED;
    bool resumed = item->paused != 0 && !paused;
    if (!resumed && item->shard == cluster_shard(spec.registry_id))
        err = buf_printf(out, "Since: %" PRIu64 "\r\n", item->since);
    if (err == 0 && paused && item->paused != 0)
        err = buf_printf(out, "Paused: %" PRIu64 "\r\n", item->paused);
    trigger_spec_fini(&spec);
    return err;
}

bool records_put(struct records *r, enum engine_record_kind kind, const char *id,
                 struct slice value, const struct js_msg *m)
{
    struct record_item *item = records_find(r, kind, id);
    if (value.len == 0) {
        if (item != NULL)
            records_take_away(r, item);
        return false;
    }
    bool is_new = item == NULL;
    if (is_new)
        item = item_new(r, kind, id);
    buf_clear(&item->value);
    if (buf_append(&item->value, value) < 0) {
        log_error("records", "a record is too long", -EMSGSIZE);
        records_take_away(r, item);
        return false;
    }
    item->seq = m->seq;
    item->time_ms = m->time_ns / 1000000;
    item->generation = r->generation;
    list_move(&r->kinds[kind], &item->in_kind);
    if (kind == ENGINE_TRIGGER)
        follow_trigger(item, m);
    return is_new && kind == ENGINE_TRIGGER;
}

/* --- asking --- */

static int compare(const void *a, const void *b)
{
    const struct record_item *const *x = a, *const *y = b;
    return strcmp((*x)->id, (*y)->id);
}

static void each_of(const struct records *r, enum engine_record_kind kind,
                    void (*one)(void *, const struct engine_record *), void *ctx)
{
    size_t n = 0, i = 0;
    LIST_FOREACH (it, &r->kinds[kind])
        n++;
    const struct record_item **all = xcalloc(n + 1, sizeof(struct record_item *));
    LIST_FOREACH (it, &r->kinds[kind])
        all[i++] = LIST_ENTRY(it, const struct record_item, in_kind);
    qsort(all, n, sizeof(struct record_item *), compare);
    for (i = 0; i < n; i++) {
        const struct engine_record rec = {kind, all[i]->id, buf_slice(&all[i]->value)};
        one(ctx, &rec);
    }
    free(all);
}

void records_each(const struct records *r, void (*one)(void *, const struct engine_record *),
                  void *ctx)
{
    for (unsigned kind = ENGINE_TRIGGER; kind < ARRAY_LEN(KINDS); kind++)
        each_of(r, (enum engine_record_kind) kind, one, ctx);
}

uint64_t records_seq(const struct records *r)
{
    return r->applied;
}

bool records_has_trigger(const struct records *r, const char *id)
{
    return records_find(r, ENGINE_TRIGGER, id) != NULL;
}

void records_triggers(const struct records *r, unsigned shard,
                      void (*one)(void *ctx, const struct records_trigger *t), void *ctx)
{
    LIST_FOREACH (it, &r->kinds[ENGINE_TRIGGER]) {
        const struct record_item *item = LIST_ENTRY(it, const struct record_item, in_kind);
        const struct records_trigger t = {item->id, item->since, item->paused};
        if (item->shard == shard)
            one(ctx, &t);
    }
}

/* --- life --- */

struct records *records_new(const struct config *cfg)
{
    struct records *r = xcalloc(1, sizeof(*r));
    r->cfg = cfg;
    for (size_t i = 0; i < ARRAY_LEN(r->kinds); i++)
        list_init(&r->kinds[i]);
    struct list *const lists[] = {&r->calls,   &r->changes, &r->waiting, &r->questions,
                                  &r->letters, &r->graves,  &r->sending};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        list_init(lists[i]);
    return r;
}

struct record_call *records_call(struct records *r, void *arg)
{
    struct record_call *call = xcalloc(1, sizeof(*call));
    call->records = r;
    call->arg = arg;
    list_push(&r->calls, &call->in_records);
    return call;
}

struct records *records_call_end(struct record_call *call, void **ret_arg)
{
    struct records *r = call->records;
    list_remove(&call->in_records);
    *ret_arg = call->arg;
    free(call);
    return r;
}

void records_watch(struct records *r, const struct records_watch *watch)
{
    r->watch = watch == NULL ? (struct records_watch){.ctx = NULL} : *watch;
}

void records_free_graves(struct records *r)
{
    LIST_FOREACH_SAFE (it, &r->graves)
        free(LIST_ENTRY(it, struct record_grave, in_graves));
    list_init(&r->graves);
}

static void on_tick_closed(uv_handle_t *handle)
{
    free(handle);
}

void records_stop(struct records *r)
{
    if (r->c == NULL)
        return;
    consumer_free(r->consumer);
    consumer_free(r->letters_consumer);
    nats_unsubscribe(r->asked);
    uv_close((uv_handle_t *) r->tick, on_tick_closed);
    r->consumer = r->letters_consumer = NULL;
    r->asked = NULL;
    r->c = NULL;
    records_change_fini(r);
    LIST_FOREACH_SAFE (it, &r->calls)
        free(LIST_ENTRY(it, struct record_call, in_records));
    list_init(&r->calls);
}

void records_free(struct records *r)
{
    if (r == NULL)
        return;
    records_stop(r);
    records_change_fini(r);
    records_letter_fini(r);
    records_free_graves(r);
    for (size_t kind = 0; kind < ARRAY_LEN(r->kinds); kind++)
        LIST_FOREACH_SAFE (it, &r->kinds[kind])
            records_take_away(r, LIST_ENTRY(it, struct record_item, in_kind));
    table_fini(&r->by_id);
    free(r);
}
