/* iam_exchange.c - see iam_exchange.h. */
#include "iam_exchange.h"

#include <stdio.h>

#define AUDIENCE_SCHEME "https://"
#define AUDIENCE_PATH   "/iam/v1/tokens"
#define NO_KEY          "-" /* no id of a key */

/* --- the request --- */

void iam_exchange_check(const struct iam_proof *proof, struct status *found)
{
    if ((proof->jwt.data == NULL) == (proof->oauth_token.data == NULL))
        status_violate(found, "identity",
                       "must be either jwt or yandex_passport_oauth_token, not %s",
                       proof->jwt.data == NULL ? "neither" : "both");
    if (proof->jwt.len > JWT_MAX)
        status_violate(found, "jwt", "must be at most %d bytes", JWT_MAX);
    if (proof->oauth_token.len > IAM_MAX_OAUTH_TOKEN)
        status_violate(found, "yandex_passport_oauth_token", "must be at most %d bytes",
                       IAM_MAX_OAUTH_TOKEN);
}

/* --- the JWT --- */

static bool is_ours(const char *audience)
{
    struct slice url = slice_str(audience), scheme = SLICE_LIT(AUDIENCE_SCHEME),
                 path = SLICE_LIT(AUDIENCE_PATH);
    return url.len > scheme.len + path.len && slice_eq(slice_sub(url, 0, scheme.len), scheme) &&
           slice_eq(slice_from(url, url.len - path.len), path);
}

/* NULL: they are fine. */
static const char *check_times(const struct jwt *j, uint64_t now_s)
{
    uint64_t issued, expires, not_before = 0;
    if (jwt_time(j, "iat", &issued) < 0 || jwt_time(j, "exp", &expires) < 0)
        return "iat or exp is missing or no time";
    int r = jwt_time(j, "nbf", &not_before);
    if (r < 0 && r != -ENOENT)
        return "nbf is no time";
    if (expires <= issued || expires - issued > IAM_JWT_LIFE_S)
        return "exp is not at most an hour after iat";
    if (expires + IAM_CLOCK_SKEW_S <= now_s)
        return "it has expired";
    if (issued > now_s + IAM_CLOCK_SKEW_S || not_before > now_s + IAM_CLOCK_SKEW_S)
        return "it is of the future";
    return NULL;
}

/* NULL: it is signed by *ret_account with *ret_key, and all it says is fine. */
static const char *check_jwt(const struct iam *iam, const struct jwt *j, uint64_t now_s,
                             const char **ret_account, const char **ret_key)
{
    const char *account = jwt_text(j, "iss"), *key = jwt_header_text(j, "kid");
    if (account == NULL || key == NULL)
        return "iss or kid is missing";
    const char *pem = iam_public_key(iam, account, key);
    if (pem == NULL)
        return "the service account has no such key";
    if (jwt_verify(j, JWA_PS256, pem) < 0)
        return "the signature is wrong";
    if (!jwt_is_for(j, is_ours))
        return "aud is not https://.../iam/v1/tokens";
    *ret_account = account;
    *ret_key = key;
    return check_times(j, now_s);
}

/* --- tokens --- */

static int make_token(struct iam_secret *secret, const char *data_dir, struct iam_token *t,
                      uint64_t now_s, struct iam_grant *ret)
{
    char text[IAM_TOKEN_SIZE];
    int r = iam_secret_make(data_dir, secret);
    if (r < 0)
        return r;
    t->issued_s = now_s;
    t->expires_s = now_s + IAM_TOKEN_LIFE_S;
    iam_token_print(secret, t, text);
    (void) snprintf(ret->token, sizeof(ret->token), "%s", text);
    ret->expires_s = t->expires_s;
    return 0;
}

static int exchange_jwt(const struct iam *iam, struct iam_secret *secret, const char *data_dir,
                        struct slice text, uint64_t now_s, struct iam_grant *ret,
                        const char **ret_why)
{
    struct jwt j;
    struct iam_token t = {.issued_s = 0};
    const char *account = NULL, *key = NULL;
    if (jwt_parse(text, &j) < 0) {
        *ret_why = "it is no JWT that can be read, or not PS256";
        return -EACCES;
    }
    *ret_why = j.algorithm == JWA_PS256 ? check_jwt(iam, &j, now_s, &account, &key)
                                        : "it is no JWT that can be read, or not PS256";
    if (*ret_why == NULL) {
        (void) snprintf(t.subject, sizeof(t.subject), "%s", account);
        (void) snprintf(t.key_id, sizeof(t.key_id), "%s", key);
        iam_token_hash_key(iam_public_key(iam, account, key), t.key_hash);
        ret->subject = (struct iam_subject){iam_account_id(iam, account), true};
    }
    jwt_fini(&j);
    return *ret_why != NULL ? -EACCES : make_token(secret, data_dir, &t, now_s, ret);
}

/* Nobody is asked who he is: so this one is of nobody, and is good for nothing once somebody is. */
static int exchange_open(struct iam_secret *secret, const char *data_dir, uint64_t now_s,
                         struct iam_grant *ret)
{
    struct iam_token t = {.subject = IAM_ANYBODY, .key_id = NO_KEY};
    ret->subject = (struct iam_subject){IAM_ANYBODY, false};
    return make_token(secret, data_dir, &t, now_s, ret);
}

static int exchange_token(const struct iam *iam, struct slice token, uint64_t now_s,
                          struct iam_grant *ret, const char **ret_why)
{
    if (iam_find_token(iam, token, now_s, &ret->subject, &ret->expires_s) < 0) {
        *ret_why = "it is none of the configured tokens";
        return -EACCES;
    }
    (void) snprintf(ret->token, sizeof(ret->token), "%.*s", (int) token.len,
                    (const char *) token.data);
    if (ret->expires_s == 0)
        ret->expires_s = now_s + IAM_TOKEN_LIFE_S;
    return 0;
}

int iam_exchange(const struct iam *iam, struct iam_secret *secret, const char *data_dir,
                 const struct iam_proof *proof, uint64_t now_s, struct iam_grant *ret,
                 const char **ret_why)
{
    if (iam_is_open(iam))
        return exchange_open(secret, data_dir, now_s, ret);
    if (proof->jwt.data != NULL)
        return exchange_jwt(iam, secret, data_dir, proof->jwt, now_s, ret, ret_why);
    return exchange_token(iam, proof->oauth_token, now_s, ret, ret_why);
}
