/* spec.c - reads an OpenAPI specification: what stands at its top, and who owns it. */
#include "spec.h"

#include "mem.h"
#include "sha256.h"
#include "spec_private.h"

#include <stdlib.h>

/* OpenAPI 3.0, and no other. */
static bool check_version(struct spec_reader *r)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *node = doc_member(r->root, "openapi");
    const char *text = node == NULL || node->kind != DOC_TEXT ? "" : node->text;
    if (strcmp(text, "3.0") == 0 || strncmp(text, "3.0.", 4) == 0)
        return true;
    if (doc_member(r->root, "swagger") != NULL)
        spec_problem(r, doc_member(r->root, "swagger")->line, "swagger",
                     "expected OpenAPI 3.0 (openapi: 3.0.0), got Swagger 2.0");
    else
        spec_problem(r, node == NULL ? r->root->line : node->line, "openapi",
                     "expected version 3.0.0 to 3.0.4, got %s",
                     text[0] == '\0' ? "none" : doc_quote(text, quoted));
    return false;
}

/* Where the path of an URL of a server begins. */
static const char *server_path(const char *url)
{
    const char *authority = strstr(url, "://");
    return authority == NULL ? url : authority + 3 + strcspn(authority + 3, "/");
}

static void check_servers(struct spec_reader *r)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *servers = doc_member(r->root, "servers");
    unsigned n = 0;
    const struct doc_node *at =
        servers == NULL || servers->kind != DOC_LIST ? NULL : servers->first;
    for (; at != NULL && n < 16; at = at->next, n++) {
        const struct doc_node *url = doc_member(at, "url");
        const char *path = url == NULL || url->kind != DOC_TEXT ? "" : server_path(url->text);
        if (path[0] != '\0' && strcmp(path, "/") != 0)
            spec_note(r, url->line,
                      "servers only describe: %s is not put in front of the paths, and no host is "
                      "compared",
                      doc_quote(path, quoted));
    }
}

/* What of x-yc-apigateway cannot be had without the cloud. */
static void check_gateway(struct spec_reader *r)
{
    static const struct {
        const char *key, *why;
    } PASSED_OVER[] = {
        {"service_account_id", "requests to backends carry no token of the cloud"},
        {"validator", "what clients send is not validated"},
        {"smartWebSecurity", "put a web application firewall in front of the gateway"},
    };
    const struct doc_node *gateway = r->gateway;
    if (gateway == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(PASSED_OVER); i++) {
        const struct doc_node *node = doc_member(gateway, PASSED_OVER[i].key);
        if (node != NULL)
            spec_note(r, node->line, "x-yc-apigateway.%s is passed over: %s", PASSED_OVER[i].key,
                      PASSED_OVER[i].why);
    }
    r->spec->ignore_trailing_slashes = spec_bool(
        r, spec_get_either(r, gateway, "ignoreTrailingSlashes", "ignore_trailing_slashes"),
        "ignoreTrailingSlashes", true);
}

static void read_top(struct spec_reader *r)
{
    const struct doc_node *title = spec_get(r, spec_get(r, r->root, "info"), "title");
    r->spec->ignore_trailing_slashes = true;
    r->gateway = spec_get(r, r->root, "x-yc-apigateway");
    if (r->gateway != NULL && !spec_is_map(r, r->gateway, "x-yc-apigateway"))
        r->gateway = NULL;
    spec_vars_check(r);
    if (title != NULL && title->kind == DOC_TEXT && strlen(title->text) <= SPEC_MAX_NAME)
        r->spec->title = spec_string(r, title, "info.title", SPEC_MAX_NAME);
    if (r->spec->title == NULL)
        r->spec->title = spec_dup(r, slice_str(""));
    check_gateway(r);
    check_servers(r);
    spec_routes_read(r);
}

static int hash_named(struct buf *of, char kind, const struct spec_named *list, size_t n)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = buf_printf(of, "%c%zu:%s%zu:%s", kind, strlen(list[i].name), list[i].name,
                       strlen(list[i].value), list[i].value);
    return r;
}

static int hash_all(struct slice text, const struct spec_options *o, uint64_t *ret)
{
    uint8_t hash[SHA256_SIZE];
    struct buf named;
    buf_init(&named, (size_t) 64 << 20);
    int r = hash_named(&named, 'v', o->variables, o->n_variables);
    if (r == 0)
        r = hash_named(&named, 'c', o->containers, o->n_containers);
    if (r == 0)
        r = hash_named(&named, 'f', o->functions, o->n_functions);
    if (r == 0)
        r = buf_printf(&named, ";%zu", text.len); /* so that it is known where the text ends */
    sha256(text, buf_slice(&named), hash);
    memcpy(ret, hash, sizeof(*ret));
    buf_fini(&named);
    return r;
}

static int read_all(struct spec_reader *r, struct slice text)
{
    unsigned before = r->problems->n;
    bool full = before == DOC_MAX_PROBLEMS; /* then no more can be counted */
    if (check_version(r))
        read_top(r);
    if (full || r->problems->n > before)
        return -EINVAL;
    int err = hash_all(text, r->options, &r->spec->hash);
    return err < 0 ? err : spec_notes_end(r);
}

static int parse_tree(struct slice text, struct problems *problems, struct doc_node **ret)
{
    static const struct doc_limits LIMITS = {.what = "an OpenAPI document",
                                             .max_keys = SPEC_MAX_NODES,
                                             .max_nodes = SPEC_MAX_NODES,
                                             .max_depth = SPEC_MAX_DEPTH,
                                             .aliases = true};
    struct buf yaml;
    buf_init(&yaml, SPEC_MAX_BYTES);
    int r = spec_doc_pairs(text, &yaml);
    if (r == -EMSGSIZE) {
        problems_add(problems, 1, "document", "expected at most 3584 KiB, got more");
        r = -EINVAL;
    } else if (r == 0) {
        r = doc_parse_within(buf_slice(&yaml), &LIMITS, problems, ret);
    }
    buf_fini(&yaml);
    return r;
}

int spec_parse(struct slice text, const struct spec_options *options, struct problems *problems,
               struct spec **ret)
{
    struct doc_node *root = NULL;
    int err = parse_tree(text, problems, &root);
    if (err < 0)
        return err;
    ASSERT(root != NULL);
    struct spec *spec = xcalloc(1, sizeof(*spec));
    struct spec_reader *r = xcalloc(1, sizeof(*r));
    atomic_init(&spec->refs, 1);
    *r = (struct spec_reader){.options = options, .problems = problems, .root = root, .spec = spec};
    err = read_all(r, text);
    spec_notes_fini(r);
    spec_memo_fini(r);
    free(r);
    doc_free(root);
    if (err < 0) {
        spec_unref(spec);
        return err;
    }
    for (size_t i = 0; i < spec->n_routes; i++)
        spec->routes[i].spec = spec;
    *ret = spec;
    return 0;
}

int spec_load(const char *file, const struct spec_options *options, struct problems *problems,
              struct spec **ret)
{
    struct buf text;
    int r = doc_read(file, SPEC_MAX_BYTES, problems, &text);
    if (r < 0)
        return r;
    r = spec_parse(buf_slice(&text), options, problems, ret);
    buf_fini(&text);
    return r;
}

struct spec *spec_ref(struct spec *s)
{
    if (s != NULL)
        (void) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void spec_unref(struct spec *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    buf_fini(&s->notes);
    spec_own_free(s->own);
    free(s);
}
