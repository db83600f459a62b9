/* spec_integration.c - what an operation does: x-yc-apigateway-integration of type dummy, http or
 * serverless_containers. */
#include "spec_private.h"

#include <stdio.h>

#define MAX_TIMEOUT_MS 3600000u

const char *spec_named_value(const struct spec_named *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return list[i].value;
    return NULL;
}

/* "0.5" seconds; false: it is no such number, or none that is of use. */
static bool read_seconds(const char *text, uint64_t *ret_ms)
{
    uint64_t ms = 0, unit = 1000;
    bool digit = false, point = false;
    for (; *text != '\0'; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9' || ms > MAX_TIMEOUT_MS)
            return false;
        digit = true;
        if (point) {
            unit /= 10;
            ms += unit * (uint64_t) (*text - '0');
        } else {
            ms = ms * 10 + 1000 * (uint64_t) (*text - '0');
        }
    }
    *ret_ms = ms;
    return digit && ms > 0 && ms <= MAX_TIMEOUT_MS;
}

static uint64_t read_timeout(struct spec_reader *r, const struct doc_node *map, const char *key)
{
    char quoted[DOC_QUOTE_SIZE];
    uint64_t ms = 0;
    const struct doc_node *node = spec_get(r, map, key);
    const char *text = node == NULL ? NULL : spec_string(r, node, "timeouts", SPEC_MAX_NAME);
    if (text != NULL && !read_seconds(text, &ms))
        spec_problem(r, node->line, "timeouts",
                     "expected seconds from 0.001 to 3600 for %s, got %s", key,
                     doc_quote(text, quoted));
    return ms;
}

/* Notes those keys that are not among `known`, which ends with NULL: misspelt ones would be missed.
 */
static void note_unknown(struct spec_reader *r, const struct doc_node *map, const char *type,
                         const char *const *known)
{
    unsigned n = 0;
    for (const struct doc_node *at = map->first; at != NULL && n < 8; at = at->next) {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], at->key) != 0)
            i++;
        if (known[i] != NULL || strcmp(at->key, "type") == 0)
            continue;
        spec_note(r, at->line, "%.80s is not known to integrations of type %s, and passed over",
                  at->key, type);
        n++;
    }
}

static void add_content(struct spec_reader *r, const struct doc_node *node, const char *type,
                        struct spec_operation *op)
{
    char quoted[DOC_QUOTE_SIZE];
    struct spec_integration *i = &op->integration;
    struct spec_content *content = &i->contents[i->n_contents];
    if (strcmp(type, "*/*") == 0)
        type = "*";
    if (strcmp(type, "*") != 0 && (strchr(type, '/') == NULL || !spec_is_printed(type))) {
        spec_problem(r, node->line, "content", "expected a media type or '*', got %s",
                     doc_quote(type, quoted));
        return;
    }
    const struct doc_node *value = spec_deref(r, node);
    const char *text = value == NULL ? NULL
                       : value->null ? ""
                                     : spec_string(r, value, "content", SPEC_MAX_TEXT);
    if (text == NULL)
        return;
    content->media_type = spec_dup(r, slice_str(type));
    spec_text_cut(r, value->line, "content", text, op, &content->text);
    i->n_contents++;
}

static void read_contents(struct spec_reader *r, const struct doc_node *node,
                          struct spec_operation *op)
{
    size_t n = node == NULL ? 0 : node->kind == DOC_MAP ? node->n : 1;
    if (n == 0)
        return;
    if (n > SPEC_MAX_CONTENTS) {
        spec_problem(r, node->line, "content", "expected at most %d of them, got %zu",
                     SPEC_MAX_CONTENTS, n);
        return;
    }
    op->integration.contents = spec_alloc(r, n, sizeof(struct spec_content));
    if (node->kind == DOC_TEXT)
        add_content(r, node, "*", op);
    else if (spec_is_map(r, node, "content"))
        for (const struct doc_node *at = node->first; at != NULL && !r->over; at = at->next)
            add_content(r, at, at->key, op);
}

static void read_dummy(struct spec_reader *r, const struct doc_node *node,
                       struct spec_operation *op)
{
    static const char *const KNOWN[] = {"http_code", "http_headers", "content", NULL};
    struct spec_integration *i = &op->integration;
    i->kind = SPEC_DUMMY;
    i->http_code =
        (unsigned) spec_count(r, spec_get(r, node, "http_code"), "http_code", 200, 599, 200);
    spec_fields_read(r, spec_get(r, node, "http_headers"), "http_headers", SPEC_ANSWER_HEADERS, op,
                     &i->http_headers);
    read_contents(r, spec_get(r, node, "content"), op);
    note_unknown(r, node, "dummy", KNOWN);
}

static void read_method(struct spec_reader *r, const struct doc_node *node,
                        struct spec_integration *i)
{
    static const char *const METHODS[] = {"GET",    "HEAD",    "POST", "PUT",
                                          "DELETE", "OPTIONS", "PATCH"};
    char quoted[DOC_QUOTE_SIZE];
    const char *text = node == NULL ? NULL : spec_string(r, node, "method", SPEC_MAX_NAME);
    if (text == NULL)
        return;
    for (size_t k = 0; k < ARRAY_LEN(METHODS); k++)
        if (strcasecmp(text, METHODS[k]) == 0) {
            i->method = spec_dup(r, slice_str(METHODS[k]));
            return;
        }
    spec_problem(r, node->line, "method",
                 "expected GET, HEAD, POST, PUT, DELETE, OPTIONS or PATCH, got %s",
                 doc_quote(text, quoted));
}

static void read_url(struct spec_reader *r, const struct doc_node *integration,
                     struct spec_operation *op)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *node = spec_get(r, integration, "url");
    if (node == NULL) {
        spec_problem(r, integration->line, "url", "expected where requests go, got nothing");
        return;
    }
    const char *text = spec_string(r, node, "url", SPEC_MAX_VALUE);
    if (text == NULL)
        return;
    spec_text_cut(r, node->line, "url", text, op, &op->integration.url);
    const char *why = spec_url_check(&op->integration.url);
    if (why != NULL)
        spec_problem(r, node->line, "url", "expected an URL, got %s: %s", doc_quote(text, quoted),
                     why);
}

static void read_http(struct spec_reader *r, const struct doc_node *node, struct spec_operation *op)
{
    static const char *const KNOWN[] = {"url",
                                        "method",
                                        "headers",
                                        "query",
                                        "timeouts",
                                        "omitEmptyHeaders",
                                        "omitEmptyQueryParameters",
                                        NULL};
    struct spec_integration *i = &op->integration;
    i->kind = SPEC_HTTP;
    read_url(r, node, op);
    read_method(r, spec_get(r, node, "method"), i);
    spec_fields_read(r, spec_get(r, node, "headers"), "headers", SPEC_REQUEST_HEADERS, op,
                     &i->headers);
    spec_fields_read(r, spec_get(r, node, "query"), "query", SPEC_QUERY, op, &i->query);
    i->headers.omit_empty =
        spec_bool(r, spec_get(r, node, "omitEmptyHeaders"), "omitEmptyHeaders", false);
    i->query.omit_empty = spec_bool(r, spec_get(r, node, "omitEmptyQueryParameters"),
                                    "omitEmptyQueryParameters", false);
    const struct doc_node *timeouts = spec_get(r, node, "timeouts");
    if (timeouts != NULL && spec_is_map(r, timeouts, "timeouts")) {
        i->connect_ms = read_timeout(r, timeouts, "connect");
        i->read_ms = read_timeout(r, timeouts, "read");
    }
    note_unknown(r, node, "http", KNOWN);
}

static void read_container(struct spec_reader *r, const struct doc_node *node,
                           struct spec_operation *op)
{
    static const char *const KNOWN[] = {"container_id", "service_account_id", "context", NULL};
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *id = spec_get(r, node, "container_id");
    const char *name = id == NULL ? "" : spec_string(r, id, "container_id", SPEC_MAX_NAME), *why;
    unsigned line = id == NULL ? node->line : id->line;
    op->integration.kind = SPEC_CONTAINER;
    if (name == NULL)
        return;
    const char *url = spec_named_value(r->options->containers, r->options->n_containers, name);
    if (url == NULL) {
        spec_problem(r, line, "container_id",
                     "expected a container whose address is in gateway.backends.containers, got %s",
                     doc_quote(name, quoted));
        return;
    }
    struct spec_text *text = &op->integration.url;
    text->pieces = spec_alloc(r, 1, sizeof(text->pieces[0]));
    text->pieces[text->n++].literal = spec_dup(r, slice_str(url));
    if ((why = spec_url_check(text)) != NULL || strchr(url, '?') != NULL)
        spec_problem(r, line, "container_id",
                     "expected an URL without query in gateway.backends.containers, got %s: %s",
                     doc_quote(url, quoted), why != NULL ? why : "it has a query");
    const struct doc_node *context = doc_member(node, "context");
    if (context != NULL)
        spec_note(r, context->line, "context of a container is not sent");
    note_unknown(r, node, "serverless_containers", KNOWN);
}

/* Types that need the cloud, and what is nearest without it. */
static const struct {
    const char *type, *instead;
} CLOUD[] = {
    {"cloud_functions", "type http with the address of a server that does what the function does, "
                        "or serverless_containers with gateway.backends.containers"},
    {"cloud-functions", "type http with the address of a server that does what the function does"},
    {"object_storage", "type http with the URL of the object, from any server of files"},
    {"cloud_datasphere", "type http with the URL of a server that runs the model"},
    {"cloud_datastreams", "type http with the URL of a server that writes to the stream (NATS, "
                          "Kafka with a REST proxy)"},
    {"cloud_ymq", "type http with the URL of a server that writes to the queue"},
    {"cloud_ydb", "type http with the URL of a server in front of the database"},
    {"cloud_workflows", "type http with the URL of a server that starts the workflow"},
    {"cloud_eventrouter", "type http with the URL of a server that takes the event"},
    {"smart_captcha", "type http with the URL of a server that checks it"},
};

static void refuse(struct spec_reader *r, const struct doc_node *type, const char *name)
{
    char quoted[DOC_QUOTE_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(CLOUD); i++)
        if (strcmp(CLOUD[i].type, name) == 0) {
            spec_problem(r, type->line, "type",
                         "expected an integration that does without the cloud, got %s: use %s",
                         name, CLOUD[i].instead);
            return;
        }
    spec_problem(r, type->line, "type", "expected dummy, http or serverless_containers, got %s",
                 doc_quote(name, quoted));
}

void spec_integration_read(struct spec_reader *r, const struct doc_node *node,
                           struct spec_operation *op)
{
    if (!spec_is_map(r, node, "x-yc-apigateway-integration"))
        return;
    const struct doc_node *type = spec_get(r, node, "type");
    const char *name = type == NULL ? NULL : spec_string(r, type, "type", SPEC_MAX_NAME);
    if (type == NULL)
        spec_problem(r, node->line, "type",
                     "expected dummy, http or serverless_containers, got nothing");
    if (name == NULL)
        return;
    if (strcmp(name, "dummy") == 0)
        read_dummy(r, node, op);
    else if (strcmp(name, "http") == 0)
        read_http(r, node, op);
    else if (strcmp(name, "serverless_containers") == 0)
        read_container(r, node, op);
    else
        refuse(r, type, name);
}
