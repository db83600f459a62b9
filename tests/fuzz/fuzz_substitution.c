/* What an operation makes of a request. The input is cut at bytes 0xfe: flags; texts of the
 * operation with the parameters {p} {g} {q} {r} {h} {c} {t} {i} in them (path and query of its URL,
 * a header, a query parameter, a content); path and query of the request; its headers, one each.
 *
 * Whatever it is: the request goes to the host that it is meant for, its path climbs nowhere and
 * its lines are lines; nobody's header is taken for the gateway's, nor goes along unasked; and
 * what a connection remembers is enough to say the same again. */
#include "integration.h"
#include "mem.h"
#include "parameters.h"
#include "path_template.h"
#include "substitution.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CUT         0xfe
#define ORIGIN      "http://host.example:81"
#define MAX_HEADERS 16
#define MAX_PIECES  16
#define OWN_NAME    "X-Yc-Apigateway-Websocket-Connection-Id"
#define OWN_VALUE   "c1"

enum {
    FLAG_CONTAINER = 1,
    FLAG_DUMMY = 2,
    FLAG_REST = 4,
    FLAG_OMIT = 8,
    FLAG_NAMED = 16,
    FLAG_BODY = 32,
    FLAG_HANDSHAKE = 64
};

#define NAME(s) (char *) (uintptr_t) (s)

static struct spec_param params[] = {
    {.in = SPEC_IN_PATH, .name = NAME("p")},
    {.in = SPEC_IN_PATH, .name = NAME("g"), .greedy = true},
    {.in = SPEC_IN_QUERY, .name = NAME("q")},
    {.in = SPEC_IN_QUERY, .name = NAME("r"), .fallback = NAME("../r")},
    {.in = SPEC_IN_HEADER, .name = NAME("X-H")},
    {.in = SPEC_IN_COOKIE, .name = NAME("c")},
    {.in = SPEC_IN_HEADER, .name = NAME("Content-Type")},
    {.in = SPEC_IN_HEADER, .name = NAME(OWN_NAME)},
};
static const char LETTERS[] = "pgqrhcti";

/* An operation, made by hand: the reader of specifications has a target of its own. */
struct made {
    unsigned flags;
    struct spec_operation op;
    struct spec_route route;
    struct spec_content contents[2];
    struct spec_text texts[4];
    struct spec_piece pieces[4][MAX_PIECES];
    struct spec_field headers[4], query[2];
    char *owned[4 * MAX_PIECES];
    size_t n_owned;
};

struct asked {
    struct header headers[MAX_HEADERS];
    struct integration_request request;
    char *owned[MAX_HEADERS + 2];
    size_t n_owned;
};

static struct slice take_part(struct slice *in)
{
    const uint8_t *at = in->len == 0 ? NULL : memchr(in->data, CUT, in->len);
    size_t len = at == NULL ? in->len : (size_t) (at - in->data);
    struct slice part = slice_sub(*in, 0, len);
    *in = slice_from(*in, at == NULL ? len : len + 1);
    return part;
}

/* Those bytes of it that the reader of specifications, or of requests, lets through. */
static char *kept(struct slice s, const char * not )
{
    char *ret = xcalloc(1, s.len + 1);
    for (size_t i = 0, n = 0; i < s.len; i++)
        if (s.data[i] > ' ' && s.data[i] < 0x7f && strchr(not, s.data[i]) == NULL)
            ret[n++] = (char) s.data[i];
    return ret;
}

/* --- the operation --- */

static void add_literal(struct made *m, struct spec_text *t, const char *before, struct slice s,
                        const char * not )
{
    char *rest = kept(s, not ), *whole = xcalloc(1, strlen(before) + strlen(rest) + 1);
    memcpy(whole, before, strlen(before));
    memcpy(whole + strlen(before), rest, strlen(rest));
    free(rest);
    if (whole[0] == '\0' || t->n == MAX_PIECES) {
        free(whole);
        return;
    }
    m->owned[m->n_owned++] = whole;
    t->pieces[t->n++] = (struct spec_piece){.literal = whole};
}

static struct spec_text *make_text(struct made *m, size_t number, const char *before,
                                   struct slice s, const char * not )
{
    struct spec_text *t = &m->texts[number];
    t->pieces = m->pieces[number];
    size_t from = 0;
    for (size_t i = 0; i + 2 < s.len && t->n + 2 < MAX_PIECES; i++) {
        const char *letter = s.data[i + 1] == '\0' ? NULL : strchr(LETTERS, s.data[i + 1]);
        if (s.data[i] != '{' || s.data[i + 2] != '}' || letter == NULL)
            continue;
        add_literal(m, t, before, slice_sub(s, from, i), not );
        before = "";
        t->pieces[t->n++] = (struct spec_piece){.param = (size_t) (letter - LETTERS)};
        i += 2;
        from = i + 1;
    }
    add_literal(m, t, before, slice_from(s, from), not );
    return t;
}

static void make_operation(struct made *m, struct slice *in)
{
    static const char *const ROUTES[] = {"/{p}", "/{g+}", "/{p}/{g+}", "/a/{g+}/{p}"};
    struct slice flags = take_part(in);
    struct spec_integration *i = &m->op.integration;
    *m = (struct made){.flags = flags.len == 0 ? 0 : flags.data[0]};
    m->op.params = params;
    m->op.n_params = ARRAY_LEN(params);
    m->route.path = NAME(ROUTES[flags.len < 2 ? 0 : flags.data[1] % ARRAY_LEN(ROUTES)]);
    m->route.message = &m->op;
    i->kind = (m->flags & FLAG_DUMMY) != 0       ? SPEC_DUMMY
              : (m->flags & FLAG_CONTAINER) != 0 ? SPEC_CONTAINER
                                                 : SPEC_HTTP;
    i->http_code = 200;
    i->method = (m->flags & FLAG_BODY) != 0 ? NULL : NAME("GET");
    struct slice url = take_part(in);
    if (i->kind == SPEC_CONTAINER)
        url.len = 0;
    i->url = *make_text(m, 0, ORIGIN "/", url, "#\\{}\"<>^`|");
    struct spec_text *header = make_text(m, 1, "", take_part(in), ""),
                     *query = make_text(m, 2, "", take_part(in), ""),
                     *content = make_text(m, 3, "", take_part(in), "");
    m->headers[0] = (struct spec_field){NAME("X-Said"), header, 1};
    m->headers[1] = (struct spec_field){NAME("Set-Cookie"), header, 1};
    m->headers[2] = (struct spec_field){NAME("Content-Type"), query, 1};
    m->headers[3] = (struct spec_field){NAME("User-Agent"), NULL, 0};
    m->query[0] = (struct spec_field){NAME("q"), query, 1};
    m->query[1] = (struct spec_field){NAME("a b"), query, 1};
    m->contents[0] = (struct spec_content){NAME("text/html"), *content};
    m->contents[1] = (struct spec_content){NAME("*"), *content};
    size_t n = (m->flags & FLAG_NAMED) != 0 ? 4 : 2;
    struct spec_fields headers = {m->headers, n, (m->flags & FLAG_REST) != 0,
                                  (m->flags & FLAG_OMIT) != 0};
    i->headers = i->http_headers = headers;
    i->query = (struct spec_fields){m->query, n / 2, headers.rest, headers.omit_empty};
    i->contents = m->contents;
    i->n_contents = 2;
}

static void free_operation(struct made *m)
{
    for (size_t i = 0; i < m->n_owned; i++)
        free(m->owned[i]);
}

/* --- the request --- */

static void add_header(struct asked *a, struct slice line)
{
    const uint8_t *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
    size_t len = colon == NULL ? line.len : (size_t) (colon - line.data);
    char *name = kept(slice_sub(line, 0, len), "\"(),/:;<=>?@[\\]{}");
    a->owned[a->n_owned++] = name;
    if (name[0] != '\0')
        a->headers[a->request.n_headers++] =
            (struct header){slice_str(name), slice_from(line, colon == NULL ? len : len + 1)};
}

/* False: it would not have come as far as here. */
static bool make_request(struct asked *a, const struct made *m, struct slice *in)
{
    *a = (struct asked){.request = {.route = &m->route}};
    a->request.method = (m->flags & FLAG_HANDSHAKE) != 0 ? "GET" : "POST";
    a->request.headers = a->headers;
    char *path = a->owned[a->n_owned++] = kept(take_part(in), "#?");
    char *query = a->owned[a->n_owned++] = kept(take_part(in), "#");
    a->request.path = slice_str(path);
    a->request.query = slice_str(query);
    a->request.content_type = (m->flags & FLAG_BODY) != 0 ? "application/json" : NULL;
    while (in->len > 0 && a->request.n_headers + 1 < MAX_HEADERS && a->n_owned < MAX_HEADERS + 2)
        add_header(a, take_part(in));
    a->headers[a->request.n_headers++] = (struct header){SLICE_LIT(OWN_NAME), SLICE_LIT(OWN_VALUE)};
    a->request.n_own = 1;
    struct slice rest = a->request.path, segment;
    if (rest.len == 0 || rest.data[0] != '/')
        return false;
    while (path_take_segment(&rest, &segment))
        if (path_segment_check(segment) != NULL && (segment.len > 0 || rest.len > 0))
            return false;
    return true;
}

static void free_request(struct asked *a)
{
    for (size_t i = 0; i < a->n_owned; i++)
        free(a->owned[i]);
}

/* --- what holds --- */

static bool is(struct slice name, const char *text)
{
    return slice_eq_nocase(name, slice_str(text));
}

static void check_line(struct slice name, struct slice value)
{
    ASSERT(name.len > 0);
    for (size_t i = 0; i < name.len; i++)
        ASSERT(name.data[i] > ' ' && name.data[i] < 0x7f && name.data[i] != ':');
    for (size_t i = 0; i < value.len; i++)
        ASSERT((value.data[i] >= ' ' || value.data[i] == '\t') && value.data[i] != 0x7f);
}

/* As a program sees it that gets headers as variables. */
static bool begins_for_cgi(struct slice name, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len && i < name.len; i++) {
        char c = name.data[i] == '_' ? '-' : (char) name.data[i];
        if (strncasecmp(&c, &text[i], 1) != 0)
            return false;
    }
    return name.len >= len;
}

/* Decoded, and cut at whatever some server takes for a slash; without what some do not count. */
static void check_climbs_nowhere(struct slice path)
{
    uint8_t *text = xmalloc(path.len + 1);
    size_t len = 0, from = 0;
    ASSERT(parameters_decode(path, false, text, &len) == 0);
    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] != '/' && text[i] != '\\')
            continue;
        struct slice segment = slice_of(text + from, i - from);
        const uint8_t *end = segment.len == 0 ? NULL : memchr(segment.data, ';', segment.len);
        if (end != NULL)
            segment.len = (size_t) (end - segment.data);
        ASSERT(!slice_eq_str(segment, ".") && !slice_eq_str(segment, ".."));
        from = i + 1;
    }
    free(text);
}

static void check_url(const struct made *m, const char *url)
{
    size_t len = strlen(url), origin = strlen(ORIGIN);
    ASSERT(len < SUBSTITUTION_URL_MAX && strncmp(url, ORIGIN "/", origin + 1) == 0);
    for (size_t i = 0; i < len; i++)
        ASSERT(url[i] > ' ' && url[i] < 0x7f && url[i] != '#');
    struct slice path = slice_of(url + origin, strcspn(url + origin, "?"));
    bool escapes = false; /* in the specification's own text: whoever wrote it has meant it */
    for (size_t i = 0; i < m->op.integration.url.n; i++) {
        const char *literal = m->op.integration.url.pieces[i].literal;
        escapes = escapes || (literal != NULL && strchr(literal, '%') != NULL);
    }
    if (!escapes)
        check_climbs_nowhere(path);
}

static bool may_go_along(const struct made *m, struct slice name)
{
    return (m->flags & FLAG_REST) != 0 || m->op.integration.kind == SPEC_CONTAINER ||
           is(name, "X-Said") || is(name, "Set-Cookie") || is(name, "Content-Type") ||
           is(name, "User-Agent") || is(name, "Sec-WebSocket-Protocol") || is(name, OWN_NAME);
}

static void check_headers(const struct made *m, const struct outbound_request *r)
{
    static const char *const OURS[] = {"Host",
                                       "Content-Length",
                                       "Transfer-Encoding",
                                       "Connection",
                                       "Keep-Alive",
                                       "TE",
                                       "Trailer",
                                       "Upgrade",
                                       "Expect",
                                       "Accept-Encoding",
                                       "Sec-WebSocket-Key",
                                       "Sec-WebSocket-Extensions",
                                       "Sec-WebSocket-Version"};
    size_t own = 0, said = 0;
    for (size_t i = 0; i < r->n_headers; i++) {
        const struct header *h = &r->headers[i];
        check_line(h->name, h->value);
        for (size_t k = 0; k < ARRAY_LEN(OURS); k++)
            ASSERT(!is(h->name, OURS[k]));
        ASSERT(!begins_for_cgi(h->name, "Proxy-") && may_go_along(m, h->name));
        ASSERT((m->flags & FLAG_HANDSHAKE) != 0 || !is(h->name, "Sec-WebSocket-Protocol"));
        said += begins_for_cgi(h->name, "X-Said") && h->name.len == strlen("X-Said");
        if (!begins_for_cgi(h->name, "X-Yc-Apigateway-"))
            continue;
        ASSERT(is(h->name, OWN_NAME) && slice_eq_str(h->value, OWN_VALUE));
        own++;
    }
    ASSERT(own == 1 && said <= 1);
}

/* "Name: value\r\n", as often as there are headers. */
static void check_lines(struct slice lines)
{
    while (lines.len > 0) {
        const uint8_t *colon = memchr(lines.data, ':', lines.len),
                      *end = memchr(lines.data, '\r', lines.len);
        ASSERT(colon != NULL && end != NULL && colon < end && colon[1] == ' ');
        ASSERT((size_t) (end - lines.data) + 1 < lines.len && end[1] == '\n');
        struct slice name = slice_sub(lines, 0, (size_t) (colon - lines.data));
        check_line(name, slice_of(colon + 2, (size_t) (end - colon) - 2));
        ASSERT(is(name, "X-Said") || is(name, "Set-Cookie") || is(name, "Content-Type") ||
               is(name, "User-Agent"));
        lines = slice_from(lines, (size_t) (end - lines.data) + 2);
    }
}

/* --- the two ways: at once, and remembered --- */

static void tell(struct buf *out, struct slice name, struct slice value)
{
    ASSERT(buf_append(out, name) == 0 && buf_append_str(out, ": ") == 0 &&
           buf_append(out, value) == 0 && buf_append_str(out, "\n") == 0);
}

/* The error, or 0 and all that was made, in `told`. */
static int call(const struct made *m, const struct integration_request *request, struct buf *told)
{
    struct integration_call c;
    int r = integration_call(&m->op, request, 1000, &c);
    ASSERT(r == 0 || r == -EINVAL || r == -EMSGSIZE);
    if (r < 0)
        return r;
    check_url(m, c.request.url);
    check_headers(m, &c.request);
    tell(told, slice_str(c.request.method), slice_str(c.request.url));
    for (size_t i = 0; i < c.request.n_headers; i++)
        tell(told, c.request.headers[i].name, c.request.headers[i].value);
    integration_call_fini(&c);
    return 0;
}

static int answer(const struct made *m, const struct integration_request *request, struct buf *told)
{
    struct integration_answer a;
    integration_answer_init(&a);
    int r = integration_dummy(&m->op, request, &a);
    ASSERT(r == 0 || r == -EINVAL);
    if (r == 0) {
        ASSERT(a.status == 200);
        check_lines(buf_slice(&a.headers));
        tell(told, buf_slice(&a.headers), buf_slice(&a.body));
        tell(told, buf_slice(&a.content_type), SLICE_LIT(""));
    }
    integration_answer_fini(&a);
    return r;
}

static int make(const struct made *m, const struct integration_request *request, struct buf *told)
{
    buf_init(told, 32u << 20);
    return m->op.integration.kind == SPEC_DUMMY ? answer(m, request, told) : call(m, request, told);
}

/* What goes into an URL comes out of it again. */
static void check_values(const struct made *m, const struct integration_request *request)
{
    struct parameters values;
    if (parameters_read(&m->op, request, &values) < 0)
        return;
    for (size_t i = 0; i < values.n; i++) {
        struct buf written;
        size_t len = 0;
        buf_init(&written, SIZE_MAX / 2);
        ASSERT(substitution_encode(&written, values.at[i]) == 0);
        uint8_t *read = xmalloc(written.len + 1);
        ASSERT(parameters_decode(buf_slice(&written), true, read, &len) == 0);
        ASSERT(slice_eq(slice_of(read, len), values.at[i]));
        free(read);
        buf_fini(&written);
    }
    parameters_fini(&values);
}

/* Only of a handshake its subprotocols go along unasked. */
static bool has_protocol(const struct integration_request *request)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (is(request->headers[i].name, "Sec-WebSocket-Protocol"))
            return true;
    return false;
}

static void compare(const struct made *m, const struct integration_request *request)
{
    struct header headers[INTEGRATION_MAX_HEADERS];
    struct integration_request again;
    struct buf first, second;
    int err = 1;
    int r = make(m, request, &first);
    struct integration_memory *memory = integration_remember(request, &err);
    ASSERT(err == 0);
    integration_recall(memory, &m->route, &request->headers[request->n_headers - 1], 1, headers,
                       &again);
    again.content_type = request->content_type;
    again.method = request->method;
    int r_again = make(m, &again, &second);
    if ((m->flags & FLAG_HANDSHAKE) == 0 || !has_protocol(request))
        ASSERT(r == r_again && slice_eq(buf_slice(&first), buf_slice(&second)));
    integration_memory_free(memory);
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct made m;
    struct asked a;
    make_operation(&m, &in);
    if (make_request(&a, &m, &in)) {
        check_values(&m, &a.request);
        compare(&m, &a.request);
    }
    free_request(&a);
    free_operation(&m);
    return 0;
}
