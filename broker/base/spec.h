/* spec.h - what an OpenAPI 3.0 specification says of the gateway: its paths, what happens on each
 * when a client connects, sends and leaves (the x-yc-apigateway extensions of the original's
 * documentation, "API Gateway extensions"), who may, and how often.
 *
 * Everything that can be known without a request is worked out while it is read: references are
 * followed, variables put in, texts cut at their parameters. So what is here cannot be wrong any
 * more, never changes, and may be read from any thread; it is counted, since a connection goes on
 * with the specification that it was opened by until it is told of the next one. */
#ifndef BASE_SPEC_H
#define BASE_SPEC_H

#include "buf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SPEC_MAX_BYTES  (3584u << 10) /* the original's limit of 3.5 MB */
#define SPEC_MAX_ROUTES 32767         /* as many as there may be paths */
#define SPEC_MAX_PARAMS 64            /* of one operation, those of its path included */
#define SPEC_MAX_FIELDS 64            /* headers, or query parameters, of one integration */

enum spec_in { SPEC_IN_PATH, SPEC_IN_QUERY, SPEC_IN_HEADER, SPEC_IN_COOKIE };

/* One that an operation declares, and only such a one can be put into a text. */
struct spec_param {
    enum spec_in in;
    char *name;     /* of a header: as it was written; compared without case */
    bool greedy;    /* of a path: {name+} */
    bool required;  /* a request without it is refused with 400; of a path always */
    char *fallback; /* its schema's default; NULL: none, which is the empty text */
};

/* "https://api.example.com/rooms/{room}", cut at its parameters. */
struct spec_piece {
    char *literal; /* NULL: a parameter */
    size_t param;  /* in the operation's params */
};
struct spec_text {
    struct spec_piece *pieces;
    size_t n; /* 0: the empty text */
};

/* A header or query parameter that is sent. */
struct spec_field {
    char *name;
    struct spec_text
        *values; /* joined with commas; without any it is dropped, as omit_empty says */
    size_t n;
};
struct spec_fields {
    struct spec_field *at;
    size_t n;
    bool rest;       /* '*': '*' : what the request has and is not named here goes along */
    bool omit_empty; /* a field whose value is empty is left out */
};

struct spec_content {
    char *media_type; /* "application/json"; "*": for who accepts none of the others */
    struct spec_text text;
};

enum spec_kind {
    SPEC_DUMMY,    /* answers by itself */
    SPEC_HTTP,     /* asks a URL */
    SPEC_CONTAINER /* asks a configured address, with the request's own path, query and headers */
};

struct spec_integration {
    enum spec_kind kind;
    /* dummy */
    unsigned http_code; /* 200..599 */
    struct spec_fields http_headers;
    struct spec_content *contents;
    size_t n_contents;
    /* http; of a container its address, without parameters */
    struct spec_text url; /* its scheme and authority are fixed text, and end before the first
                             parameter: no value can choose where it leads */
    char *method;         /* in capitals; NULL: the request's */
    struct spec_fields headers, query;
    uint64_t connect_ms, read_ms; /* 0: as gateway.backends says */
};

struct spec_authorizer;

/* One way to be let in: all of these. */
struct spec_grant {
    const struct spec_authorizer *authorizer;
    char **scopes;
    size_t n_scopes;
};
struct spec_way {
    struct spec_grant *grants; /* none: anybody is let in this way */
    size_t n;
};
/* Any of these ways will do; without one anybody is let in. */
struct spec_security {
    struct spec_way *ways;
    size_t n;
};

struct spec_operation {
    unsigned line;
    struct spec_param *params; /* those of its path and its own */
    size_t n_params;
    struct spec_integration integration;
    struct spec_security security; /* its own, or the document's */
};

struct spec_cors {
    bool any_origin;  /* true: whatever origin a request names is allowed */
    char **origins;   /* else these, exactly; "*" stands for itself */
    size_t n_origins; /* none, and not any_origin: off */
    char *methods, *allowed_headers, *exposed_headers; /* as they are sent; NULL: not said */
    bool credentials;
    int64_t max_age_s; /* -1: not said */
    unsigned options_status;
};

struct spec_rate {
    uint64_t n;         /* requests */
    uint64_t window_ms; /* 1000 or 60000 */
    char *name;         /* of the rule in components; NULL: it stands where it is used */
};

/* Where a credential is. */
struct spec_identity {
    enum spec_in in; /* header, query or cookie */
    char *name;
    char *prefix; /* in front of it; "": none */
};

enum spec_authorizer_kind { SPEC_JWT, SPEC_FUNCTION };
enum spec_scheme { SPEC_SCHEME_BASIC, SPEC_SCHEME_BEARER, SPEC_SCHEME_KEY, SPEC_SCHEME_OPENID };

struct spec_authorizer {
    char *name; /* of the security scheme */
    enum spec_authorizer_kind kind;
    enum spec_scheme scheme;
    struct spec_identity identity; /* of basic and bearer: the header Authorization with its scheme
                                      and a space as prefix */
    uint64_t result_ttl_ms;        /* 0: what came of it is not kept */
    bool by_uri;                   /* kept for one URI; else for one path of the specification */
    /* jwt */
    char *jwks_uri;   /* NULL: jwks_uri of the document at openid_url */
    char *openid_url; /* openIdConnectUrl; NULL with jwks_uri */
    char **issuers, **audiences, **required_claims; /* none: not looked at */
    size_t n_issuers, n_audiences, n_required_claims;
    uint64_t jwk_ttl_ms; /* 0: keys are not kept */
    /* function */
    char *function_id, *tag, *service_account_id; /* NULL: not said */
    char *function_url;                           /* of gateway.backends.functions[] */
};

struct spec_route {
    struct spec *spec; /* that it is of */
    char *path;        /* as the specification has it, which is what triggers name */
    unsigned line;     /* in the file */
    /* Has x-yc-apigateway-websocket-message. Without, a client cannot open it (404), and it only
     * takes its requests away from paths that match less well. */
    bool websocket;
    struct spec_operation *connect, *message, *disconnect; /* NULL: it has none */
    struct spec_security security; /* what a handshake has to pass: of connect and message both,
                                      each being the document's where it says nothing itself */
    struct spec_security also;     /* and this as well: of message, where it differs */
    const struct spec_cors *cors;  /* NULL: none */
    const struct spec_rate *rate;  /* NULL: any; never of a greedy path */
    char *plain;                   /* "get (dummy), post (http)": what else is on the path and not
                                      served, for spec_explain(); NULL: nothing */
    size_t index;                  /* in routes */
};

struct spec {
    atomic_size_t refs;
    char *title;
    bool ignore_trailing_slashes;
    struct spec_route *routes; /* in the order of the document, of whatever kind */
    size_t n_routes;
    struct spec_authorizer *authorizers;
    size_t n_authorizers;
    uint64_t hash;    /* of the text, of variables and addresses: two that differ differ in it */
    struct buf notes; /* for spec_explain(): what is passed over, and why */
    struct spec_own *own; /* what the pointers above point to */
};

/* What a specification does not say itself. */
struct spec_named {
    const char *name;  /* of a variable; the id of a container or function */
    const char *value; /* its text; an URL */
};
struct spec_options {
    const struct spec_named *variables, *containers, *functions;
    size_t n_variables, n_containers, n_functions;
};

struct problems;
/* Reads the file, YAML or JSON. 0: *ret for spec_unref(). -EINVAL, or the errno of reading:
 * `problems` says what was expected where, in the file; *ret is untouched. A problem is what would
 * make a path do something else than the original's: an integration that needs the cloud, a
 * reference that leads nowhere. What only describes (schemas, tags, summaries) is not looked at. */
MUST_CHECK int spec_load(const char *file, const struct spec_options *options,
                         struct problems *problems, struct spec **ret);
MUST_CHECK int spec_parse(struct slice text, const struct spec_options *options,
                          struct problems *problems, struct spec **ret);
struct spec *spec_ref(struct spec *s); /* one owner more; returns `s`; NULL is fine */
void spec_unref(struct spec *s);       /* NULL is fine */

/* For --check: each path, what happens on it and what does not, and why. 0 or buf's errors. */
MUST_CHECK int spec_explain(const struct spec *s, struct buf *out);

#endif
