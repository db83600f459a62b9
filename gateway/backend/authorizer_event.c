/* authorizer_event.c - a handshake as a function is told of it: the JSON of the original's function
 * invocation ("HTTP request structure"). See authorizer_private.h. (pure) */
#include "authorizer_private.h"
#include "clock.h"
#include "json.h"
#include "parameters.h"
#include "path.h"
#include "utf8.h"

#include <stdlib.h>

#define EVENT_MAX 262144

struct writer {
    struct buf out;
    int err;
    bool first; /* of its object */
};

static void put_raw(struct writer *w, const char *text)
{
    if (w->err == 0)
        w->err = buf_append_str(&w->out, text);
}

static void put_string(struct writer *w, struct slice text)
{
    if (w->err == 0)
        w->err = json_append_string(&w->out, text);
}

static void put_name(struct writer *w, struct slice name)
{
    put_raw(w, w->first ? "" : ",");
    w->first = false;
    put_string(w, name);
    put_raw(w, ":");
}

static void open_object(struct writer *w, const char *name)
{
    put_name(w, slice_str(name));
    put_raw(w, "{");
    w->first = true;
}

static void close_object(struct writer *w)
{
    put_raw(w, "}");
    w->first = false;
}

/* What is no UTF-8 has no place in JSON, and is left out. */
static void put_pair(struct writer *w, struct slice name, struct slice value)
{
    if (!utf8_valid(name) || !utf8_valid(value))
        return;
    put_name(w, name);
    put_string(w, value);
}

static void put_decoded(struct writer *w, struct slice name, struct slice written, bool plus)
{
    uint8_t *text = malloc(name.len + written.len + 1);
    size_t name_len = 0, len = 0;
    if (text == NULL)
        w->err = -ENOMEM;
    else if (parameters_decode(name, plus, text, &name_len) == 0 &&
             parameters_decode(written, plus, text + name_len, &len) == 0)
        put_pair(w, slice_of(text, name_len), slice_of(text + name_len, len));
    free(text);
}

/* The last of several of one name counts, as in any JSON object: earlier ones are left out. */
static bool comes_again(const struct integration_request *r, size_t i)
{
    for (size_t k = i + 1; k < r->n_headers; k++)
        if (slice_eq_nocase(r->headers[i].name, r->headers[k].name))
            return true;
    return false;
}

static void put_headers(struct writer *w, const struct integration_request *r)
{
    open_object(w, "headers");
    for (size_t i = 0; i < r->n_headers; i++)
        if (!parameters_is_forged(r, i) && !comes_again(r, i))
            put_pair(w, r->headers[i].name, r->headers[i].value);
    close_object(w);
}

static struct slice take_until(struct slice *rest, uint8_t separator)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    while (part.len > 0 && part.data[0] == ' ')
        part = slice_from(part, 1);
    return part;
}

static void put_pairs(struct writer *w, const char *name, struct slice text, uint8_t separator,
                      bool decode)
{
    open_object(w, name);
    while (text.len > 0) {
        struct slice value = take_until(&text, separator), key = take_until(&value, '=');
        if (key.len > 0 && decode)
            put_decoded(w, key, value, true);
        else if (key.len > 0)
            put_pair(w, key, value);
    }
    close_object(w);
}

static void put_path_parameters(struct writer *w, const struct integration_request *r)
{
    struct slice rest = slice_str(r->route->path), segment;
    open_object(w, "pathParameters");
    while (path_take_segment(&rest, &segment)) {
        char name[256];
        size_t len = segment.len;
        if (len < 3 || segment.data[0] != '{' || len >= sizeof(name))
            continue;
        len -= segment.data[len - 2] == '+' ? 3 : 2;
        memcpy(name, segment.data + 1, len);
        name[len] = '\0';
        put_decoded(w, slice_of(name, len), parameters_path_value(r->route->path, r->path, name),
                    false);
    }
    close_object(w);
}

static struct slice header_of(const struct integration_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (slice_eq_nocase(r->headers[i].name, slice_str(name)))
            return r->headers[i].value;
    return (struct slice){0};
}

static void put_context(struct writer *w, const struct integration_request *r, const char *peer,
                        uint64_t now_s)
{
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(now_s * 1000, time);
    open_object(w, "requestContext");
    open_object(w, "identity");
    put_pair(w, SLICE_LIT("sourceIp"), slice_str(peer));
    put_pair(w, SLICE_LIT("userAgent"), header_of(r, "User-Agent"));
    close_object(w);
    put_pair(w, SLICE_LIT("httpMethod"), slice_str(r->method));
    put_pair(w, SLICE_LIT("connectionId"), header_of(r, PARAMETERS_OWN_PREFIX "Connection-Id"));
    put_pair(w, SLICE_LIT("eventType"), header_of(r, PARAMETERS_OWN_PREFIX "Event-Type"));
    put_pair(w, SLICE_LIT("requestTime"), slice_str(time));
    put_name(w, SLICE_LIT("requestTimeEpoch"));
    if (w->err == 0)
        w->err = buf_printf(&w->out, "%llu", (unsigned long long) now_s);
    close_object(w);
}

char *authorizer_event(const struct integration_request *request, const char *peer, uint64_t now_s)
{
    struct writer w = {.first = true};
    buf_init(&w.out, EVENT_MAX);
    put_raw(&w, "{");
    put_pair(&w, SLICE_LIT("resource"), slice_str(request->route->path));
    put_pair(&w, SLICE_LIT("path"), request->path);
    put_pair(&w, SLICE_LIT("httpMethod"), slice_str(request->method));
    put_headers(&w, request);
    put_pairs(&w, "queryStringParameters", request->query, '&', true);
    put_path_parameters(&w, request);
    put_pairs(&w, "cookies", header_of(request, "Cookie"), ';', false);
    put_context(&w, request, peer, now_s);
    put_raw(&w, ",\"body\":\"\",\"isBase64Encoded\":false}");
    if (w.err == 0)
        w.err = buf_append(&w.out, slice_of("", 1));
    char *text = w.err < 0 ? NULL : (char *) malloc(w.out.len);
    if (text != NULL)
        memcpy(text, w.out.data, w.out.len);
    buf_fini(&w.out);
    return text;
}
