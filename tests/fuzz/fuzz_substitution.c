/* Values of a request in the texts of a specification: the first byte chooses an operation, the
 * first line is the request's path behind the template's beginning, the second its query, the
 * others are header lines. Whatever they are, an URL goes where its literal text says and has
 * nothing in it that is no part of one, no header has a line break, and a dummy's answer has as
 * many lines as its specification says. What is remembered of a handshake makes the same request
 * later. */
#include "config_doc.h"
#include "integration.h"
#include "parameters.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LINES 64
#define HOST      "http://backend.example:81"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char SPEC[] =
    "openapi: 3.0.0\n"
    "info: {title: t, version: '1'}\n"
    "paths:\n"
    "  /a/{one}/{rest+}:\n"
    "    parameters:\n"
    "    - {name: one, in: path, required: true}\n"
    "    - {name: rest, in: path, required: true}\n"
    "    - {name: q, in: query}\n"
    "    - {name: X-H, in: header}\n"
    "    - {name: c, in: cookie, schema: {default: d}}\n"
    "    x-yc-apigateway-websocket-connect:\n"
    "      x-yc-apigateway-integration:\n"
    "        {type: dummy, http_code: 200, http_headers: {X-One: '{one}{q}', X-Two: ['{X-H}', "
    "'{c}']},\n"
    "         content: {text/plain: '{one}|{rest}|{q}', '*': '{c}'}}\n"
    "    x-yc-apigateway-websocket-message:\n"
    "      x-yc-apigateway-integration:\n"
    "        {type: http, url: '" HOST "/p/{one}/x{q}/{rest}?a={c}&b={X-H}',\n"
    "         headers: {X-One: '{one}{q}', X-Two: ['{X-H}', '{c}'], '*': '*'},\n"
    "         query: {k: ['{q}', '{rest}'], '*': '*'}}\n"
    "    x-yc-apigateway-websocket-disconnect:\n"
    "      x-yc-apigateway-integration: {type: serverless_containers, container_id: bba}\n";

static const struct spec_route *route(void)
{
    static const struct spec_named CONTAINER = {"bba", HOST "/base"};
    static struct spec *spec;
    struct problems problems = {.file = "spec.yaml"};
    const struct spec_options options = {.containers = &CONTAINER, .n_containers = 1};
    if (spec == NULL &&
        spec_parse(slice_of(SPEC, sizeof(SPEC) - 1), &options, &problems, &spec) < 0)
        abort();
    return &spec->routes[0];
}

static struct slice take_line(struct slice *rest)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice line = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    return line;
}

/* An independent look at it. */
static void check_url(const char *url)
{
    size_t host = strlen(HOST);
    if (strncmp(url, HOST "/", host + 1) != 0)
        abort();
    for (const char *at = url; *at != '\0'; at++)
        if ((unsigned char) *at <= ' ' || *at == 0x7f || *at == '#')
            abort();
    char *path = strdup(url + host);
    if (path == NULL)
        abort();
    path[strcspn(path, "?")] = '\0';
    char *rest = path;
    for (char *segment; (segment = strsep(&rest, "/")) != NULL;)
        if (strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0 ||
            strcasecmp(segment, "%2e") == 0 || strcasecmp(segment, "%2e%2e") == 0)
            abort();
    free(path);
}

static void check_headers(const struct header *headers, size_t n)
{
    size_t own = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < headers[i].value.len; k++) {
            uint8_t c = headers[i].value.data[k];
            if (c == '\r' || c == '\n' || c == '\0')
                abort();
        }
        own += slice_eq_nocase(headers[i].name, SLICE_LIT(PARAMETERS_OWN_PREFIX "Connection-Id"));
    }
    if (own != 1)
        abort();
}

static void check_call(const struct spec_operation *op, const struct integration_request *request)
{
    struct integration_call call;
    if (integration_call(op, request, 1000, &call) < 0)
        return;
    check_url(call.request.url);
    check_headers(call.request.headers, call.request.n_headers);
    integration_call_fini(&call);
}

static void check_dummy(const struct spec_operation *op, const struct integration_request *request)
{
    struct integration_answer a;
    size_t lines = 0;
    integration_answer_init(&a);
    if (integration_dummy(op, request, &a) == 0) {
        for (size_t i = 0; i < a.headers.len; i++)
            lines += a.headers.data[i] == '\n';
        if (a.status != 200 || lines < 2 || lines > 3)
            abort();
    }
    integration_answer_fini(&a);
}

static void check_memory(const struct integration_request *handshake, const struct header *own)
{
    struct header headers[INTEGRATION_MAX_HEADERS];
    struct integration_request later;
    int err;
    struct integration_memory *m = integration_remember(handshake, &err);
    if (err < 0)
        abort();
    integration_recall(m, handshake->route, own, 1, headers, &later);
    check_call(handshake->route->message, &later);
    check_call(handshake->route->disconnect, &later);
    integration_memory_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct header headers[MAX_LINES + 1];
    static const struct header OWN = {SLICE_INIT(PARAMETERS_OWN_PREFIX "Connection-Id"),
                                      SLICE_INIT("d20")};
    size_t n = 0;
    if (size < 1)
        return 0;
    uint8_t which = in.data[0] % 3;
    in = slice_from(in, 1);
    struct slice behind = take_line(&in), query = take_line(&in);
    char *path = calloc(1, behind.len + 4);
    if (path == NULL)
        abort();
    memcpy(path, "/a/", 3);
    if (behind.len > 0)
        memcpy(path + 3, behind.data, behind.len);
    while (in.len > 0 && n < MAX_LINES) {
        struct slice line = take_line(&in);
        const uint8_t *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
        if (colon == NULL)
            continue;
        size_t at = (size_t) (colon - line.data);
        headers[n++] = (struct header){slice_sub(line, 0, at), slice_from(line, at + 1)};
    }
    headers[n++] = OWN;
    const struct integration_request request = {.method = "GET",
                                                .route = route(),
                                                .path = slice_of(path, behind.len + 3),
                                                .query = query,
                                                .headers = headers,
                                                .n_headers = n,
                                                .n_own = 1};
    if (which == 0)
        check_dummy(request.route->connect, &request);
    else
        check_call(which == 1 ? request.route->message : request.route->disconnect, &request);
    check_memory(&request, &OWN);
    free(path);
    return 0;
}
