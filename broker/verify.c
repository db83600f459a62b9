/* verify.c - see verify.h. */
#include "verify.h"

#include "config_value.h"
#include "oidc.h"

#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/md.h>

#define BASIC_MAX_BYTES 6144 /* decoded credentials; request heads are not much longer */
#define SIGNATURE_CHARS 44   /* base64 of a MAC */
#define TIMESTAMP_CHARS 12   /* the year 9999 has 12 digits */
#define MAC_MAX         64   /* bytes, of SHA-512 */

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

static bool has_header(struct headers list, const char *name)
{
    const struct slice wanted = slice_str(name);
    for (size_t i = 0; i < list.n; i++)
        if (slice_eq_nocase(list.at[i].name, wanted))
            return true;
    return false;
}

/* The token in Authorization, or in the query; it may lie in `plain`. */
static bool usual_token_of(const struct verify_request *req, uint8_t plain[BASIC_MAX_BYTES],
                           struct slice *ret)
{
    struct slice authorization = headers_only(req->headers, "Authorization"), encoded;
    size_t n = 0;
    if (!has_header(req->headers, "Authorization")) {
        *ret = req->access_token;
        return ret->len > 0;
    }
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

static bool token_of(const struct verifier *v, const struct verify_request *req,
                     uint8_t plain[BASIC_MAX_BYTES], struct slice *ret)
{
    if (v->cfg->token_header == NULL)
        return usual_token_of(req, plain, ret);
    *ret = headers_only(req->headers, v->cfg->token_header);
    return ret->len > 0;
}

/* 1 or 0, without a branch on what is secret. */
static unsigned same(const uint8_t *a, const uint8_t *b, size_t len)
{
    return mbedtls_ct_memcmp(a, b, len) == 0;
}

/* A request without a token takes the same steps: it is compared as an empty one. */
static bool has_token(const struct verifier *v, const struct verify_request *req)
{
    uint8_t plain[BASIC_MAX_BYTES], hash[SHA256_SIZE];
    struct slice given = {0};
    bool there = token_of(v, req, plain, &given);
    unsigned found = 0;
    sha256(given, slice_str(NULL), hash);
    for (size_t i = 0; i < v->n_tokens; i++)
        found |= same(hash, v->tokens[i], sizeof(hash));
    return found != 0 && there;
}

static enum refuse check_id_token(const struct verifier *v, const struct verify_request *req,
                                  uint64_t now_s)
{
    struct slice token;
    if (!credentials_of(headers_only(req->headers, "Authorization"), SLICE_LIT("Bearer"), &token))
        return REFUSE_AUTH;
    return oidc_check(&v->cfg->oidc, req->keys, token, now_s);
}

/* --- MACs --- */

/* A kind of signature, and where it is in a request. */
struct kind {
    enum refuse (*head)(const struct kind *kind, const struct verify_request *req, uint64_t now_s);
    enum refuse (*body)(const struct kind *kind, const struct verifier *v,
                        const struct verify_request *req, struct slice body);
    const char *id; /* the header with the delivery's id, which the signature covers; or NULL */
    /* Of those in hexadecimal: the first header that is there counts; the MAC, behind a prefix. */
    const char *headers[2];
    struct hash {
        const char *prefix;
        mbedtls_md_type_t type;
    } hashes[2];
};

/* 0, or an error of mbedTLS: it has no memory. */
static int sign(mbedtls_md_type_t type, const struct verify_secret *secret,
                const struct slice *parts, size_t n, uint8_t ret[MAC_MAX])
{
    mbedtls_md_context_t md;
    mbedtls_md_init(&md);
    int r = mbedtls_md_setup(&md, mbedtls_md_info_from_type(type), 1);
    if (r == 0)
        r = mbedtls_md_hmac_starts(&md, secret->bytes, secret->len);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = mbedtls_md_hmac_update(&md, parts[i].data, parts[i].len);
    if (r == 0)
        r = mbedtls_md_hmac_finish(&md, ret);
    mbedtls_md_free(&md);
    return r;
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

#define STANDARD_ID        "webhook-id"
#define STANDARD_TIMESTAMP "webhook-timestamp"
#define STANDARD_SIGNATURE "webhook-signature"

static enum refuse standard_head(const struct kind *kind, const struct verify_request *req,
                                 uint64_t now_s)
{
    struct slice timestamp = headers_only(req->headers, STANDARD_TIMESTAMP);
    if (!is_id(headers_only(req->headers, kind->id)) || timestamp.len == 0 ||
        headers_only(req->headers, STANDARD_SIGNATURE).len == 0)
        return REFUSE_SIGNATURE;
    return is_near(timestamp, now_s) ? REFUSE_NONE : REFUSE_TIMESTAMP;
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

static enum refuse standard_body(const struct kind *kind, const struct verifier *v,
                                 const struct verify_request *req, struct slice body)
{
    static const struct slice STOP = SLICE_LIT(".");
    const struct slice parts[] = {headers_only(req->headers, kind->id), STOP,
                                  headers_only(req->headers, STANDARD_TIMESTAMP), STOP, body};
    uint8_t right[CONFIG_SECRETS][MAC_MAX], given[SHA256_SIZE];
    struct slice list = headers_only(req->headers, STANDARD_SIGNATURE), word;
    unsigned found = 0;
    for (size_t i = 0; i < v->n_secrets; i++)
        if (sign(MBEDTLS_MD_SHA256, &v->secrets[i], parts, ARRAY_LEN(parts), right[i]) != 0)
            return REFUSE_OVERLOAD;
    while (next_word(&list, &word)) /* several: the sender changes its secret */
        for (size_t i = 0; signature_of(word, given) && i < v->n_secrets; i++)
            found |= same(given, right[i], sizeof(given));
    return found != 0 ? REFUSE_NONE : REFUSE_SIGNATURE;
}

/* --- a MAC of the body in hexadecimal --- */

static int digit_of(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(struct slice text, uint8_t ret[MAC_MAX], size_t len)
{
    if (text.len != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = digit_of(text.data[2 * i]), low = digit_of(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t) (high * 16 + low);
    }
    return true;
}

/* What the request has for a MAC. NULL: nothing of the kind's form. */
static const struct hash *mac_of(const struct kind *kind, const struct verify_request *req,
                                 uint8_t ret[MAC_MAX], size_t *ret_len)
{
    struct slice value = {0};
    for (size_t i = 0; value.len == 0 && i < ARRAY_LEN(kind->headers); i++)
        if (kind->headers[i] != NULL)
            value = headers_only(req->headers, kind->headers[i]);
    for (size_t i = 0; i < ARRAY_LEN(kind->hashes); i++) {
        const struct hash *hash = &kind->hashes[i];
        struct slice prefix = slice_str(hash->prefix);
        if (hash->type == MBEDTLS_MD_NONE || value.len < prefix.len ||
            !slice_eq(slice_sub(value, 0, prefix.len), prefix))
            continue;
        *ret_len = mbedtls_md_get_size(mbedtls_md_info_from_type(hash->type));
        return read_hex(slice_from(value, prefix.len), ret, *ret_len) ? hash : NULL;
    }
    return NULL;
}

static enum refuse hex_head(const struct kind *kind, const struct verify_request *req,
                            uint64_t now_s)
{
    uint8_t given[MAC_MAX];
    size_t len;
    (void) now_s;
    return mac_of(kind, req, given, &len) == NULL ? REFUSE_SIGNATURE : REFUSE_NONE;
}

static enum refuse hex_body(const struct kind *kind, const struct verifier *v,
                            const struct verify_request *req, struct slice body)
{
    uint8_t right[MAC_MAX], given[MAC_MAX];
    size_t len = 0;
    unsigned found = 0;
    const struct hash *hash = mac_of(kind, req, given, &len);
    if (hash == NULL)
        return REFUSE_SIGNATURE;
    for (size_t i = 0; i < v->n_secrets; i++) {
        if (sign(hash->type, &v->secrets[i], &body, 1, right) != 0)
            return REFUSE_OVERLOAD;
        found |= same(given, right, len);
    }
    return found != 0 ? REFUSE_NONE : REFUSE_SIGNATURE;
}

/* --- the kinds of signatures --- */

static const struct kind KINDS[] = {
    [SIGNATURE_NONE] = {.head = NULL},
    [SIGNATURE_STANDARD] = {.head = standard_head, .body = standard_body, .id = STANDARD_ID},
    /* The X-GitHub-Delivery beside it is not signed: who repeats a request writes any other. */
    [SIGNATURE_GITHUB] = {.head = hex_head,
                          .body = hex_body,
                          .headers = {"X-Hub-Signature-256"},
                          .hashes = {{"sha256=", MBEDTLS_MD_SHA256}}},
    [SIGNATURE_X] = {.head = hex_head,
                     .body = hex_body,
                     .headers = {"X-Signature"},
                     .hashes = {{"sha256=", MBEDTLS_MD_SHA256}, {"sha512=", MBEDTLS_MD_SHA512}}},
    [SIGNATURE_NEXUS] = {.head = hex_head,
                         .body = hex_body,
                         .headers = {"X-Nexus-Webhook-Signature"},
                         .hashes = {{"", MBEDTLS_MD_SHA1}}},
    [SIGNATURE_ARTIFACTORY] = {.head = hex_head,
                               .body = hex_body,
                               .headers = {"X-JFrog-Event-Auth"},
                               .hashes = {{"", MBEDTLS_MD_SHA256}}},
    [SIGNATURE_GITEA] = {.head = hex_head,
                         .body = hex_body,
                         .headers = {"X-Gitea-Signature", "X-Forgejo-Signature"},
                         .hashes = {{"", MBEDTLS_MD_SHA256}}},
};

static const struct kind *kind_of(const struct verifier *v)
{
    return &KINDS[v->cfg->signature];
}

/* --- all of it --- */

static void read_secret(enum config_signature signature, const char *text,
                        struct verify_secret *ret)
{
    if (signature == SIGNATURE_STANDARD) {
        int r = value_webhook_secret(text, ret->bytes, &ret->len);
        ASSERT(r == 0); /* the configuration takes no other */
        return;
    }
    ret->len = strlen(text);
    ASSERT(ret->len <= sizeof(ret->bytes));
    memcpy(ret->bytes, text, ret->len);
}

static void hash_token(struct verifier *v, const char *token)
{
    sha256(slice_str(token), slice_str(NULL), v->tokens[v->n_tokens++]);
}

void verifier_init(struct verifier *v, const struct config_registry *cfg)
{
    *v = (struct verifier){.cfg = cfg, .n_secrets = cfg->signature_secrets.n};
    ASSERT(cfg->tokens.n <= CONFIG_SECRETS && v->n_secrets <= CONFIG_SECRETS);
    if (cfg->token != NULL)
        hash_token(v, cfg->token);
    for (size_t i = 0; i < cfg->tokens.n; i++)
        hash_token(v, cfg->tokens.at[i]);
    for (size_t i = 0; i < v->n_secrets; i++)
        read_secret(cfg->signature, cfg->signature_secrets.at[i], &v->secrets[i]);
}

bool verifier_is_open(const struct verifier *v)
{
    return v->n_tokens == 0 && v->cfg->oidc.audience == NULL && kind_of(v)->head == NULL;
}

enum refuse verify_head(const struct verifier *v, const struct verify_request *req, uint64_t now_s)
{
    const struct kind *kind = kind_of(v);
    enum refuse why = v->n_tokens > 0 && !has_token(v, req) ? REFUSE_AUTH : REFUSE_NONE;
    if (why == REFUSE_NONE && v->cfg->oidc.audience != NULL)
        why = check_id_token(v, req, now_s);
    if (why == REFUSE_NONE && kind->head != NULL)
        why = kind->head(kind, req, now_s);
    return why;
}

enum refuse verify_body(const struct verifier *v, const struct verify_request *req,
                        struct slice body)
{
    const struct kind *kind = kind_of(v);
    return kind->body == NULL ? REFUSE_NONE : kind->body(kind, v, req, body);
}

struct slice verify_delivery_id(const struct verifier *v, const struct verify_request *req)
{
    const struct kind *kind = kind_of(v);
    return kind->id == NULL ? (struct slice){0} : headers_only(req->headers, kind->id);
}
