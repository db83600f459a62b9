/* route_metrics.c - see route_metrics.h. */
#include "route_metrics.h"

#include "mem.h"
#include "scrape_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CODES     8 /* of one operation of one path that are counted one by one, in one worker */
#define TALLY_MAX 64
#define BUCKETS   12
#define OTHER     ROUTE_METRICS_ROOM

static const unsigned BOUNDS_MS[BUCKETS] = {1,   5,   10,   25,   50,    100,
                                            250, 500, 1000, 5000, 10000, 30000};

/* Set once, from left to right, by the first that has the code. */
struct code_cell {
    _Atomic uint32_t code; /* and 1; 0: free */
    _Atomic uint64_t n;
};

struct operation_cells {
    struct code_cell codes[CODES + 1]; /* the last one has all others, and no code */
    _Atomic uint64_t bucket[BUCKETS + 1], sum_ms;
};

struct message_cells {
    _Atomic uint64_t n, bytes;
};

struct route_cells {
    struct operation_cells operations[ACCESS_N];
    struct code_cell closes[CODES + 1];
    _Atomic uint64_t opened, closed;
    struct message_cells messages[2][2]; /* by direction, and whether it is binary */
};

/* --- counting --- */

/* The cell's thread is its only writer, so nothing can come between load and store. */
static void add(_Atomic uint64_t *cell, uint64_t n)
{
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, old + n, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

/* FNV-1a: the names are the operator's, who has no reason to make them collide. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *at = name; *at != '\0'; at++)
        hash = (hash ^ (uint8_t) *at) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* Takes a free place for the name. Several threads may: the first one's copy stays, and the others
 * find it where they wanted to put theirs. False: it is somebody else's by now, or there is no
 * memory. */
static bool claim(struct route_names *names, size_t at, const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = try_malloc(size), *none = NULL;
    if (copy == NULL)
        return false;
    memcpy(copy, name, size);
    if (atomic_compare_exchange_strong(&names->at[at], &none, copy)) {
        (void) atomic_fetch_add(&names->n, 1);
        return true;
    }
    free(copy);
    return strcmp(none, name) == 0;
}

/* A full table is one with as many names as may be (threads may overshoot by one each): the rest of
 * its room is free, so a search ends. */
static size_t place_of(struct route_names *names, const char *name)
{
    for (uint64_t i = hash_of(name);; i++) {
        size_t at = i % ROUTE_METRICS_ROOM;
        const char *known = atomic_load_explicit(&names->at[at], memory_order_acquire);
        if (known != NULL && strcmp(known, name) == 0)
            return at;
        if (known != NULL)
            continue;
        if (atomic_load_explicit(&names->n, memory_order_relaxed) >= ROUTE_METRICS_MAX)
            return OTHER;
        if (claim(names, at, name))
            return at;
        if (atomic_load(&names->at[at]) == NULL) /* no memory */
            return OTHER;
    }
}

/* NULL: there is no memory, and it is not counted. */
static struct route_cells *cells_of(struct route_metrics *m, const char *route)
{
    struct route_cells *_Atomic *place = &m->at[place_of(m->names, route)];
    struct route_cells *cells = atomic_load_explicit(place, memory_order_relaxed);
    if (cells != NULL)
        return cells;
    cells = try_calloc(1, sizeof(*cells));
    if (cells != NULL)
        atomic_store_explicit(place, cells, memory_order_release);
    return cells;
}

static void count_code(struct code_cell *codes, unsigned code)
{
    size_t i = 0;
    for (; i < CODES; i++) {
        uint32_t known = atomic_load_explicit(&codes[i].code, memory_order_relaxed);
        if (known == 0)
            atomic_store_explicit(&codes[i].code, code + 1, memory_order_relaxed);
        if (known == 0 || known == code + 1)
            break;
    }
    add(&codes[i].n, 1);
}

void route_metrics_request(struct route_metrics *m, const char *route,
                           enum access_operation operation, unsigned status, uint64_t ms)
{
    struct route_cells *cells = cells_of(m, route);
    size_t i = 0;
    if (cells == NULL)
        return;
    while (i < BUCKETS && ms > BOUNDS_MS[i])
        i++;
    count_code(cells->operations[operation].codes, status);
    add(&cells->operations[operation].bucket[i], 1);
    add(&cells->operations[operation].sum_ms, ms);
}

void route_metrics_opened(struct route_metrics *m, const char *route)
{
    struct route_cells *cells = cells_of(m, route);
    if (cells != NULL)
        add(&cells->opened, 1);
}

void route_metrics_closed(struct route_metrics *m, const char *route, unsigned code)
{
    struct route_cells *cells = cells_of(m, route);
    if (cells == NULL)
        return;
    count_code(cells->closes, code);
    add(&cells->closed, 1);
}

void route_metrics_message(struct route_metrics *m, const char *route,
                           enum route_direction direction, bool binary, uint64_t bytes)
{
    struct route_cells *cells = cells_of(m, route);
    if (cells == NULL)
        return;
    add(&cells->messages[direction][binary].n, 1);
    add(&cells->messages[direction][binary].bytes, bytes);
}

/* --- printing --- */

/* What all workers have counted, of one path at a time. */
struct view {
    const struct route_metrics *const *all;
    size_t n;
    const char *gateway_id;
    struct buf *out;
    const char *family;
    size_t at;
};

static const char *name_at(const struct view *v, size_t at)
{
    return at == OTHER ? "other"
                       : atomic_load_explicit(&v->all[0]->names->at[at], memory_order_acquire);
}

static const struct route_cells *cells_at(const struct view *v, size_t worker)
{
    return atomic_load_explicit(&v->all[worker]->at[v->at], memory_order_acquire);
}

static uint64_t sum(const struct view *v, size_t offset)
{
    uint64_t total = 0;
    for (size_t i = 0; i < v->n; i++) {
        const void *cells = cells_at(v, i);
        if (cells != NULL)
            total +=
                load((const _Atomic uint64_t *) (const void *) ((const char *) cells + offset));
    }
    return total;
}

struct tally {
    unsigned code[TALLY_MAX];
    uint64_t n[TALLY_MAX], other;
    size_t len;
};

static void tally_add(struct tally *t, unsigned code, uint64_t n)
{
    size_t i = 0;
    while (i < t->len && t->code[i] != code)
        i++;
    if (i == TALLY_MAX) {
        t->other += n;
        return;
    }
    if (i == t->len) {
        t->code[t->len++] = code;
        t->n[i] = 0;
    }
    t->n[i] += n;
}

/* `offset`: of an array of CODES + 1 cells. */
static void tally_of(const struct view *v, size_t offset, struct tally *ret)
{
    ret->len = 0;
    ret->other = 0;
    for (size_t w = 0; w < v->n; w++) {
        const struct route_cells *cells = cells_at(v, w);
        if (cells == NULL)
            continue;
        const struct code_cell *codes = (const void *) ((const char *) cells + offset);
        ret->other += load(&codes[CODES].n);
        for (size_t i = 0; i < CODES; i++) {
            uint32_t code = atomic_load_explicit(&codes[i].code, memory_order_relaxed);
            uint64_t n = load(&codes[i].n);
            if (code != 0 && n > 0)
                tally_add(ret, code - 1, n);
        }
    }
}

/* family<suffix>{gateway="...",path="...",service="serverless-apigateway" */
static int put_labels(const struct view *v, const char *suffix)
{
    int r = buf_printf(v->out, "%s%s{gateway=\"", v->family, suffix);
    if (r == 0)
        r = scrape_label(v->out, v->gateway_id);
    if (r == 0)
        r = buf_append_str(v->out, "\",path=\"");
    if (r == 0)
        r = scrape_label(v->out, name_at(v, v->at));
    return r < 0 ? r : buf_append_str(v->out, "\",service=\"serverless-apigateway\"");
}

static int put_operation(const struct view *v, const char *suffix, enum access_operation operation)
{
    int r = put_labels(v, suffix);
    return r < 0 ? r
                 : buf_printf(v->out, ",release=\"stable\",operation=\"%s\"",
                              ACCESS_OPERATIONS[operation]);
}

static int put_value(const struct view *v, uint64_t value)
{
    return buf_printf(v->out, "} %" PRIu64 "\n", value);
}

static size_t operation_offset(size_t operation)
{
    return offsetof(struct route_cells, operations) + operation * sizeof(struct operation_cells);
}

static int put_requests_of(const struct view *v, enum access_operation operation, unsigned least)
{
    struct tally t;
    tally_of(v, operation_offset(operation) + offsetof(struct operation_cells, codes), &t);
    int r = 0;
    for (size_t i = 0; r == 0 && i < t.len; i++) {
        if (t.code[i] != 0 && t.code[i] < least) /* no answer is an error, too */
            continue;
        r = put_operation(v, "", operation);
        if (r == 0)
            r = buf_printf(v->out, ",code=\"%u\"", t.code[i]);
        if (r == 0)
            r = put_value(v, t.n[i]);
    }
    if (r == 0 && t.other > 0 && least == 0)
        r = put_operation(v, "", operation);
    if (r == 0 && t.other > 0 && least == 0)
        r = buf_append_str(v->out, ",code=\"other\"");
    return r == 0 && t.other > 0 && least == 0 ? put_value(v, t.other) : r;
}

static int put_requests(const struct view *v)
{
    int r = 0;
    for (int operation = 0; r == 0 && operation < ACCESS_N; operation++)
        r = put_requests_of(v, (enum access_operation) operation, 0);
    return r;
}

static int put_errors(const struct view *v)
{
    int r = 0;
    for (int operation = 0; r == 0 && operation < ACCESS_N; operation++)
        r = put_requests_of(v, (enum access_operation) operation, 400);
    return r;
}

static int put_latency_of(const struct view *v, enum access_operation operation)
{
    uint64_t values[BUCKETS + 1], count = 0;
    size_t offset = operation_offset(operation);
    for (size_t i = 0; i <= BUCKETS; i++) /* made of the buckets, so that it agrees with them */
        values[i] = count +=
            sum(v, offset + offsetof(struct operation_cells, bucket) + i * sizeof(uint64_t));
    int r = 0;
    for (size_t i = 0; r == 0 && count > 0 && i <= BUCKETS; i++) {
        char le[16] = "+Inf";
        if (i < BUCKETS)
            (void) snprintf(le, sizeof(le), "%u", BOUNDS_MS[i]);
        r = put_operation(v, "_bucket", operation);
        if (r == 0)
            r = buf_printf(v->out, ",le=\"%s\"", le);
        if (r == 0)
            r = put_value(v, values[i]);
    }
    if (r == 0 && count > 0)
        r = put_operation(v, "_sum", operation);
    if (r == 0 && count > 0)
        r = put_value(v, sum(v, offset + offsetof(struct operation_cells, sum_ms)));
    if (r == 0 && count > 0)
        r = put_operation(v, "_count", operation);
    return r == 0 && count > 0 ? put_value(v, count) : r;
}

static int put_latency(const struct view *v)
{
    int r = 0;
    for (int operation = 0; r == 0 && operation < ACCESS_N; operation++)
        r = put_latency_of(v, (enum access_operation) operation);
    return r;
}

/* What is closed first: whoever closes meanwhile has opened before. */
static int put_connections(const struct view *v)
{
    uint64_t closed = sum(v, offsetof(struct route_cells, closed));
    atomic_thread_fence(memory_order_acquire);
    uint64_t opened = sum(v, offsetof(struct route_cells, opened));
    if (opened == 0)
        return 0;
    int r = put_labels(v, "");
    return r < 0 ? r : put_value(v, opened > closed ? opened - closed : 0);
}

static int put_closes(const struct view *v)
{
    struct tally t;
    int r = 0;
    tally_of(v, offsetof(struct route_cells, closes), &t);
    for (size_t i = 0; r == 0 && i < t.len; i++) {
        r = put_labels(v, "");
        if (r == 0)
            r = buf_printf(v->out, ",code=\"%u\"", t.code[i]);
        if (r == 0)
            r = put_value(v, t.n[i]);
    }
    if (r == 0 && t.other > 0)
        r = put_labels(v, "");
    if (r == 0 && t.other > 0)
        r = buf_append_str(v->out, ",code=\"other\"");
    return r == 0 && t.other > 0 ? put_value(v, t.other) : r;
}

/* `member`: of struct message_cells. */
static int put_messages(const struct view *v, size_t member)
{
    static const char *const DIRECTIONS[] = {"incoming", "outcoming"};
    static const char *const TYPES[] = {"text", "binary"};
    int r = 0;
    for (size_t i = 0; r == 0 && i < 4; i++) {
        size_t offset = offsetof(struct route_cells, messages) + i * sizeof(struct message_cells);
        if (sum(v, offset + offsetof(struct message_cells, n)) == 0)
            continue;
        r = put_labels(v, "");
        if (r == 0)
            r = buf_printf(v->out, ",type=\"%s\",direction=\"%s\"", TYPES[i % 2],
                           DIRECTIONS[i / 2]);
        if (r == 0)
            r = put_value(v, sum(v, offset + member));
    }
    return r;
}

static int put_message_counts(const struct view *v)
{
    return put_messages(v, offsetof(struct message_cells, n));
}

static int put_message_bytes(const struct view *v)
{
    return put_messages(v, offsetof(struct message_cells, bytes));
}

static const struct {
    const char *family, *type, *help;
    int (*put)(const struct view *v);
} FAMILIES[] = {
    {"api_gateway_requests_count_total", "counter",
     "Requests on paths of the specification: handshakes, messages and ends of connections.",
     put_requests},
    {"api_gateway_errors_count_total", "counter",
     "Of those, the ones answered with 400 or above, or not at all (code 0).", put_errors},
    {"api_gateway_requests_latency_milliseconds", "histogram",
     "From a request's last byte to its answer.", put_latency},
    {"api_gateway_websocket_connections_count", "gauge",
     "Open WebSocket connections on paths of the specification.", put_connections},
    {"api_gateway_websocket_disconnections_count_total", "counter",
     "Connections closed, by close code.", put_closes},
    {"api_gateway_websocket_messages_count_total", "counter",
     "Messages of clients, and those that one client gets alone.", put_message_counts},
    {"api_gateway_websocket_messages_bytes_total", "counter", "Bytes of those messages.",
     put_message_bytes},
};

int route_metrics_print(const struct route_metrics *const *all, size_t n, const char *gateway_id,
                        struct buf *out)
{
    int r = 0;
    for (size_t f = 0; r == 0 && f < ARRAY_LEN(FAMILIES); f++) {
        struct view v = {all, n, gateway_id, out, FAMILIES[f].family, 0};
        r = scrape_head(out, FAMILIES[f].family, FAMILIES[f].type, FAMILIES[f].help);
        for (; r == 0 && n > 0 && v.at <= OTHER; v.at++)
            r = name_at(&v, v.at) == NULL ? 0 : FAMILIES[f].put(&v);
    }
    return r;
}

/* --- life --- */

void route_metrics_init(struct route_metrics *m, struct route_names *names)
{
    m->names = names;
    for (size_t i = 0; i <= OTHER; i++)
        atomic_init(&m->at[i], NULL);
}

void route_metrics_fini(struct route_metrics *m)
{
    for (size_t i = 0; i <= OTHER; i++)
        free(m->at[i]);
}

void route_names_fini(struct route_names *names)
{
    for (size_t i = 0; i < ROUTE_METRICS_ROOM; i++) {
        free(names->at[i]);
        atomic_store(&names->at[i], NULL);
    }
    atomic_store(&names->n, 0);
}
