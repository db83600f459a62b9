/* authorizer_event.c - a handshake as a function is told of it: the JSON of the original's function
 * invocation ("HTTP request structure"). See authorizer_private.h. (pure) */
#include "authorizer_private.h"
#include "json.h"
#include "mem.h"
#include "parameters.h"
#include "path.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

/* --- headers --- */

/* The last of several of one name counts, as the original says. */
static bool comes_again(const struct integration_request *r, size_t i)
{
    for (size_t k = i + 1; k < r->n_headers; k++)
        if (slice_eq_nocase(r->headers[i].name, r->headers[k].name) && !parameters_is_forged(r, k))
            return true;
    return false;
}

static struct slice header_of(const struct integration_request *r, const char *name)
{
    for (size_t i = r->n_headers; i-- > 0;)
        if (slice_eq_nocase(r->headers[i].name, slice_str(name)) && !parameters_is_forged(r, i))
            return r->headers[i].value;
    return (struct slice){0};
}

static void put_headers(struct writer *w, const struct integration_request *r)
{
    open_object(w, "headers");
    for (size_t i = 0; i < r->n_headers; i++)
        if (!parameters_is_forged(r, i) && !comes_again(r, i))
            put_pair(w, r->headers[i].name, r->headers[i].value);
    close_object(w);
}

/* --- pairs of name and value --- */

struct pair {
    struct slice name, value;
    size_t at; /* its place among those of its name */
};

struct pairs {
    struct pair *at;
    size_t n;
};

static int pair_cmp(const void *pa, const void *pb)
{
    const struct pair *a = pa, *b = pb;
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int r = len == 0 ? 0 : memcmp(a->name.data, b->name.data, len);
    if (r == 0)
        r = (a->name.len > b->name.len) - (a->name.len < b->name.len);
    return r != 0 ? r : (a->at > b->at) - (a->at < b->at);
}

static void add_pair(struct pairs *all, struct slice name, struct slice value)
{
    if (name.len > 0) {
        all->at[all->n] = (struct pair){name, value, all->n};
        all->n++;
    }
}

/* One of each name: two in one object would be read by some as the first and by others as the last.
 * Sorted, so that many cost little. */
static void put_pairs(struct writer *w, const char *name, const struct pairs *all, bool last)
{
    open_object(w, name);
    if (all->n > 0)
        qsort(all->at, all->n, sizeof(all->at[0]), pair_cmp);
    for (size_t i = 0; i < all->n; i++) {
        size_t other = last ? i + 1 : i - 1; /* beyond the end for the first and the last */
        if (other >= all->n || !slice_eq(all->at[i].name, all->at[other].name))
            put_pair(w, all->at[i].name, all->at[i].value);
    }
    close_object(w);
}

static struct slice take_until(struct slice *rest, uint8_t separator)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    return part;
}

static size_t count(struct slice text, uint8_t separator)
{
    size_t n = 1;
    for (size_t i = 0; i < text.len; i++)
        n += text.data[i] == separator;
    return n;
}

/* `*to` has room for as much. */
static bool decode(struct slice written, uint8_t **to, struct slice *ret)
{
    size_t len = 0;
    if (parameters_decode(written, true, *to, &len) < 0)
        return false;
    *ret = slice_of(*to, len);
    *to += len;
    return true;
}

static void put_query(struct writer *w, struct slice query)
{
    struct pairs all = {.at = try_calloc(count(query, '&'), sizeof(struct pair))};
    uint8_t *text = try_malloc(query.len + 1), *to = text;
    if (all.at == NULL || text == NULL) {
        w->err = -ENOMEM;
    } else {
        while (query.len > 0) {
            struct slice value = take_until(&query, '&'), name = take_until(&value, '=');
            if (decode(name, &to, &name) && decode(value, &to, &value))
                add_pair(&all, name, value);
        }
        put_pairs(w, "queryStringParameters", &all, true);
    }
    free(text);
    free(all.at);
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static void add_cookies(struct pairs *all, struct slice header)
{
    while (header.len > 0) {
        struct slice value = take_until(&header, ';'), name = take_until(&value, '=');
        add_pair(all, trimmed(name), trimmed(value));
    }
}

static bool is_cookie(const struct header *h)
{
    return slice_eq_nocase(h->name, SLICE_LIT("Cookie"));
}

/* The first of one name counts (RFC 6265 section 5.4: its path is the longest), as it does in
 * parameters.c, where the credential comes from. */
static void put_cookies(struct writer *w, const struct integration_request *r)
{
    size_t most = 1;
    for (size_t i = 0; i < r->n_headers; i++)
        most += is_cookie(&r->headers[i]) ? count(r->headers[i].value, ';') : 0;
    struct pairs all = {.at = try_calloc(most, sizeof(struct pair))};
    if (all.at == NULL) {
        w->err = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < r->n_headers; i++)
        if (is_cookie(&r->headers[i]))
            add_cookies(&all, r->headers[i].value);
    put_pairs(w, "cookies", &all, false);
    free(all.at);
}

static void put_path_value(struct writer *w, const struct integration_request *r, struct slice name)
{
    char text[256];
    size_t len = 0;
    if (name.len >= sizeof(text))
        return;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    struct slice written = parameters_path_value(r->route->path, r->path, text);
    uint8_t *value = try_malloc(written.len + 1);
    if (value == NULL)
        w->err = -ENOMEM;
    else if (parameters_decode(written, false, value, &len) == 0)
        put_pair(w, name, slice_of(value, len));
    free(value);
}

static void put_path_parameters(struct writer *w, const struct integration_request *r)
{
    struct slice rest = slice_str(r->route->path), segment;
    open_object(w, "pathParameters");
    while (path_take_segment(&rest, &segment)) {
        if (segment.len < 3 || segment.data[0] != '{')
            continue;
        size_t tail = segment.data[segment.len - 2] == '+' ? 2 : 1;
        put_path_value(w, r, slice_sub(segment, 1, segment.len - tail));
    }
    close_object(w);
}

/* --- all --- */

/* "23/Nov/2026:17:45:27 +0000", as logs of HTTP servers have it. */
static void put_time(struct writer *w, uint64_t now_s)
{
    static const char MONTHS[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[64];
    time_t seconds = (time_t) now_s;
    struct tm t = {0};
    (void) gmtime_r(&seconds, &t);
    (void) snprintf(text, sizeof(text), "%02d/%s/%d:%02d:%02d:%02d +0000", t.tm_mday,
                    MONTHS[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    put_pair(w, SLICE_LIT("requestTime"), slice_str(text));
}

static void put_context(struct writer *w, const struct integration_request *r, const char *peer,
                        uint64_t now_s)
{
    open_object(w, "requestContext");
    open_object(w, "identity");
    put_pair(w, SLICE_LIT("sourceIp"), slice_str(peer));
    put_pair(w, SLICE_LIT("userAgent"), header_of(r, "User-Agent"));
    close_object(w);
    put_pair(w, SLICE_LIT("httpMethod"), slice_str(r->method));
    put_pair(w, SLICE_LIT("connectionId"),
             header_of(r, PARAMETERS_OWN_PREFIX "Websocket-Connection-Id"));
    put_pair(w, SLICE_LIT("eventType"), header_of(r, PARAMETERS_OWN_PREFIX "Websocket-Event-Type"));
    put_time(w, now_s);
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
    put_query(&w, request->query);
    put_path_parameters(&w, request);
    put_cookies(&w, request);
    put_context(&w, request, peer, now_s);
    put_raw(&w, ",\"body\":\"\",\"isBase64Encoded\":false}");
    if (w.err == 0)
        w.err = buf_append(&w.out, slice_of("", 1));
    char *text = w.err < 0 ? NULL : (char *) try_malloc(w.out.len);
    if (text != NULL)
        memcpy(text, w.out.data, w.out.len);
    buf_fini(&w.out);
    return text;
}
