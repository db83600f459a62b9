/* rest_json.c - see rest_json.h. */
#include "rest_json.h"

#include "digits.h"
#include "json.h"
#include "json_string.h"

#include <stdio.h>
#include <time.h>

#define NS_PER_S   ((uint64_t) 1000000000)
#define TYPE_URL   "type.googleapis.com/"
#define EVENT_TYPE "CONTAINER_REGISTRY_EVENT_TYPE_"

/* --- the writer --- */

struct rest_json rest_json_begin(struct buf *out)
{
    return (struct rest_json){.out = out, .first = true};
}

static void add(struct rest_json *j, int r)
{
    if (j->err == 0)
        j->err = r;
}

static void add_text(struct rest_json *j, const char *text)
{
    if (j->err == 0)
        j->err = buf_append_str(j->out, text);
}

static uint8_t *put(uint8_t *at, struct slice s)
{
    if (s.len > 0)
        memcpy(at, s.data, s.len);
    return at + s.len;
}

/* A member, or with key NULL an item: a list has thousands of them, so there is room for the whole
 * at once. Neither the key, which is ours, nor the value needs escapes; `quote` may be "". */
static void add_plain(struct rest_json *j, const char *key, struct slice value, const char *quote)
{
    struct slice name = slice_str(key == NULL ? "" : key), mark = slice_str(quote);
    uint8_t *at;
    size_t most = name.len + value.len + sizeof(",\"\":\"\"");
    int r = j->err < 0 ? j->err : buf_reserve(j->out, most, &at);
    add(j, r);
    if (r < 0)
        return;
    const uint8_t *start = at;
    if (!j->first)
        *at++ = ',';
    j->first = false;
    if (key != NULL) {
        *at++ = '"';
        at = put(at, name);
        *at++ = '"';
        *at++ = ':';
    }
    at = put(put(put(at, mark), value), mark);
    buf_grew(j->out, (size_t) (at - start));
}

static void add_string(struct rest_json *j, const char *key, struct slice value)
{
    if (json_plain_prefix(value) == value.len) {
        add_plain(j, key, value, "\"");
        return;
    }
    add_plain(j, key, (struct slice){0}, "");
    if (j->err == 0)
        j->err = json_append_string(j->out, value);
}

void rest_json_open(struct rest_json *j, const char *key, char bracket)
{
    add_plain(j, key, slice_of(&bracket, 1), "");
    j->first = true;
}

void rest_json_close(struct rest_json *j, char bracket)
{
    j->first = true; /* nothing comes before it */
    add_plain(j, NULL, slice_of(&bracket, 1), "");
}

void rest_json_slice(struct rest_json *j, const char *key, struct slice value)
{
    add_string(j, key, value);
}

void rest_json_item(struct rest_json *j, const char *value)
{
    add_string(j, NULL, slice_str(value));
}

void rest_json_string(struct rest_json *j, const char *key, const char *value)
{
    add_string(j, key, slice_str(value));
}

void rest_json_raw(struct rest_json *j, const char *key, struct slice value)
{
    add_plain(j, key, value, "");
}

void rest_json_text(struct rest_json *j, const char *key, const char *value)
{
    if (value[0] != '\0')
        add_string(j, key, slice_str(value));
}

void rest_json_int64(struct rest_json *j, const char *key, uint64_t value)
{
    char text[DIGITS_MAX];
    add_plain(j, key, slice_of(text, digits_of(value, text)), "\"");
}

void rest_json_number(struct rest_json *j, const char *key, uint64_t value)
{
    char text[DIGITS_MAX];
    add_plain(j, key, slice_of(text, digits_of(value, text)), "");
}

void rest_json_bool(struct rest_json *j, const char *key, bool value)
{
    add_plain(j, key, slice_str(value ? "true" : "false"), "");
}

/* So many digits of it, with zeros in front. */
static char *print_padded(char *at, uint64_t value, size_t digits)
{
    for (size_t i = digits; i-- > 0; value /= 10)
        at[i] = (char) ('0' + value % 10);
    return at + digits;
}

/* As many of nine digits as it takes, in threes. */
static char *print_fraction(char *at, uint64_t ns)
{
    if (ns == 0)
        return at;
    *at++ = '.';
    size_t digits = ns % 1000000 == 0 ? 3 : ns % 1000 == 0 ? 6 : 9;
    (void) print_padded(at, ns, 9);
    return at + digits;
}

void rest_json_print_time(uint64_t unix_ns, char ret[REST_TIME_SIZE])
{
    time_t seconds = (time_t) (unix_ns / NS_PER_S);
    struct tm tm = {0};
    (void) gmtime_r(&seconds, &tm); /* 64 bits of nanoseconds end in 2554 */
    const struct {
        int value;
        char before;
    } parts[] = {{tm.tm_mon + 1, '-'},
                 {tm.tm_mday, '-'},
                 {tm.tm_hour, 'T'},
                 {tm.tm_min, ':'},
                 {tm.tm_sec, ':'}};
    char *at = print_padded(ret, (uint64_t) tm.tm_year + 1900, 4);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        *at++ = parts[i].before;
        at = print_padded(at, (uint64_t) parts[i].value, 2);
    }
    at = print_fraction(at, unix_ns % NS_PER_S);
    memcpy(at, "Z", 2);
}

void rest_json_time(struct rest_json *j, const char *key, uint64_t unix_ns)
{
    char text[REST_TIME_SIZE];
    rest_json_print_time(unix_ns, text);
    rest_json_text(j, key, unix_ns == 0 ? "" : text);
}

void rest_json_duration(struct rest_json *j, const char *key, uint64_t ms)
{
    char text[DIGITS_MAX + sizeof(".123456789s")];
    char *at = print_fraction(text + digits_of(ms / 1000, text), ms % 1000 * 1000000);
    *at++ = 's';
    add_plain(j, key, slice_of(text, (size_t) (at - text)), "\"");
}

/* --- messages --- */

static void put_filter(struct rest_json *j, const struct filter *filter)
{
    static const char *const KEYS[FILTER_LISTS] = {"imageNames", "tags", "digests", "actors"};
    if (filter == NULL)
        return;
    rest_json_open(j, "filter", '{');
    for (unsigned list = 0; list < FILTER_LISTS; list++) {
        size_t n = filter_size(filter, list);
        if (n == 0)
            continue;
        rest_json_open(j, KEYS[list], '[');
        for (size_t i = 0; i < n; i++)
            rest_json_item(j, filter_at(filter, list, i));
        rest_json_close(j, ']');
    }
    rest_json_close(j, '}');
}

static void put_events(struct rest_json *j, const struct trigger_spec *t)
{
    static const char *const TYPES[] = {EVENT_TYPE "CREATE_IMAGE", EVENT_TYPE "DELETE_IMAGE",
                                        EVENT_TYPE "CREATE_IMAGE_TAG",
                                        EVENT_TYPE "DELETE_IMAGE_TAG"}; /* from 1 on */
    uint8_t types[EVENT_LIST_MAX];
    unsigned n = event_list_get(&t->event_types, types);
    rest_json_open(j, "eventType", '[');
    for (unsigned i = 0; i < n; i++)
        rest_json_item(j, TYPES[types[i] - 1]);
    rest_json_close(j, ']');
    rest_json_text(j, "registryId", t->registry_id);
    rest_json_text(j, "imageName", t->image_name);
    rest_json_text(j, "tag", t->tag);
    put_filter(j, t->filter);
}

static void put_batch(struct rest_json *j, const char *size, const struct trigger_spec *t)
{
    rest_json_open(j, "batchSettings", '{');
    rest_json_int64(j, size, t->batch_size);
    rest_json_duration(j, "cutoff", t->batch_cutoff_ms);
    rest_json_close(j, '}');
}

static void put_broadcast(struct rest_json *j, const struct trigger_spec *t)
{
    rest_json_open(j, "gatewayWebsocketBroadcast", '{');
    rest_json_text(j, "gatewayId", t->gateway_id);
    rest_json_text(j, "path", t->path);
    rest_json_text(j, "serviceAccountId", t->service_account_id);
    rest_json_close(j, '}');
}

static void put_rule(struct rest_json *j, const struct trigger_spec *t)
{
    rest_json_open(j, "rule", '{');
    rest_json_open(j, "containerRegistry", '{');
    put_events(j, t);
    put_batch(j, "size", t);
    put_broadcast(j, t);
    rest_json_close(j, '}');
    rest_json_close(j, '}');
}

/* The same in v2 of the API. */
static void put_source_and_action(struct rest_json *j, const struct trigger_spec *t)
{
    rest_json_open(j, "source", '{');
    rest_json_open(j, "containerRegistry", '{');
    put_events(j, t);
    put_batch(j, "maxCount", t);
    rest_json_close(j, '}');
    rest_json_close(j, '}');
    rest_json_open(j, "action", '[');
    rest_json_open(j, NULL, '{');
    put_broadcast(j, t);
    rest_json_close(j, '}');
    rest_json_close(j, ']');
}

static void put_trigger(struct rest_json *j, const struct trigger_spec *t,
                        void (*put_what)(struct rest_json *j, const struct trigger_spec *t))
{
    rest_json_text(j, "id", t->id);
    rest_json_text(j, "folderId", t->folder_id);
    rest_json_time(j, "createdAt", t->created_ns);
    rest_json_text(j, "name", t->name);
    rest_json_text(j, "description", t->description);
    if (t->n_labels > 0) {
        rest_json_open(j, "labels", '{');
        for (size_t i = 0; i < t->n_labels; i++) {
            add_string(j, NULL, slice_str(t->labels[i].key));
            add_text(j, ":");
            j->first = true; /* of what comes behind the colon; it may be empty */
            add_string(j, NULL, slice_str(t->labels[i].value));
        }
        rest_json_close(j, '}');
    }
    put_what(j, t);
    rest_json_text(j, "status", t->status == TRIGGER_PAUSED ? "PAUSED" : "ACTIVE");
}

void rest_json_trigger(struct rest_json *j, const char *key, const struct trigger_spec *t)
{
    rest_json_open(j, key, '{');
    put_trigger(j, t, put_rule);
    rest_json_close(j, '}');
}

static void put_type(struct rest_json *j, const char *type)
{
    char url[128];
    (void) snprintf(url, sizeof(url), TYPE_URL "%s", type);
    rest_json_text(j, "@type", url);
}

static void put_response(struct rest_json *j, const struct operation *o)
{
    struct trigger_spec t;
    rest_json_open(j, "response", '{');
    put_type(j, operation_response_type(o));
    if (o->response.len == 0) {
        rest_json_open(j, "value", '{');
        rest_json_close(j, '}');
    } else {
        int r = trigger_spec_unpack(buf_slice(&o->response), &t);
        add(j, r);
        if (r == 0) {
            put_trigger(j, &t, o->api == OPERATION_V2 ? put_source_and_action : put_rule);
            trigger_spec_fini(&t);
        }
    }
    rest_json_close(j, '}');
}

void rest_json_operation(struct rest_json *j, const char *key, const struct operation *o)
{
    rest_json_open(j, key, '{');
    rest_json_text(j, "id", o->id);
    rest_json_text(j, "description", operation_description(o->kind));
    rest_json_time(j, "createdAt", o->created_ns);
    rest_json_text(j, "createdBy", o->created_by);
    rest_json_time(j, "modifiedAt", o->modified_ns);
    rest_json_bool(j, "done", true);
    rest_json_open(j, "metadata", '{');
    put_type(j, operation_metadata_type(o));
    rest_json_text(j, "triggerId", o->trigger_id);
    rest_json_close(j, '}');
    put_response(j, o);
    rest_json_close(j, '}');
}

static void put_violations(struct rest_json *j, const struct status *s)
{
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "@type", TYPE_URL "google.rpc.BadRequest");
    rest_json_open(j, "fieldViolations", '[');
    for (size_t i = 0; i < s->n_violations; i++) {
        rest_json_open(j, NULL, '{');
        rest_json_text(j, "field", s->violations[i].field);
        rest_json_text(j, "description", s->violations[i].description);
        rest_json_close(j, '}');
    }
    rest_json_close(j, ']');
    rest_json_close(j, '}');
}

static void put_quota(struct rest_json *j, const struct status_quota *q)
{
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "@type", TYPE_URL "yandex.cloud.quota.QuotaFailure");
    rest_json_open(j, "violations", '[');
    rest_json_open(j, NULL, '{');
    rest_json_open(j, "metric", '{');
    rest_json_text(j, "name", q->name);
    rest_json_int64(j, "limit", q->limit);
    rest_json_number(j, "usage", q->usage); /* a double in the original */
    rest_json_close(j, '}');
    rest_json_int64(j, "required", q->required);
    rest_json_close(j, '}');
    rest_json_close(j, ']');
    rest_json_close(j, '}');
}

void rest_json_status(struct rest_json *j, const struct status *s, const char *request_id)
{
    rest_json_open(j, NULL, '{');
    rest_json_number(j, "code", (uint64_t) s->code);
    rest_json_text(j, "message", s->message);
    rest_json_open(j, "details", '[');
    if (s->n_violations > 0)
        put_violations(j, s);
    if (s->quota.name != NULL)
        put_quota(j, &s->quota);
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "@type", TYPE_URL "google.rpc.RequestInfo");
    rest_json_text(j, "requestId", request_id);
    rest_json_close(j, '}');
    rest_json_close(j, ']');
    rest_json_close(j, '}');
}
