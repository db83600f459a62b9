/* grpc_status.c - see grpc_status.h. */
#include "grpc_status.h"

#include "pb.h"

#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <mbedtls/base64.h>
#include <yandex/cloud/quota/quota.pb-c.h>

#define TYPE_URL    "type.googleapis.com/"
#define MAX_DETAILS 3
#define MAX_PACKED  (GRPC_STATUS_MAX_DETAILS / 4 * 3)
#define MAX_DIGITS  8 /* of a timeout */
#define NS_PER_MS   1000000

/* --- grpc-message --- */

/* Spaces at either end would not be part of an HTTP field's value (RFC 9113 section 8.2.1). */
static bool is_plain(const char *text, size_t at)
{
    char c = text[at];
    if (c == ' ')
        return at > 0 && text[at + 1] != '\0';
    return c > ' ' && c <= '~' && c != '%';
}

int grpc_status_message(const char *message, struct buf *out)
{
    static const char HEX[] = "0123456789ABCDEF";
    size_t start = out->len;
    int r = 0;
    for (size_t i = 0; r == 0 && message[i] != '\0'; i++) {
        uint8_t c = (uint8_t) message[i];
        char code[] = {'%', HEX[c >> 4], HEX[c & 15]};
        r = buf_append(out, is_plain(message, i) ? slice_of(&message[i], 1) : slice_of(code, 3));
    }
    if (r < 0)
        out->len = start;
    return r;
}

/* --- grpc-status-details-bin: all in an arena; a status has a bounded size --- */

struct details {
    struct pb_arena arena;
    size_t n;
    Google__Protobuf__Any *at[MAX_DETAILS];
};

static void add(struct details *d, const char *type_url, const ProtobufCMessage *m)
{
    Google__Protobuf__Any *any = pb_alloc(&d->arena, sizeof(*any));
    google__protobuf__any__init(any);
    any->type_url = pb_text(&d->arena, slice_str(type_url));
    any->value.len = protobuf_c_message_get_packed_size(m);
    any->value.data = pb_alloc(&d->arena, any->value.len);
    (void) protobuf_c_message_pack(m, any->value.data);
    d->at[d->n++] = any;
}

static void add_violations(struct details *d, const struct status *s, size_t n)
{
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    Google__Rpc__BadRequest__FieldViolation violations[STATUS_MAX_VIOLATIONS];
    Google__Rpc__BadRequest__FieldViolation *at[STATUS_MAX_VIOLATIONS];
    for (size_t i = 0; i < n; i++) {
        at[i] = &violations[i];
        google__rpc__bad_request__field_violation__init(at[i]);
        at[i]->field = pb_text(&d->arena, slice_str(s->violations[i].field));
        at[i]->description = pb_text(&d->arena, slice_str(s->violations[i].description));
    }
    bad.n_field_violations = n;
    bad.field_violations = at;
    add(d, TYPE_URL "google.rpc.BadRequest", &bad.base);
}

static void add_quota(struct details *d, const struct status_quota *q)
{
    Yandex__Cloud__Quota__QuotaMetric metric = YANDEX__CLOUD__QUOTA__QUOTA_METRIC__INIT;
    Yandex__Cloud__Quota__QuotaFailure__Violation violation =
        YANDEX__CLOUD__QUOTA__QUOTA_FAILURE__VIOLATION__INIT;
    Yandex__Cloud__Quota__QuotaFailure failure = YANDEX__CLOUD__QUOTA__QUOTA_FAILURE__INIT;
    Yandex__Cloud__Quota__QuotaFailure__Violation *at[] = {&violation};
    metric.name = pb_text(&d->arena, slice_str(q->name));
    metric.limit = (int64_t) q->limit;
    metric.usage = (double) q->usage;
    violation.metric = &metric;
    violation.required = (int64_t) q->required;
    failure.n_violations = 1;
    failure.violations = at;
    add(d, TYPE_URL "yandex.cloud.quota.QuotaFailure", &failure.base);
}

static void add_request(struct details *d, const char *request_id)
{
    Google__Rpc__RequestInfo info = GOOGLE__RPC__REQUEST_INFO__INIT;
    info.request_id = pb_text(&d->arena, slice_str(request_id));
    add(d, TYPE_URL "google.rpc.RequestInfo", &info.base);
}

static int append_base64(struct slice s, struct buf *out)
{
    size_t n, size = s.len / 3 * 4 + 5; /* the last group, and mbedTLS's NUL */
    uint8_t *room;
    int r = buf_reserve(out, size, &room);
    if (r < 0)
        return r;
    r = mbedtls_base64_encode(room, size, &n, s.data, s.len);
    ASSERT(r == 0);
    while (n > 0 && room[n - 1] == '=')
        n--;
    buf_grew(out, n);
    return 0;
}

/* With so many of its violations. */
static int pack(const struct status *s, size_t n_violations, const char *request_id,
                struct buf *packed)
{
    struct details d = {.n = 0};
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    pb_arena_init(&d.arena, 0); /* nothing is read into it */
    status.code = (int32_t) s->code;
    status.message = pb_text(&d.arena, slice_str(s->message));
    if (n_violations > 0)
        add_violations(&d, s, n_violations);
    if (s->quota.name != NULL)
        add_quota(&d, &s->quota);
    add_request(&d, request_id);
    status.n_details = d.n;
    status.details = d.at;
    int r = pb_pack(&status.base, packed);
    pb_arena_fini(&d.arena);
    return r;
}

int grpc_status_details(const struct status *s, const char *request_id, struct buf *out)
{
    struct buf packed;
    size_t n = s->n_violations;
    buf_init(&packed, SIZE_MAX);
    int r = pack(s, n, request_id, &packed);
    while (r == 0 && n > 0 && packed.len > MAX_PACKED) {
        buf_clear(&packed);
        r = pack(s, --n, request_id, &packed);
    }
    if (r == 0)
        r = append_base64(buf_slice(&packed), out);
    buf_fini(&packed);
    return r;
}

/* --- grpc-timeout --- */

static uint64_t unit_ns(uint8_t unit) /* 0: there is none such */
{
    switch (unit) {
    case 'H':
        return 3600 * UINT64_C(1000000000);
    case 'M':
        return 60 * UINT64_C(1000000000);
    case 'S':
        return 1000000000;
    case 'm':
        return NS_PER_MS;
    case 'u':
        return 1000;
    case 'n':
        return 1;
    default:
        return 0;
    }
}

int grpc_status_timeout(struct slice text, uint64_t *ret_ms)
{
    uint64_t value = 0, unit = text.len == 0 ? 0 : unit_ns(text.data[text.len - 1]);
    if (unit == 0 || text.len < 2 || text.len > MAX_DIGITS + 1)
        return -EINVAL;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -EINVAL;
        value = value * 10 + (uint64_t) (text.data[i] - '0');
    }
    /* 8 digits of hours are 3.6e20 ns, more than 64 bits: so not all through nanoseconds */
    *ret_ms =
        unit >= NS_PER_MS ? value * (unit / NS_PER_MS) : (value * unit + NS_PER_MS - 1) / NS_PER_MS;
    return 0;
}
