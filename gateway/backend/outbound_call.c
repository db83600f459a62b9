/* outbound_call.c - a call's copy of its request, in one piece of memory, and what is refused
 * before curl sees it. See outbound_private.h. */
#include "outbound_private.h"

#include "mem.h"

#include <stdlib.h>

#define MAX_METHOD 32

/* What curl adds by itself unless it is told not to, and the line that tells it. */
static const struct {
    const char *name;
    bool always;
    const char *line;
} OWN[] = {
    {"Expect", true, "Expect:"},
    {"Accept", false, "Accept:"},
    {"Content-Type", false, "Content-Type:"},
};

/* Of one connection only, or curl's. */
static const char *const DROPPED[] = {
    "Host",           "Content-Length",    "Connection",
    "Keep-Alive",     "Transfer-Encoding", "TE",
    "Trailer",        "Upgrade",           "Expect",
    "HTTP2-Settings", "Proxy-Connection",  "Proxy-Authorization",
};

static const char *const REPEATABLE[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};

/* --- the URL --- */

static int append_lower(struct buf *b, const char *text)
{
    uint8_t *at;
    size_t len = strlen(text);
    int r = buf_reserve(b, len, &at);
    if (r < 0)
        return r;
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t) (text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
    buf_grew(b, len);
    return 0;
}

/* What is wrong with it; NULL: nothing. */
static const char *check_parts(const char *scheme, const char *host, const char *port)
{
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        return "the URL's scheme is not http or https";
    if (host[0] == '\0')
        return "the URL has no host";
    if (strlen(host) > OUTBOUND_HOST_BYTES)
        return "the URL's host is too long";
    return strtoul(port, NULL, 10) == 0 ? "the URL's port is 0" : NULL;
}

static int refused_by_curl(CURLUcode code, const char **ret_why)
{
    *ret_why = curl_url_strerror(code); /* static */
    return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EACCES;
}

static int origin_of(CURLU *url, struct buf *origin, const char **ret_why)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLUcode code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_HOST, &host, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    int r = 0;
    if (code != CURLUE_OK) {
        r = refused_by_curl(code, ret_why);
    } else {
        *ret_why = check_parts(scheme, host, port);
        r = *ret_why == NULL ? 0 : -EACCES;
    }
    buf_clear(origin);
    if (r == 0)
        r = append_lower(origin, scheme);
    if (r == 0)
        r = buf_append_str(origin, "://");
    if (r == 0)
        r = append_lower(origin, host);
    if (r == 0)
        r = buf_append_str(origin, ":");
    if (r == 0)
        r = buf_append_str(origin, port);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return r;
}

/* curl's own parser, so that what is checked is what is asked. */
static int check_url(const char *text, struct buf *origin, const char **ret_why)
{
    CURLU *url = curl_url();
    if (url == NULL)
        return -ENOMEM;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
    int r = code == CURLUE_OK ? origin_of(url, origin, ret_why) : refused_by_curl(code, ret_why);
    curl_url_cleanup(url);
    return r;
}

/* --- headers --- */

static bool is_any_of(struct slice name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq_nocase(name, slice_str(names[i])))
            return true;
    return false;
}

static bool is_tchar(uint8_t c) /* RFC 9110 section 5.6.2 */
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_tchar(s.data[i]))
            return false;
    return s.len > 0;
}

static bool is_sendable(const struct header *h)
{
    for (size_t i = 0; i < h->value.len; i++)
        if ((h->value.data[i] < ' ' && h->value.data[i] != '\t') || h->value.data[i] == 0x7f)
            return false;
    return is_token(h->name);
}

/* curl takes "Name:" for an order to leave its own away, and "Name;" for an empty header. */
static bool is_empty(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] != ' ' && value.data[i] != '\t')
            return false;
    return true;
}

struct text { /* where the next one goes */
    struct curl_slist *line, **end;
    char *at;
};

static char *put(struct text *t, const void *data, size_t len)
{
    char *at = t->at;
    if (len > 0)
        memcpy(at, data, len);
    t->at += len;
    return at;
}

static char *put_text(struct text *t, struct slice s)
{
    char *at = put(t, s.data, s.len);
    (void) put(t, "", 1);
    return at;
}

static void put_line(struct text *t, char *line)
{
    struct curl_slist *node = t->line++;
    *node = (struct curl_slist){.data = line};
    *t->end = node;
    t->end = &node->next;
}

static void put_headers(struct text *t, const struct outbound_request *request)
{
    bool given[ARRAY_LEN(OWN)] = {false};
    for (size_t i = 0; i < request->n_headers; i++) {
        const struct header *h = &request->headers[i];
        if (is_any_of(h->name, DROPPED, ARRAY_LEN(DROPPED)))
            continue;
        for (size_t k = 0; k < ARRAY_LEN(OWN); k++)
            given[k] = given[k] || slice_eq_nocase(h->name, slice_str(OWN[k].name));
        char *line = put(t, h->name.data, h->name.len);
        if (is_empty(h->value)) {
            (void) put_text(t, SLICE_LIT(";"));
        } else {
            (void) put(t, ": ", 2);
            (void) put_text(t, h->value);
        }
        put_line(t, line);
    }
    for (size_t k = 0; k < ARRAY_LEN(OWN); k++)
        if (!given[k] || OWN[k].always)
            put_line(t, (char *) (uintptr_t) OWN[k].line); /* curl only reads it */
}

/* --- the copy --- */

static size_t lines_of(const struct outbound_request *request)
{
    return request->n_headers + ARRAY_LEN(OWN);
}

static size_t size_of(const struct outbound_request *request)
{
    size_t size = lines_of(request) * sizeof(struct curl_slist) + strlen(request->method) + 1 +
                  strlen(request->url) + 1 + request->body.len + 1;
    for (size_t i = 0; i < request->n_headers; i++)
        size += request->headers[i].name.len + 2 + request->headers[i].value.len + 1;
    return size;
}

static void copy(struct outbound_call *call, const struct outbound_request *request)
{
    struct slice method = slice_str(request->method);
    struct text t = {.line = (struct curl_slist *) (void *) call->text, .end = &call->headers};
    t.at = (char *) (t.line + lines_of(request));
    call->method = put_text(&t, method);
    call->url = put_text(&t, slice_str(request->url));
    put_headers(&t, request);
    call->head = slice_eq_str(method, "HEAD");
    call->once = !is_any_of(method, REPEATABLE, ARRAY_LEN(REPEATABLE));
    call->has_body = request->has_body && !call->head; /* curl sends none with HEAD */
    if (call->has_body) {
        call->body.len = request->body.len;
        call->body.data = (uint8_t *) put_text(&t, request->body);
    }
    call->max_body = request->max_body;
    call->connect_ms = request->connect_ms;
    call->read_ms = request->read_ms;
}

static const char *check(const struct outbound_request *request)
{
    struct slice method = slice_str(request->method);
    if (!is_token(method) || method.len > MAX_METHOD || slice_eq_str(method, "CONNECT"))
        return "no method that can be sent";
    for (size_t i = 0; i < request->n_headers; i++)
        if (!is_sendable(&request->headers[i]))
            return "a header that cannot be sent";
    return NULL;
}

int call_new(const struct outbound_request *request, struct buf *origin, struct outbound_call **ret,
             const char **ret_why)
{
    const char *why = check(request);
    int r = why != NULL ? -EACCES : check_url(request->url, origin, &why);
    if (r == -ENOMEM)
        return r;
    struct outbound_call *call = try_malloc(sizeof(*call) + (r == 0 ? size_of(request) : 0));
    if (call == NULL)
        return -ENOMEM;
    *call = (struct outbound_call){.why = ""};
    list_init(&call->node);
    if (r == 0) {
        copy(call, request);
        call->tls = origin->len > 5 && origin->data[4] == 's';
    } else {
        *ret_why = why;
    }
    *ret = call;
    return r;
}
