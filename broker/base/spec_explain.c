/* spec_explain.c - a specification in words, for regcastd --check: what happens on each path, and
 * what does not. */
#include "spec.h"

/* Text of the file, with nothing in it that a terminal obeys. */
static int put(struct buf *out, const char *text)
{
    size_t len = out->len;
    int r = buf_append_str(out, text);
    for (; r == 0 && len < out->len; len++)
        if (out->data[len] < ' ' || out->data[len] == 0x7f)
            out->data[len] = '?';
    return r;
}

static int put_list(struct buf *out, const char *between, char *const *list, size_t n)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = i > 0 ? buf_append_str(out, between) : 0;
        if (r == 0)
            r = put(out, list[i]);
    }
    return r;
}

static int put_text(const struct spec_operation *op, const struct spec_text *text, struct buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < text->n; i++) {
        const struct spec_piece *piece = &text->pieces[i];
        if (piece->literal == NULL)
            r = buf_append_str(out, "{");
        if (r == 0)
            r = put(out, piece->literal != NULL ? piece->literal : op->params[piece->param].name);
        if (r == 0 && piece->literal == NULL)
            r = buf_append_str(out, "}");
    }
    return r;
}

static int put_timeouts(const struct spec_integration *i, struct buf *out)
{
    int r = 0;
    if (i->connect_ms > 0)
        r = buf_printf(out, ", connects within %llu ms", (unsigned long long) i->connect_ms);
    if (r == 0 && i->read_ms > 0)
        r = buf_printf(out, ", reads within %llu ms", (unsigned long long) i->read_ms);
    return r;
}

static int put_integration(const struct spec_operation *op, const char *method, struct buf *out)
{
    const struct spec_integration *i = &op->integration;
    int r;
    if (i->kind == SPEC_DUMMY)
        return buf_printf(out, "dummy, answers %u\n", i->http_code);
    r = buf_printf(out, "%s %s ", i->kind == SPEC_HTTP ? "http" : "container",
                   i->method != NULL ? i->method : method);
    if (r == 0)
        r = put_text(op, &i->url, out);
    if (r == 0)
        r = put_timeouts(i, out);
    return r < 0 ? r : buf_append_str(out, "\n");
}

static int put_operation(const struct spec_operation *op, const char *event, const char *otherwise,
                         struct buf *out)
{
    if (op == NULL)
        return buf_printf(out, "  %s -> %s\n", event, otherwise);
    int r = buf_printf(out, "  %s (line %u) -> ", event, op->line);
    return r < 0 ? r : put_integration(op, strcmp(event, "connect") == 0 ? "GET" : "POST", out);
}

static int put_way(const struct spec_way *way, struct buf *out)
{
    int r = way->n == 0 ? buf_append_str(out, "anybody") : 0;
    for (size_t i = 0; r == 0 && i < way->n; i++) {
        const struct spec_grant *grant = &way->grants[i];
        r = i > 0 ? buf_append_str(out, " and ") : 0;
        if (r == 0)
            r = put(out, grant->authorizer->name);
        if (r == 0)
            r = buf_append_str(out, grant->authorizer->kind == SPEC_JWT ? " (jwt" : " (function");
        if (r == 0 && grant->n_scopes > 0)
            r = buf_append_str(out, ", scopes ");
        if (r == 0)
            r = put_list(out, " ", grant->scopes, grant->n_scopes);
        if (r == 0)
            r = buf_append_str(out, ")");
    }
    return r;
}

static int put_security(const struct spec_security *s, const char *name, struct buf *out)
{
    int r = buf_printf(out, "  %s: %s", name, s->n == 0 ? "anybody" : "");
    for (size_t i = 0; r == 0 && i < s->n; i++) {
        r = i > 0 ? buf_append_str(out, ", or ") : 0;
        if (r == 0)
            r = put_way(&s->ways[i], out);
    }
    return r < 0 ? r : buf_append_str(out, "\n");
}

static int put_cors(const struct spec_cors *cors, struct buf *out)
{
    if (cors == NULL)
        return 0;
    if (cors->any_origin || cors->n_origins == 0)
        return buf_append_str(out, cors->any_origin ? "  cors: any origin\n" : "  cors: off\n");
    int r = buf_append_str(out, "  cors: ");
    if (r == 0)
        r = put_list(out, ", ", cors->origins, cors->n_origins);
    return r < 0 ? r : buf_append_str(out, "\n");
}

static int put_rate(const struct spec_rate *rate, struct buf *out)
{
    if (rate == NULL)
        return 0;
    int r = buf_printf(out, "  rate limit: %llu handshakes a %s", (unsigned long long) rate->n,
                       rate->window_ms == 1000 ? "second" : "minute");
    if (r == 0 && rate->name != NULL)
        r = buf_append_str(out, ", ");
    if (r == 0 && rate->name != NULL)
        r = put(out, rate->name);
    return r < 0 ? r : buf_append_str(out, "\n");
}

static int put_websocket(const struct spec_route *route, struct buf *out)
{
    int r = put_operation(route->connect, "connect", "lets in", out);
    if (r == 0)
        r = put_operation(route->message, "message", "nothing", out);
    if (r == 0)
        r = put_operation(route->disconnect, "disconnect", "tells nobody", out);
    if (r == 0)
        r = put_security(&route->security, "security", out);
    if (r == 0 && route->also.n > 0)
        r = put_security(&route->also, "and of message", out);
    if (r == 0)
        r = put_cors(route->cors, out);
    return r < 0 ? r : put_rate(route->rate, out);
}

static int put_route(const struct spec_route *route, struct buf *out)
{
    int r = put(out, route->path);
    if (r == 0)
        r = buf_printf(out, " (line %u): %s\n", route->line,
                       route->websocket ? "speaks WebSocket" : "does not speak WebSocket: 404");
    if (r == 0 && route->websocket)
        r = put_websocket(route, out);
    if (r < 0 || route->plain == NULL)
        return r;
    r = buf_append_str(out, "  not served: ");
    if (r == 0)
        r = put(out, route->plain);
    return r < 0 ? r : buf_append_str(out, "\n");
}

int spec_explain(const struct spec *s, struct buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->n_routes; i++)
        r = put_route(&s->routes[i], out);
    if (r == 0 && s->notes.len > 0) {
        r = buf_append_str(out, "notes:\n");
        if (r == 0)
            r = buf_append(out, buf_slice(&s->notes));
    }
    return r;
}
