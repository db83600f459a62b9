/* rows.h - what one webhook leaves in the store of regcast, as bytes: the reference stores the
 * same. An event of a registry's envelope that pushes a new image under a new tag makes two events
 * of regcast's (the image, the tag), each stored as a record of its fields and its JSON; its
 * trigger sends the first of them. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "util.h"

#define ROWS_PACKED_ID  11 /* an event's id in binary */
#define ROWS_SENDER_ID  16 /* a hash */
#define ROWS_FRAME_HEAD 4
#define ROWS_MAX_EVENTS 1000 /* of one request */

struct rows_entry {
    char digest[72], tag[40];
};

/* One request's; made by its sender. */
struct rows {
    uint32_t n; /* events of the envelope */
    struct bytes events, sender_ids;
    struct bytes sent; /* the JSON of the events that are to be sent, one after the other */
    size_t sent_len;   /* of one of them; they are all equally long */
    struct bytes ids;  /* theirs, packed */
    struct rows_entry *entries;
};

static const char ROWS_REGISTRY[] = "crtregistry000000001", ROWS_REPOSITORY[] = "bench/ingest";

static inline void rows_init(struct rows *r, uint32_t n)
{
    *r = (struct rows){.n = n, .entries = calloc(n, sizeof(*r->entries))};
    if (r->entries == NULL)
        die("out of memory");
}

/* A little-endian length, the text, a NUL. */
static inline void rows_field(struct bytes *out, const void *data, size_t n)
{
    uint8_t len[4] = {(uint8_t) n, (uint8_t) (n >> 8), (uint8_t) (n >> 16), (uint8_t) (n >> 24)};
    bytes_add(out, len, sizeof(len));
    bytes_add(out, data, n);
    bytes_add(out, "", 1);
}

static inline size_t rows_json(char *out, size_t size, uint64_t id, const char *type,
                               const struct rows_entry *e)
{
    int n =
        snprintf(out, size,
                 "{\"event_metadata\":{\"event_id\":\"crt%017llx\","
                 "\"event_type\":\"yandex.cloud.events.containerregistry.%s\","
                 "\"created_at\":\"2026-01-02T03:04:05.678901234Z\","
                 "\"tracing_context\":{\"trace_id\":\"\",\"span_id\":\"\",\"parent_span_id\":\"\"},"
                 "\"cloud_id\":\"b1gcloud000000000001\",\"folder_id\":\"b1gfolder00000000001\"},"
                 "\"details\":{\"registry_id\":\"%s\",\"image_id\":\"crt%017llx\",\"repository_"
                 "name\":\"%s/%s\","
                 "\"image_digest\":\"%s\",\"tag\":\"%s\"}}",
                 (unsigned long long) id, type, ROWS_REGISTRY, (unsigned long long) id,
                 ROWS_REGISTRY, ROWS_REPOSITORY, e->digest, e->tag);
    if (n < 0 || (size_t) n >= size)
        die("an event's JSON is too long");
    return (size_t) n;
}

static inline void rows_record(struct bytes *out, const uint8_t id[ROWS_PACKED_ID],
                               const struct rows_entry *e, const char *json, size_t json_len)
{
    bytes_add(out, "E", 2); /* and the kind */
    bytes_add(out, id, ROWS_PACKED_ID);
    rows_field(out, ROWS_REGISTRY, sizeof(ROWS_REGISTRY) - 1);
    rows_field(out, ROWS_REPOSITORY, sizeof(ROWS_REPOSITORY) - 1);
    rows_field(out, e->digest, strlen(e->digest));
    rows_field(out, e->tag, strlen(e->tag));
    rows_field(out, json, json_len);
}

static inline void rows_number(uint8_t *out, size_t size, uint64_t v)
{
    memset(out, 0, size);
    for (size_t i = 0; i < 8; i++)
        out[size - 1 - i] = (uint8_t) (v >> 8 * i);
}

/* Fresh images and tags, numbered from `seq` on. */
static inline void rows_fill(struct rows *r, uint64_t seq)
{
    r->events.len = r->sender_ids.len = r->sent.len = r->ids.len = 0;
    for (uint32_t i = 0; i < r->n; i++, seq++) {
        struct rows_entry *e = &r->entries[i];
        uint64_t mixed = seq * UINT64_C(0x9e3779b97f4a7c15), inverse = ~mixed;
        uint64_t shifted = mixed ^ (seq << 17);
        (void) snprintf(e->digest, sizeof(e->digest), "sha256:%016llx%016llx%016llx%016llx",
                        (unsigned long long) mixed, (unsigned long long) inverse,
                        (unsigned long long) shifted, (unsigned long long) seq);
        (void) snprintf(e->tag, sizeof(e->tag), "s%08llu-t%015llu", (unsigned long long) seq,
                        (unsigned long long) seq);
        uint8_t id[ROWS_PACKED_ID], sender[ROWS_SENDER_ID];
        char json[1024];
        rows_number(id, sizeof(id), 2 * seq);
        r->sent_len = rows_json(json, sizeof(json), 2 * seq, "CreateImage", e);
        rows_record(&r->events, id, e, json, r->sent_len);
        bytes_add(&r->sent, json, r->sent_len);
        bytes_add(&r->ids, id, sizeof(id));
        /* The CreateImageTag is nobody's: it is not stored. */
        rows_number(sender, sizeof(sender), mixed);
        bytes_add(&r->sender_ids, sender, sizeof(sender));
    }
}

#endif
