/* webhook_record.c - see webhook_record.h. */
#include "webhook_record.h"

#include "tagged.h"

enum { KIND = 'W', VERSION = 1 };
enum {
    REGISTRY = 1,
    RECEIVED,
    FLAGS,
    LETTER,
    PEER,
    CONTENT_TYPE,
    TRACEPARENT,
    DELIVERY_ID,
    HEADER, /* "name:value", as often as there are */
    EVENT,
    BODY
};
enum { FLAG_OWN = 1, FLAG_SUSPECT = 2 };

static const struct slice HIDDEN = SLICE_INIT("-");

/* --- packing --- */

static int put_some(struct buf *out, uint8_t tag, struct slice value, size_t max)
{
    return value.len == 0 || value.len > max ? 0 : tagged_put(out, tag, value);
}

static int put_header(struct buf *out, const struct header *h,
                      const struct config_registry *registry)
{
    struct slice value = letter_headers_secret(h->name, registry) ? HIDDEN : h->value;
    struct buf line;
    buf_init(&line, SIZE_MAX / 2);
    int r = buf_append(&line, h->name);
    if (r == 0)
        r = buf_append_str(&line, ":");
    if (r == 0)
        r = buf_append(&line, value);
    if (r == 0)
        r = tagged_put(out, HEADER, buf_slice(&line));
    buf_fini(&line);
    return r;
}

static int put_all(const struct webhook_record *w, const struct config_registry *registry,
                   struct buf *out)
{
    uint64_t flags = (w->own ? FLAG_OWN : 0) | (w->suspect ? FLAG_SUSPECT : 0);
    int r = tagged_begin(out, KIND, VERSION);
    if (r == 0)
        r = tagged_put(out, REGISTRY, w->registry_id);
    if (r == 0)
        r = tagged_put_u64(out, RECEIVED, w->received_ms);
    if (r == 0 && flags != 0)
        r = tagged_put_u64(out, FLAGS, flags);
    if (r == 0 && w->letter != 0)
        r = tagged_put_u64(out, LETTER, w->letter);
    if (r == 0)
        r = put_some(out, PEER, w->peer, WEBHOOK_RECORD_ID_MAX);
    if (r == 0)
        r = put_some(out, CONTENT_TYPE, w->content_type, WEBHOOK_RECORD_TEXT);
    if (r == 0)
        r = put_some(out, TRACEPARENT, w->traceparent, WEBHOOK_RECORD_TEXT);
    if (r == 0)
        r = put_some(out, DELIVERY_ID, w->delivery_id, VERIFY_ID_MAX);
    for (size_t i = 0; r == 0 && i < w->headers.n; i++)
        r = put_header(out, &w->headers.at[i], registry);
    if (r == 0)
        r = put_some(out, EVENT, w->event, SIZE_MAX);
    return r == 0 ? tagged_put(out, BODY, w->body) : r;
}

int webhook_record_pack(const struct webhook_record *r, const struct config_registry *registry,
                        struct buf *out)
{
    size_t before = out->len;
    if (r->registry_id.len == 0 || r->registry_id.len > WEBHOOK_RECORD_ID_MAX)
        return -EINVAL;
    if (r->headers.n > WEBHOOK_RECORD_HEADERS)
        return -EMSGSIZE;
    int err = put_all(r, registry, out);
    if (err < 0)
        out->len = before;
    return err;
}

/* --- unpacking --- */

static bool take_text(const struct tagged_field *f, size_t max, struct slice *ret)
{
    *ret = f->value;
    return tagged_text(f, max);
}

static bool take_header(const struct tagged_field *f, struct header fields[WEBHOOK_RECORD_HEADERS],
                        size_t *n)
{
    const uint8_t *colon = f->value.len == 0 ? NULL : memchr(f->value.data, ':', f->value.len);
    if (colon == NULL || colon == f->value.data || *n == WEBHOOK_RECORD_HEADERS ||
        !tagged_text(f, f->value.len))
        return false;
    size_t name_len = (size_t) (colon - f->value.data);
    fields[*n].name = slice_sub(f->value, 0, name_len);
    fields[(*n)++].value = slice_from(f->value, name_len + 1);
    return true;
}

static bool take_flags(const struct tagged_field *f, struct webhook_record *w)
{
    uint64_t flags;
    if (!tagged_u64(f, &flags))
        return false;
    w->own = (flags & FLAG_OWN) != 0;
    w->suspect = (flags & FLAG_SUSPECT) != 0;
    return true;
}

static bool take(const struct tagged_field *f, struct header fields[WEBHOOK_RECORD_HEADERS],
                 struct webhook_record *w)
{
    switch (f->tag) {
    case REGISTRY:
        return f->value.len > 0 && take_text(f, WEBHOOK_RECORD_ID_MAX, &w->registry_id);
    case RECEIVED:
        return tagged_u64(f, &w->received_ms);
    case FLAGS:
        return take_flags(f, w);
    case LETTER:
        return tagged_u64(f, &w->letter);
    case PEER:
        return take_text(f, WEBHOOK_RECORD_ID_MAX, &w->peer);
    case CONTENT_TYPE:
        return take_text(f, WEBHOOK_RECORD_TEXT, &w->content_type);
    case TRACEPARENT:
        return take_text(f, WEBHOOK_RECORD_TEXT, &w->traceparent);
    case DELIVERY_ID:
        return take_text(f, VERIFY_ID_MAX, &w->delivery_id);
    case HEADER:
        return take_header(f, fields, &w->headers.n);
    case EVENT:
        w->event = f->value;
        return true;
    case BODY:
        w->body = f->value;
        return true;
    default:
        return true; /* of a later version */
    }
}

int webhook_record_unpack(struct slice packed, struct header fields[WEBHOOK_RECORD_HEADERS],
                          struct webhook_record *ret)
{
    struct webhook_record w = {.headers.at = fields};
    struct tagged_field f;
    struct tagged t;
    int r;
    if (!tagged_open(&t, packed, KIND, VERSION))
        return -EBADMSG;
    while ((r = tagged_next(&t, &f)) == 1)
        if (!take(&f, fields, &w))
            return -EBADMSG;
    if (r < 0 || w.registry_id.len == 0 ||
        w.body.data == NULL) /* which is always there, and last */
        return -EBADMSG;
    *ret = w;
    return 0;
}
