/* authorizer_keys_bed.h - one scheme on an authorizer_bed.h, whose keys are at /keys, and tokens
 * that name two of them. */
#ifndef TESTS_UNIT_AUTHORIZER_KEYS_BED_H
#define TESTS_UNIT_AUTHORIZER_KEYS_BED_H

#include "authorizer_bed.h"

static struct signer a, b; /* keys "a" and "b" */
static char *token_a, *token_b;

static inline int keys_setup(void **state)
{
    (void) state;
    jwk_signer_init_ec(&a, JWA_P256);
    jwk_signer_init_ec(&b, JWA_P256);
    token_a = token_of(&a, "a", "");
    token_b = token_of(&b, "b", "");
    return 0;
}

static inline int keys_teardown(void **state)
{
    (void) state;
    signer_fini(&a);
    signer_fini(&b);
    free(token_a);
    free(token_b);
    return 0;
}

struct one {
    struct auth_bed *ab;
    struct spec_authorizer scheme;
    struct single single;
    struct page *keys;
};

static inline void one_begin(struct one *o)
{
    *o = (struct one){.ab = auth_bed_new()};
    o->scheme = jwt_scheme(o->ab, "X-A", "/keys");
    o->keys = page_set(o->ab, "/keys", 200, keys_of(&a, "a"));
    (void) single_of(&o->single, &o->scheme);
}

/* By the document at /doc. */
static inline struct page *one_begin_openid(struct one *o)
{
    char *text = NULL;
    one_begin(o);
    assert_true(asprintf(&text, "{\"jwks_uri\":\"%s\"}", o->scheme.jwks_uri) > 0);
    free(o->scheme.jwks_uri);
    o->scheme.jwks_uri = NULL;
    o->scheme.openid_url = auth_url(o->ab, "/doc");
    return page_set(o->ab, "/doc", 200, text);
}

static inline void one_end(struct one *o)
{
    scheme_free(&o->scheme);
    auth_bed_free(o->ab);
}

static inline void begin(struct one *o, const char *token, struct verdict *v)
{
    const struct header header = HEADER_OF("X-A", token);
    auth_begin(o->ab, &o->single.security, &(struct asked){.headers = &header, .n_headers = 1}, v);
}

/* Asks once; `fetches` of the page of keys are made for it. */
static inline void asks(struct one *o, const char *token, unsigned status, unsigned fetches)
{
    struct verdict v = {0};
    unsigned before = o->keys->asked;
    begin(o, token, &v);
    auth_end(o->ab, &v);
    verdict_is(&v, status, token == token_a ? "a" : "b");
    assert_int_equal(o->keys->asked - before, fetches);
}

#endif
