/* oidc.c - see oidc.h. */
#include "oidc.h"

/* Google says "https://accounts.google.com" or, in older tokens, the same without the scheme. */
static bool is_issuer(const struct config_oidc *oidc, const char *said)
{
    static const char SCHEME[] = "https://";
    const size_t len = sizeof(SCHEME) - 1;
    if (said == NULL)
        return false;
    return strcmp(said, oidc->issuer) == 0 ||
           (strncmp(oidc->issuer, SCHEME, len) == 0 && strcmp(said, oidc->issuer + len) == 0);
}

static bool is_now(const struct jwt *j, uint64_t now_s)
{
    uint64_t expires_s = 0, issued_s = 0, starts_s = 0;
    if (jwt_time(j, "exp", &expires_s) < 0 || jwt_time(j, "iat", &issued_s) < 0)
        return false;
    int r = jwt_time(j, "nbf", &starts_s);
    return now_s < expires_s + OIDC_SKEW_S && issued_s <= now_s + OIDC_SKEW_S &&
           (r == -ENOENT || (r == 0 && starts_s <= now_s + OIDC_SKEW_S));
}

static bool says_who(const struct config_oidc *oidc, const struct jwt *j)
{
    const char *email = jwt_text(j, "email");
    return is_issuer(oidc, jwt_text(j, "iss")) && jwt_is_for_any(j, &oidc->audience, 1) &&
           email != NULL && strcmp(email, oidc->email) == 0 && jwt_is_true(j, "email_verified");
}

static enum refuse check_signature(const struct config_oidc *oidc, struct issuer_keys *keys,
                                   const struct jwt *j)
{
    size_t i;
    if (keys == NULL || issuer_keys_find(keys, oidc, &i) < 0)
        return REFUSE_NO_KEYS;
    struct jwk_set *set = issuer_keys_get(keys, i);
    if (set == NULL)
        return REFUSE_NO_KEYS;
    int r = jwk_set_verify(set, j);
    jwk_set_unref(set);
    return r == 0 ? REFUSE_NONE : r == -ENOKEY ? REFUSE_UNKNOWN_KEY : REFUSE_AUTH;
}

/* What costs little comes first: it lets nobody in, and keeps out who would only cost us. */
enum refuse oidc_check(const struct config_oidc *oidc, struct issuer_keys *keys, struct slice token,
                       uint64_t now_s)
{
    struct jwt j;
    int r = jwt_parse(token, &j);
    if (r < 0)
        return r == -ENOMEM ? REFUSE_OVERLOAD : REFUSE_AUTH;
    enum refuse why = REFUSE_AUTH;
    if (j.algorithm == JWA_RS256 && is_now(&j, now_s) && says_who(oidc, &j))
        why = check_signature(oidc, keys, &j);
    jwt_fini(&j);
    return why;
}
