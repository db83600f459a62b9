/* cloud_event.c - see cloud_event.h. */
#include "source/cloud_event.h"

#include "json.h"
#include "mem.h"
#include "source/envelope.h"
#include "source/payload.h"
#include "source/sender_id.h"
#include "utf8.h"

#include <cjson/cJSON.h>
#include <mbedtls/base64.h>
#include <stdio.h>
#include <stdlib.h>

enum mode { MODE_NONE, MODE_BINARY, MODE_STRUCTURED, MODE_BATCHED };

/* --- which mode --- */

static bool starts_nocase(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq_nocase(slice_sub(s, 0, prefix.len), prefix);
}

/* "application/json" and its like (RFC 6838 section 4.2.8). Without a type it is JSON (JSON format
 * section 3.1). */
static bool is_json_type(struct slice content_type)
{
    struct slice type = field_media_type(content_type);
    struct slice end = SLICE_LIT("+json");
    return type.len == 0 || slice_eq_nocase(type, SLICE_LIT("application/json")) ||
           slice_eq_nocase(type, SLICE_LIT("text/json")) ||
           (type.len > end.len && slice_eq_nocase(slice_from(type, type.len - end.len), end));
}

static enum mode mode_of(const struct source_request *req)
{
    struct slice value;
    if (starts_nocase(req->content_type, SLICE_LIT("application/cloudevents-batch")))
        return MODE_BATCHED;
    if (starts_nocase(req->content_type, SLICE_LIT("application/cloudevents")))
        return MODE_STRUCTURED;
    if (headers_only(req->headers, "ce-specversion").len > 0)
        return MODE_BINARY;
    bool plain =
        slice_eq_nocase(field_media_type(req->content_type), SLICE_LIT("application/json"));
    if (plain && json_member(envelope_trim(req->body), "specversion", &value) == 0)
        return MODE_STRUCTURED;
    return MODE_NONE;
}

const char *cloud_event_known_by(const struct source_request *req)
{
    switch (mode_of(req)) {
    case MODE_BINARY:
        return "header ce-specversion";
    case MODE_BATCHED:
        return "content type";
    case MODE_STRUCTURED:
        return starts_nocase(req->content_type, SLICE_LIT("application/cloudevents"))
                   ? "content type"
                   : "member specversion";
    case MODE_NONE:
        break;
    }
    return NULL;
}

/* The value of `type`, as it stands in the request; of a string what is between the quotes. */
static struct slice first_type(const struct source_request *req, enum mode mode)
{
    struct slice event = envelope_trim(req->body), value;
    size_t at = 0;
    if (mode == MODE_BINARY)
        return headers_only(req->headers, "ce-type");
    if (mode == MODE_BATCHED) {
        bool is_array = event.len > 0 && event.data[0] == '[';
        if (!is_array || json_next(event, &at, &event) != 0)
            return (struct slice){0};
    }
    if (json_member(event, "type", &value) != 0 || value.len < 2 || value.data[0] != '"')
        return (struct slice){0};
    return slice_sub(value, 1, value.len - 1);
}

const char *cloud_event_of_type(const struct source_request *req, const char *prefix)
{
    enum mode mode = mode_of(req);
    if (mode == MODE_NONE)
        return NULL;
    struct slice type = first_type(req, mode), want = slice_str(prefix);
    bool fits = type.len >= want.len && slice_eq(slice_sub(type, 0, want.len), want);
    return fits ? "CloudEvent type" : NULL;
}

/* --- one event --- */

/* Its data as a tree: NULL where there is none, or where it is no JSON. */
static int open_data(struct slice data, struct slice content_type, struct cJSON **ret,
                     const char **ret_why)
{
    *ret = NULL;
    if (data.len == 0 || !is_json_type(content_type))
        return 0;
    return payload_open(data, ret, ret_why);
}

/* NULL, or the first attribute that is wrong. */
static const char *wrong_attribute(const struct cloud_event *e, const char *specversion)
{
    const struct {
        const char *name, *value;
        bool required;
    } ALL[] = {
        {"specversion", specversion, true}, {"id", e->id, true},
        {"source", e->source, true},        {"type", e->type, true},
        {"subject", e->subject, false},     {"time", e->time, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++) {
        const char *value = ALL[i].value;
        if (value == NULL || (ALL[i].required && value[0] == '\0') ||
            strnlen(value, CLOUD_EVENT_ATTRIBUTE_MAX + 1) > CLOUD_EVENT_ATTRIBUTE_MAX)
            return ALL[i].name;
    }
    return strcmp(specversion, "1.0") == 0 ? NULL : "specversion";
}

/* The bytes that data_base64 stands for, for free(); *ret is NULL when there are none. */
static int decode_base64(const char *text, uint8_t **ret, size_t *ret_len, const char **ret_why)
{
    size_t cap = strlen(text) / 4 * 3 + 3;
    uint8_t *bytes = try_malloc(cap);
    if (bytes == NULL)
        return -ENOMEM;
    if (mbedtls_base64_decode(bytes, cap, ret_len, (const uint8_t *) text, strlen(text)) != 0) {
        free(bytes);
        *ret_why = "data_base64";
        return -EBADMSG;
    }
    *ret = bytes;
    return 0;
}

/* The data that is not a JSON value of the event itself. */
static int open_base64(const struct cJSON *root, struct cJSON **ret, const char **ret_why)
{
    const char *text = payload_text(root, "/data_base64");
    const char *type = payload_text(root, "/datacontenttype");
    uint8_t *bytes = NULL;
    size_t len = 0;
    *ret = NULL;
    if (text == NULL || type == NULL) {
        *ret_why = text == NULL ? "data_base64" : "datacontenttype";
        return -EBADMSG;
    }
    if (text[0] == '\0')
        return 0;
    int r = decode_base64(text, &bytes, &len, ret_why);
    if (r == 0)
        r = open_data(slice_of(bytes, len), slice_str(type), ret, ret_why);
    free(bytes);
    return r;
}

static void read_tree(const struct cJSON *root, struct slice text, cloud_event_read *read,
                      const struct source_sink *sink, struct cJSON *decoded)
{
    const struct cJSON *data = payload_at(root, "/data");
    const struct cloud_event e = {
        .id = payload_text(root, "/id"),
        .source = payload_text(root, "/source"),
        .type = payload_text(root, "/type"),
        .subject = payload_text(root, "/subject"),
        .time = payload_text(root, "/time"),
        .data = data != NULL && !cJSON_IsNull(data) ? data : decoded,
        .attributes = root,
        .excerpt = text,
    };
    const char *wrong = wrong_attribute(&e, payload_text(root, "/specversion"));
    if (wrong != NULL)
        sink->set_aside(sink->ctx, wrong, text);
    else
        read(&e, sink);
}

/* One event in the JSON format. 0, or -ENOMEM. */
static int read_json(struct slice text, cloud_event_read *read, const struct source_sink *sink)
{
    struct cJSON *root = NULL, *decoded = NULL;
    const char *why = "event_type";
    int r = payload_open(text, &root, &why);
    if (r == 0)
        r = cJSON_IsObject(root) ? open_base64(root, &decoded, &why) : -EBADMSG;
    if (r == 0)
        read_tree(root, text, read, sink, decoded);
    if (r == -EBADMSG)
        sink->set_aside(sink->ctx, why, text);
    payload_close(decoded);
    payload_close(root);
    return r == -EBADMSG ? 0 : r;
}

/* --- the header fields of binary mode --- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that %XX at `at` stands for; -1: it is a plain percent sign. */
static int percent_encoded(struct slice s, size_t at)
{
    if (s.data[at] != '%' || s.len - at < 3)
        return -1;
    int high = hex_digit(s.data[at + 1]), low = hex_digit(s.data[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

struct attribute {
    char text[CLOUD_EVENT_ATTRIBUTE_MAX + 1];
};

/* Quoted strings as what they stand for (RFC 9110 section 5.6.4), into `ret`, which has room for
 * all of `value`. False: one does not end. */
static bool unquote(struct slice value, uint8_t *ret, size_t *ret_len)
{
    bool quoted = false;
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (quoted && c == '\\') {
            if (++i == value.len)
                return false;
            c = value.data[i];
        }
        ret[n++] = c;
    }
    *ret_len = n;
    return !quoted;
}

/* Percent-encoding is undone once, after the quotes: what they hold is encoded, too. */
static size_t percent_decode(struct slice s, uint8_t *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        int encoded = percent_encoded(s, i);
        if (encoded >= 0)
            i += 2;
        ret[n++] = encoded < 0 ? s.data[i] : (uint8_t) encoded;
    }
    return n;
}

/* "" when there is no such header; NULL when its value is none, or is too long. */
static const char *read_header(const struct source_request *req, const char *name,
                               struct attribute *ret)
{
    enum { LONGEST = 3 * CLOUD_EVENT_ATTRIBUTE_MAX }; /* each byte may be encoded */
    uint8_t plain[LONGEST];
    size_t len = 0;
    struct slice value = headers_only(req->headers, name);
    if (value.len > LONGEST || !unquote(value, plain, &len))
        return NULL;
    len = percent_decode(slice_of(plain, len), plain);
    bool fits = len <= CLOUD_EVENT_ATTRIBUTE_MAX && utf8_valid(slice_of(plain, len)) &&
                memchr(plain, '\0', len) == NULL;
    if (!fits)
        return NULL;
    memcpy(ret->text, plain, len);
    ret->text[len] = '\0';
    return ret->text;
}

static int read_binary(const struct source_request *req, cloud_event_read *read,
                       const struct source_sink *sink)
{
    struct attribute specversion, id, source, type, subject, time;
    struct cJSON *data = NULL;
    const struct cloud_event e = {
        .id = read_header(req, "ce-id", &id),
        .source = read_header(req, "ce-source", &source),
        .type = read_header(req, "ce-type", &type),
        .subject = read_header(req, "ce-subject", &subject),
        .time = read_header(req, "ce-time", &time),
        .excerpt = req->body,
    };
    const char *why = wrong_attribute(&e, read_header(req, "ce-specversion", &specversion));
    int r = why != NULL ? -EBADMSG : open_data(req->body, req->content_type, &data, &why);
    if (r == 0) {
        struct cloud_event whole = e;
        whole.data = data;
        read(&whole, sink);
    } else if (r == -EBADMSG) {
        sink->set_aside(sink->ctx, why, req->body);
        r = 0;
    }
    payload_close(data);
    return r;
}

/* --- the request --- */

static int read_batch(const struct source_request *req, cloud_event_read *read,
                      const struct source_sink *sink, const char **ret_why)
{
    struct envelope all;
    struct slice event;
    int r = envelope_open(req->body, NULL, &all, ret_why);
    while (r == 0 && envelope_next(&all, &event))
        r = read_json(event, read, sink);
    return r;
}

int cloud_event_each(const struct source_request *req, cloud_event_read *read,
                     const struct source_sink *sink, const char **ret_why)
{
    enum mode mode = mode_of(req);
    if (mode == MODE_NONE) {
        *ret_why = "no_cloud_event";
        return -EBADMSG;
    }
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    if (mode == MODE_BINARY)
        return read_binary(req, read, sink);
    struct slice type = field_media_type(req->content_type);
    struct slice bare = mode == MODE_BATCHED ? SLICE_LIT("application/cloudevents-batch")
                                             : SLICE_LIT("application/cloudevents");
    if (!is_json_type(type) && !slice_eq_nocase(type, bare)) {
        *ret_why = "format"; /* Avro, Protobuf, XML */
        return -EBADMSG;
    }
    return mode == MODE_BATCHED ? read_batch(req, read, sink, ret_why)
                                : read_json(req->body, read, sink);
}

const char *cloud_event_sender_id(const struct cloud_event *event, char ret[FIELD_ID_MAX + 1])
{
    int len = snprintf(ret, FIELD_ID_MAX + 1, "%s %s", event->source, event->id);
    bool clear = strchr(event->source, ' ') == NULL; /* a URI has none, and then only one reading */
    if (clear && len > 0 && len <= FIELD_ID_MAX)
        return ret;
    return sender_id((const char *const[]){event->source, event->id}, 2, ret);
}
