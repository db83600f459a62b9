/* spec_scheme.c - a security scheme whose x-yc-apigateway-authorizer says who is let in. Only those
 * that a WebSocket path asks for are read. */
#include "spec_private.h"

#include <stdio.h>

#define MAX_TTL_S (366u * 86400)

static const char *text_of(struct spec_reader *r, const struct doc_node *map, const char *key,
                           const char *otherwise)
{
    const struct doc_node *node = spec_get(r, map, key);
    const char *text = node == NULL ? NULL : spec_string(r, node, key, SPEC_MAX_VALUE);
    return text == NULL ? otherwise : text;
}

static char *url_of(struct spec_reader *r, const struct doc_node *map, const char *key)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *node = spec_get(r, map, key);
    char *text = node == NULL ? NULL : spec_string(r, node, key, SPEC_MAX_VALUE);
    const char *why = text == NULL ? NULL : spec_url_check_plain(text);
    if (why != NULL)
        spec_problem(r, node->line, key, "expected an URL, got %s: %s", doc_quote(text, quoted),
                     why);
    return text;
}

/* in, name and prefix: of identitySource, or of the scheme apiKey. */
static void read_identity(struct spec_reader *r, const struct doc_node *node, const char *key,
                          struct spec_identity *ret)
{
    char quoted[DOC_QUOTE_SIZE];
    if (!spec_is_map(r, node, key))
        return;
    const char *in = text_of(r, node, "in", "");
    if (strcmp(in, "header") == 0)
        ret->in = SPEC_IN_HEADER;
    else if (strcmp(in, "query") == 0)
        ret->in = SPEC_IN_QUERY;
    else if (strcmp(in, "cookie") == 0)
        ret->in = SPEC_IN_COOKIE;
    else
        spec_problem(r, node->line, key, "expected \"in\": header, query or cookie, got %s",
                     doc_quote(in, quoted));
    ret->name = spec_dup(r, slice_str(text_of(r, node, "name", "")));
    ret->prefix = spec_dup(r, slice_str(text_of(r, node, "prefix", "")));
    if (ret->in == SPEC_IN_QUERY ? ret->name[0] == '\0' || !spec_is_printed(ret->name)
                                 : !spec_is_token(ret->name))
        spec_problem(r, node->line, key,
                     "expected the name of a header, parameter or cookie, got %s",
                     doc_quote(ret->name, quoted));
}

static void read_caching(struct spec_reader *r, const struct doc_node *node,
                         struct spec_authorizer *ret)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *mode =
        spec_get_either(r, node, "authorizer_result_caching_mode", "authorizerResultCachingMode");
    const char *text = mode == NULL ? "path" : spec_string(r, mode, "caching_mode", SPEC_MAX_NAME);
    ret->result_ttl_ms =
        1000 * spec_count(r,
                          spec_get_either(r, node, "authorizer_result_ttl_in_seconds",
                                          "authorizerResultTtlInSeconds"),
                          "authorizer_result_ttl_in_seconds", 0, MAX_TTL_S, 0);
    if (text == NULL)
        return;
    ret->by_uri = strcasecmp(text, "uri") == 0;
    if (!ret->by_uri && strcasecmp(text, "path") != 0)
        spec_problem(r, mode->line, "authorizer_result_caching_mode",
                     "expected path or uri, got %s", doc_quote(text, quoted));
}

static void read_jwt(struct spec_reader *r, const struct doc_node *scheme,
                     const struct doc_node *node, struct spec_authorizer *ret)
{
    const struct doc_node *identity = spec_get_either(r, node, "identitySource", "IdentitySource");
    ret->kind = SPEC_JWT;
    if (ret->scheme != SPEC_SCHEME_OPENID)
        spec_problem(r, node->line, "type", "expected jwt in a scheme openIdConnect only");
    if (identity == NULL)
        identity = spec_get(r, node, "identity_source");
    if (identity == NULL)
        spec_problem(r, node->line, "identitySource", "expected where the token is, got nothing");
    else
        read_identity(r, identity, "identitySource", &ret->identity);
    ret->jwks_uri = url_of(r, node, doc_member(node, "jwksUri") != NULL ? "jwksUri" : "jwks_uri");
    if (ret->jwks_uri == NULL)
        ret->openid_url = url_of(r, scheme, "openIdConnectUrl");
    if (ret->jwks_uri == NULL && ret->openid_url == NULL)
        spec_problem(r, node->line, "jwksUri",
                     "expected an URL of keys here, or openIdConnectUrl in the scheme, got none");
    ret->issuers = spec_strings(r, spec_get(r, node, "issuers"), "issuers", &ret->n_issuers);
    ret->audiences =
        spec_strings(r, spec_get(r, node, "audiences"), "audiences", &ret->n_audiences);
    ret->required_claims =
        spec_strings(r, spec_get_either(r, node, "requiredClaims", "required_claims"),
                     "requiredClaims", &ret->n_required_claims);
    ret->jwk_ttl_ms =
        1000 * spec_count(r, spec_get_either(r, node, "jwkTtlInSeconds", "jwk_ttl_in_seconds"),
                          "jwkTtlInSeconds", 0, MAX_TTL_S, 0);
}

static void read_function(struct spec_reader *r, const struct doc_node *scheme,
                          const struct doc_node *node, struct spec_authorizer *ret)
{
    char quoted[DOC_QUOTE_SIZE];
    ret->kind = SPEC_FUNCTION;
    const char *id = text_of(r, node, "function_id", "");
    const char *url = spec_named_value(r->options->functions, r->options->n_functions, id);
    const char *why = url == NULL ? NULL : spec_url_check_plain(url);
    if (url == NULL)
        spec_problem(r, node->line, "function_id",
                     "expected a function whose address is in gateway.backends.functions, got %s",
                     doc_quote(id, quoted));
    if (why != NULL)
        spec_problem(r, node->line, "function_id",
                     "expected an URL in gateway.backends.functions, got %s: %s",
                     doc_quote(url, quoted), why);
    ret->function_id = spec_dup(r, slice_str(id));
    ret->function_url = spec_dup(r, slice_str(url));
    ret->tag = (char *) text_of(r, node, "tag", NULL);
    ret->service_account_id = (char *) text_of(r, node, "service_account_id", NULL);
    if (ret->tag != NULL && strchr(ret->tag, '{') != NULL)
        spec_note(r, node->line, "parameters in the tag of a function are not put in");
    if (ret->scheme == SPEC_SCHEME_OPENID) {
        spec_problem(r, node->line, "type",
                     "expected a function in a scheme http or apiKey, got openIdConnect");
        return;
    }
    if (ret->scheme == SPEC_SCHEME_KEY) {
        read_identity(r, scheme, "apiKey", &ret->identity);
        ret->identity.prefix = spec_dup(r, slice_str("")); /* it has none */
        return;
    }
    bool basic = ret->scheme == SPEC_SCHEME_BASIC;
    ret->identity = (struct spec_identity){SPEC_IN_HEADER, spec_dup(r, slice_str("Authorization")),
                                           spec_dup(r, slice_str(basic ? "Basic " : "Bearer "))};
}

static bool read_type(struct spec_reader *r, const struct doc_node *scheme, enum spec_scheme *ret)
{
    char quoted[DOC_QUOTE_SIZE];
    const char *type = text_of(r, scheme, "type", "");
    const char *of = strcmp(type, "http") == 0 ? text_of(r, scheme, "scheme", "") : "";
    if (strcasecmp(of, "basic") == 0)
        *ret = SPEC_SCHEME_BASIC;
    else if (strcasecmp(of, "bearer") == 0)
        *ret = SPEC_SCHEME_BEARER;
    else if (strcmp(type, "apiKey") == 0)
        *ret = SPEC_SCHEME_KEY;
    else if (strcmp(type, "openIdConnect") == 0)
        *ret = SPEC_SCHEME_OPENID;
    else {
        spec_problem(r, scheme->line, "type",
                     "expected http with basic or bearer, apiKey or openIdConnect, got %s",
                     doc_quote(type, quoted));
        return false;
    }
    return true;
}

static const struct spec_authorizer *read_scheme(struct spec_reader *r, const char *name,
                                                 const struct doc_node *scheme)
{
    char quoted[DOC_QUOTE_SIZE];
    enum spec_scheme kind;
    const struct doc_node *node = spec_get(r, scheme, "x-yc-apigateway-authorizer");
    if (node == NULL) {
        spec_problem(r, scheme->line, name,
                     "expected an x-yc-apigateway-authorizer, since a WebSocket path asks for this "
                     "scheme, got none");
        return NULL;
    }
    if (!spec_is_map(r, node, "x-yc-apigateway-authorizer") || !read_type(r, scheme, &kind))
        return NULL;
    struct spec_authorizer *ret = &r->spec->authorizers[r->spec->n_authorizers++];
    const char *type = text_of(r, node, "type", "");
    ret->name = spec_dup(r, slice_str(name));
    ret->scheme = kind;
    read_caching(r, node, ret);
    if (strcmp(type, "jwt") == 0)
        read_jwt(r, scheme, node, ret);
    else if (strcmp(type, "function") == 0)
        read_function(r, scheme, node, ret);
    else
        spec_problem(r, node->line, "type", "expected jwt or function, got %s%s",
                     doc_quote(type, quoted),
                     strcmp(type, "iam") == 0 ? ", which needs the cloud: use jwt" : "");
    return ret;
}

const struct spec_authorizer *spec_scheme_read(struct spec_reader *r, unsigned line,
                                               const char *name)
{
    char quoted[DOC_QUOTE_SIZE], where[sizeof(r->where)];
    const void *known;
    const struct doc_node *schemes =
        spec_get(r, spec_get(r, r->root, "components"), "securitySchemes");
    const struct doc_node *member = schemes == NULL ? NULL : doc_member(schemes, name);
    if (member == NULL) {
        spec_problem(r, line, "security", "expected a scheme of components.securitySchemes, got %s",
                     doc_quote(name, quoted));
        return NULL;
    }
    if (spec_memo_get(r, 's', member, &known))
        return known;
    if (schemes->n > SPEC_MAX_SCHEMES) {
        spec_problem(r, schemes->line, "securitySchemes", "expected at most %d of them, got %zu",
                     SPEC_MAX_SCHEMES, schemes->n);
        return NULL;
    }
    if (r->spec->authorizers == NULL) /* all at once: they are pointed to */
        r->spec->authorizers = spec_alloc(r, schemes->n, sizeof(struct spec_authorizer));
    const struct doc_node *scheme = spec_deref(r, member);
    memcpy(where, r->where, sizeof(where));
    (void) snprintf(r->where, sizeof(r->where), "securitySchemes.%.200s", name);
    const struct spec_authorizer *ret =
        scheme == NULL || !spec_is_map(r, scheme, name) ? NULL : read_scheme(r, name, scheme);
    memcpy(r->where, where, sizeof(where));
    spec_memo_set(r, 's', member, ret);
    return ret;
}
