/* integration_memory.c - what a connection keeps of its handshake for later events. See
 * integration.h. */
#include "hop.h"
#include "integration.h"
#include "mem.h"
#include "parameters.h"

#include <stdlib.h>

/* In one piece of memory: the headers, then all bytes. */
struct integration_memory {
    struct slice path, query;
    size_t n;
    struct header headers[];
};

struct need {
    bool path, query, cookie, accept, all;
};

/* Of a dummy with one content: whatever the client accepts. */
static bool takes_any(const struct spec_integration *in)
{
    return strcmp(in->contents[0].media_type, "*") == 0;
}

static void look_at(const struct spec_operation *op, struct need *need)
{
    if (op == NULL)
        return;
    const struct spec_integration *in = &op->integration;
    bool container = in->kind == SPEC_CONTAINER;
    need->all = need->all || container || in->headers.rest;
    need->path = need->path || container;
    need->query = need->query || container || in->query.rest;
    need->accept = need->accept || in->n_contents > 1 || (in->n_contents == 1 && !takes_any(in));
    for (size_t i = 0; i < op->n_params; i++) {
        need->path = need->path || op->params[i].in == SPEC_IN_PATH;
        need->query = need->query || op->params[i].in == SPEC_IN_QUERY;
        need->cookie = need->cookie || op->params[i].in == SPEC_IN_COOKIE;
    }
}

static bool names(const struct spec_operation *op, struct slice name)
{
    for (size_t i = 0; op != NULL && i < op->n_params; i++)
        if (op->params[i].in == SPEC_IN_HEADER &&
            slice_eq_nocase(slice_str(op->params[i].name), name))
            return true;
    return false;
}

static bool asks(const struct spec_operation *op)
{
    return op != NULL && op->integration.kind != SPEC_DUMMY;
}

static bool is_needed(const struct integration_request *handshake, size_t i,
                      const struct need *need)
{
    const struct spec_route *route = handshake->route;
    struct slice name = handshake->headers[i].name;
    if (parameters_is_forged(handshake, i))
        return false;
    if (names(route->message, name) || names(route->disconnect, name) ||
        (need->cookie && slice_eq_nocase(name, SLICE_LIT("Cookie"))) ||
        (need->accept && slice_eq_nocase(name, SLICE_LIT("Accept"))))
        return true;
    /* It says which of the others do not go along. */
    if (need->all && slice_eq_nocase(name, SLICE_LIT("Connection")))
        return true;
    bool agent = slice_eq_nocase(name, SLICE_LIT("User-Agent"));
    return (need->all && hop_takes_along(handshake, i)) ||
           (agent && (asks(route->message) || asks(route->disconnect)));
}

static struct slice keep(uint8_t **at, struct slice s)
{
    struct slice kept = slice_of(*at, s.len);
    if (s.len > 0)
        memcpy(*at, s.data, s.len);
    *at += s.len;
    return kept;
}

struct integration_memory *integration_remember(const struct integration_request *handshake,
                                                int *ret_err)
{
    struct need need = {0};
    size_t n = 0, bytes = 0, n_theirs = handshake->n_headers - handshake->n_own;
    *ret_err = 0;
    look_at(handshake->route->message, &need);
    look_at(handshake->route->disconnect, &need);
    struct slice path = need.path ? handshake->path : (struct slice){0};
    struct slice query = need.query ? handshake->query : (struct slice){0};
    for (size_t i = 0; i < n_theirs; i++) {
        if (!is_needed(handshake, i, &need))
            continue;
        n++;
        bytes += handshake->headers[i].name.len + handshake->headers[i].value.len;
    }
    bytes += path.len + query.len;
    if (bytes == 0)
        return NULL;
    struct integration_memory *m = try_calloc(1, sizeof(*m) + n * sizeof(m->headers[0]) + bytes);
    if (m == NULL) {
        *ret_err = -ENOMEM;
        return NULL;
    }
    uint8_t *at = (uint8_t *) &m->headers[n];
    m->path = keep(&at, path);
    m->query = keep(&at, query);
    for (size_t i = 0; i < n_theirs; i++)
        if (is_needed(handshake, i, &need))
            m->headers[m->n++] = (struct header){keep(&at, handshake->headers[i].name),
                                                 keep(&at, handshake->headers[i].value)};
    return m;
}

void integration_memory_free(struct integration_memory *m)
{
    free(m);
}

void integration_recall(const struct integration_memory *m, const struct spec_route *route,
                        const struct header *added, size_t n_added,
                        struct header headers[INTEGRATION_MAX_HEADERS],
                        struct integration_request *ret)
{
    size_t n = m == NULL ? 0 : m->n;
    ASSERT(n + n_added <= INTEGRATION_MAX_HEADERS);
    if (n > 0)
        memcpy(headers, m->headers, n * sizeof(headers[0]));
    if (n_added > 0)
        memcpy(headers + n, added, n_added * sizeof(headers[0]));
    *ret = (struct integration_request){
        .method = "POST",
        .route = route,
        .path = m == NULL ? (struct slice){0} : m->path,
        .query = m == NULL ? (struct slice){0} : m->query,
        .headers = headers,
        .n_headers = n + n_added,
        .n_own = n_added,
    };
}
