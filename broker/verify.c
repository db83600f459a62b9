/* verify.c - see verify.h. */
#include "verify.h"

#include "config_value.h"
#include "err.h"

#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/md.h>

#define BASIC_MAX_BYTES 6144 /* decoded credentials; request heads are not much longer */
#define SIGNATURE_CHARS 44   /* base64 of a MAC */
#define TIMESTAMP_CHARS 12   /* the year 9999 has 12 digits */

/* --- tokens --- */

/* Cuts "scheme credentials" (RFC 9110 section 11.4) when the scheme is this one. */
static bool credentials_of(struct slice authorization, struct slice scheme, struct slice *ret)
{
    if (authorization.len <= scheme.len || authorization.data[scheme.len] != ' ' ||
        !slice_eq_nocase(slice_sub(authorization, 0, scheme.len), scheme))
        return false;
    struct slice s = slice_from(authorization, scheme.len);
    while (s.len > 0 && s.data[0] == ' ')
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    *ret = s;
    return true;
}

/* The token in the header; it may lie in `plain`. */
static bool token_of(struct slice authorization, uint8_t plain[BASIC_MAX_BYTES], struct slice *ret)
{
    struct slice encoded;
    size_t n = 0;
    if (credentials_of(authorization, SLICE_LIT("Bearer"), ret))
        return true;
    if (!credentials_of(authorization, SLICE_LIT("Basic"), &encoded) ||
        mbedtls_base64_decode(plain, BASIC_MAX_BYTES, &n, encoded.data, encoded.len) != 0)
        return false;
    const uint8_t *colon = n == 0 ? NULL : memchr(plain, ':', n);
    if (colon == NULL)
        return false;
    size_t user = (size_t) (colon - plain) + 1;
    *ret = slice_of(plain + user, n - user);
    return true;
}

/* 1 or 0, without a branch on what is secret. */
static unsigned same(const uint8_t a[SHA256_SIZE], const uint8_t b[SHA256_SIZE])
{
    return mbedtls_ct_memcmp(a, b, SHA256_SIZE) == 0;
}

/* A request without a token takes the same steps: it is compared as an empty one. */
static bool has_token(const struct verifier *v, struct slice authorization)
{
    uint8_t plain[BASIC_MAX_BYTES], hash[SHA256_SIZE];
    struct slice given = {0};
    bool there = token_of(authorization, plain, &given);
    unsigned found = 0;
    sha256(given, slice_str(NULL), hash);
    for (size_t i = 0; i < v->n_tokens; i++)
        found |= same(hash, v->tokens[i]);
    return found != 0 && there;
}

/* --- Standard Webhooks --- */

/* The three are joined with full stops: with one in the id, two requests could sign the same. */
static bool is_id(struct slice id)
{
    return id.len > 0 && id.len <= VERIFY_ID_MAX && slice_is_visible(id) &&
           memchr(id.data, '.', id.len) == NULL;
}

static bool is_near(struct slice timestamp, uint64_t now_s)
{
    char text[TIMESTAMP_CHARS + 1];
    uint64_t at_s;
    if (timestamp.len == 0 || timestamp.len >= sizeof(text))
        return false;
    memcpy(text, timestamp.data, timestamp.len);
    text[timestamp.len] = '\0';
    if (!value_count(text, &at_s))
        return false;
    return (at_s < now_s ? now_s - at_s : at_s - now_s) <= VERIFY_TOLERANCE_S;
}

static enum refuse standard_head(const struct verify_request *req, uint64_t now_s)
{
    if (!is_id(req->id) || req->timestamp.len == 0 || req->signature.len == 0)
        return REFUSE_SIGNATURE;
    return is_near(req->timestamp, now_s) ? REFUSE_NONE : REFUSE_TIMESTAMP;
}

/* 0, or an error of mbedTLS: it has no memory. */
static int sign(const struct verify_secret *secret, const struct slice *parts, size_t n,
                uint8_t ret[SHA256_SIZE])
{
    mbedtls_md_context_t md;
    mbedtls_md_init(&md);
    int r = mbedtls_md_setup(&md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1);
    if (r == 0)
        r = mbedtls_md_hmac_starts(&md, secret->bytes, secret->len);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = mbedtls_md_hmac_update(&md, parts[i].data, parts[i].len);
    if (r == 0)
        r = mbedtls_md_hmac_finish(&md, ret);
    mbedtls_md_free(&md);
    return r;
}

/* Cuts the next word of a list that spaces part; false: there is none left. */
static bool next_word(struct slice *list, struct slice *ret)
{
    while (list->len > 0 && list->data[0] == ' ')
        *list = slice_from(*list, 1);
    const uint8_t *end = list->len == 0 ? NULL : memchr(list->data, ' ', list->len);
    size_t len = end == NULL ? list->len : (size_t) (end - list->data);
    *ret = slice_sub(*list, 0, len);
    *list = slice_from(*list, len);
    return len > 0;
}

static bool signature_of(struct slice word, uint8_t ret[SHA256_SIZE])
{
    static const struct slice VERSION = SLICE_LIT("v1,");
    size_t n = 0;
    if (word.len != VERSION.len + SIGNATURE_CHARS ||
        !slice_eq(slice_sub(word, 0, VERSION.len), VERSION))
        return false;
    return mbedtls_base64_decode(ret, SHA256_SIZE, &n, word.data + VERSION.len, SIGNATURE_CHARS) ==
               0 &&
           n == SHA256_SIZE;
}

static enum refuse standard_body(const struct verifier *v, const struct verify_request *req,
                                 struct slice body)
{
    static const struct slice STOP = SLICE_LIT(".");
    const struct slice parts[] = {req->id, STOP, req->timestamp, STOP, body};
    uint8_t right[CONFIG_SECRETS][SHA256_SIZE], given[SHA256_SIZE];
    struct slice list = req->signature, word;
    unsigned found = 0;
    for (size_t i = 0; i < v->n_secrets; i++)
        if (sign(&v->secrets[i], parts, ARRAY_LEN(parts), right[i]) != 0)
            return REFUSE_OVERLOAD;
    while (next_word(&list, &word)) /* several: the sender changes its secret */
        for (size_t i = 0; signature_of(word, given) && i < v->n_secrets; i++)
            found |= same(given, right[i]);
    return found != 0 ? REFUSE_NONE : REFUSE_SIGNATURE;
}

/* --- the kinds of signatures --- */

static const struct kind {
    enum refuse (*head)(const struct verify_request *req, uint64_t now_s);
    enum refuse (*body)(const struct verifier *v, const struct verify_request *req,
                        struct slice body);
    bool names_delivery; /* `id` is covered by the signature */
} KINDS[] = {
    [SIGNATURE_NONE] = {NULL, NULL, false},
    [SIGNATURE_STANDARD] = {standard_head, standard_body, true},
};

static void read_secret(const char *text, struct verify_secret *ret)
{
    int r = value_webhook_secret(text, ret->bytes, &ret->len);
    ASSERT(r == 0); /* the configuration takes no other */
}

static void hash_token(struct verifier *v, const char *token)
{
    sha256(slice_str(token), slice_str(NULL), v->tokens[v->n_tokens++]);
}

void verifier_init(struct verifier *v, const struct config_registry *cfg)
{
    *v = (struct verifier){.signature = cfg->signature, .n_secrets = cfg->signature_secrets.n};
    ASSERT(cfg->tokens.n <= CONFIG_SECRETS && v->n_secrets <= CONFIG_SECRETS);
    if (cfg->token != NULL)
        hash_token(v, cfg->token);
    for (size_t i = 0; i < cfg->tokens.n; i++)
        hash_token(v, cfg->tokens.at[i]);
    for (size_t i = 0; i < v->n_secrets; i++)
        read_secret(cfg->signature_secrets.at[i], &v->secrets[i]);
}

enum refuse verify_head(const struct verifier *v, const struct verify_request *req, uint64_t now_s)
{
    const struct kind *kind = &KINDS[v->signature];
    if (v->n_tokens > 0 && !has_token(v, req->authorization))
        return REFUSE_AUTH;
    return kind->head == NULL ? REFUSE_NONE : kind->head(req, now_s);
}

enum refuse verify_body(const struct verifier *v, const struct verify_request *req,
                        struct slice body)
{
    const struct kind *kind = &KINDS[v->signature];
    return kind->body == NULL ? REFUSE_NONE : kind->body(v, req, body);
}

struct slice verify_delivery_id(const struct verifier *v, const struct verify_request *req)
{
    return KINDS[v->signature].names_delivery ? req->id : (struct slice){0};
}
