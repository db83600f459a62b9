/* A specification: any bytes are read whole or refused with problems that can be printed. Of what
 * is accepted nothing can be wrong any more: requests go to fixed hosts, headers hold one line
 * each, parameters exist; it is explained in printable words, and reads the same again. A text that
 * begins with '#' is read with a value for the variable `env`. */
#include "config_doc.h"
#include "spec.h"

#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct spec_named CONTAINERS[] = {{"bba0", "http://127.0.0.1:8080/box"}};
static const struct spec_named FUNCTIONS[] = {{"d4e0", "http://127.0.0.1:8081/f"}};
static const struct spec_named VARIABLES[] = {{"env", "{id}\r\nx: y"}};

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.data[i] < 0x20 && text.data[i] != '\n') || text.data[i] == 0x7f)
            return false;
    return true;
}

static void check_text(const struct spec_operation *op, const struct spec_text *text, bool line)
{
    for (size_t i = 0; i < text->n; i++) {
        const char *literal = text->pieces[i].literal;
        ASSERT(literal == NULL ? text->pieces[i].param < op->n_params : literal[0] != '\0');
        if (line && literal != NULL)
            ASSERT(literal[strcspn(literal, "\r\n")] == '\0');
    }
}

static void check_fields(const struct spec_operation *op, const struct spec_fields *fields,
                         bool headers)
{
    ASSERT(fields->n <= SPEC_MAX_FIELDS);
    for (size_t i = 0; i < fields->n; i++) {
        const struct spec_field *field = &fields->at[i];
        ASSERT(field->name[0] != '\0' && strcmp(field->name, "*") != 0);
        if (headers)
            ASSERT(field->name[strcspn(field->name, " \t\r\n:{}\"")] == '\0' &&
                   strcasecmp(field->name, "host") != 0 &&
                   strcasecmp(field->name, "content-length") != 0 &&
                   strcasecmp(field->name, "transfer-encoding") != 0);
        for (size_t k = 0; k < field->n; k++)
            check_text(op, &field->values[k], headers);
    }
}

/* Up to and with the '/', '?' or end behind the authority nothing comes from a request. */
static void check_url(const struct spec_text *url)
{
    ASSERT(url->n > 0 && url->pieces[0].literal != NULL);
    const char *first = url->pieces[0].literal, *host = strstr(first, "://");
    ASSERT(host != NULL && strncasecmp(first, "http", 4) == 0);
    size_t len = strcspn(host + 3, "/?");
    ASSERT(len > 0 && memchr(host + 3, '@', len) == NULL);
    ASSERT(url->n == 1 || host[3 + len] != '\0');
}

static void check_security(const struct spec *spec, const struct spec_security *s)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->ways[i].n; k++) {
            const struct spec_authorizer *a = s->ways[i].grants[k].authorizer;
            ASSERT(a >= spec->authorizers && a < spec->authorizers + spec->n_authorizers);
            ASSERT(a->identity.name != NULL && a->identity.prefix != NULL);
            ASSERT(a->kind == SPEC_FUNCTION ? a->function_url != NULL
                                            : a->jwks_uri != NULL || a->openid_url != NULL);
        }
}

static void check_operation(const struct spec *spec, const struct spec_operation *op)
{
    if (op == NULL)
        return;
    const struct spec_integration *i = &op->integration;
    ASSERT(op->n_params <= SPEC_MAX_PARAMS);
    for (size_t k = 0; k < op->n_params; k++)
        ASSERT(op->params[k].name[0] != '\0' &&
               (op->params[k].in != SPEC_IN_PATH || op->params[k].required));
    check_security(spec, &op->security);
    check_fields(op, &i->http_headers, true);
    check_fields(op, &i->headers, true);
    check_fields(op, &i->query, false);
    for (size_t k = 0; k < i->n_contents; k++)
        check_text(op, &i->contents[k].text, false);
    check_text(op, &i->url, true);
    if (i->kind == SPEC_DUMMY)
        ASSERT(i->http_code >= 200 && i->http_code <= 599);
    else
        check_url(&i->url);
}

static void check_route(const struct spec *spec, size_t index)
{
    const struct spec_route *route = &spec->routes[index];
    ASSERT(route->index == index && route->path[0] == '/' && strlen(route->path) <= 255);
    ASSERT(route->websocket == (route->message != NULL));
    ASSERT(route->websocket || (route->connect == NULL && route->disconnect == NULL));
    check_operation(spec, route->connect);
    check_operation(spec, route->message);
    check_operation(spec, route->disconnect);
    check_security(spec, &route->security);
    check_security(spec, &route->also);
    ASSERT(route->also.n == 0 || route->security.n > 0);
    ASSERT(route->rate == NULL || (route->rate->n > 0 && strstr(route->path, "+}") == NULL));
    if (route->cors != NULL)
        for (size_t i = 0; i < route->cors->n_origins; i++)
            ASSERT(slice_is_visible(slice_str(route->cors->origins[i])));
}

static void explain(const struct spec *spec, struct buf *out)
{
    buf_init(out, (size_t) 256 << 20);
    ASSERT(spec_explain(spec, out) == 0);
    ASSERT(is_printable(buf_slice(out)));
}

static void check_accepted(const struct spec *spec, struct slice text,
                           const struct spec_options *options)
{
    struct problems problems = {.file = "f"};
    struct spec *again = NULL;
    struct buf one, other;
    ASSERT(spec->n_routes <= SPEC_MAX_ROUTES);
    for (size_t i = 0; i < spec->n_routes; i++)
        check_route(spec, i);
    ASSERT(spec_parse(text, options, &problems, &again) == 0 && again->hash == spec->hash);
    explain(spec, &one);
    explain(again, &other);
    ASSERT(slice_eq(buf_slice(&one), buf_slice(&other)));
    buf_fini(&one);
    buf_fini(&other);
    spec_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spec_options options = {.containers = CONTAINERS,
                                   .n_containers = 1,
                                   .functions = FUNCTIONS,
                                   .n_functions = 1,
                                   .variables = VARIABLES,
                                   .n_variables = size > 0 && data[0] == '#'};
    struct problems problems = {.file = "f"};
    struct spec *spec = NULL;
    struct buf printed;
    int r = spec_parse(slice_of(data, size), &options, &problems, &spec);
    ASSERT((r == 0) == (problems.n == 0) && (r == 0) == (spec != NULL));
    if (r == 0)
        check_accepted(spec, slice_of(data, size), &options);
    buf_init(&printed, 1 << 16);
    problems_print(&problems, &printed);
    ASSERT(is_printable(buf_slice(&printed)));
    buf_fini(&printed);
    spec_unref(spec);
    return 0;
}
