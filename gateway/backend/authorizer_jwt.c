/* authorizer_jwt.c - the authorizer that believes tokens which an issuer has signed. See
 * authorizer_private.h. Rules: RFC 7519 section 4.1; the original's page of the JWT authorizer. */
#include "authorizer_private.h"
#include "mem.h"

#include <stdlib.h>
#include <string.h>

/* The original takes these; what else jwa.h has is for our own issuers. */
static bool is_taken(enum jwa algorithm)
{
    switch (algorithm) {
    case JWA_RS256:
    case JWA_RS384:
    case JWA_RS512:
    case JWA_ES256:
    case JWA_ES384:
    case JWA_ES512:
        return true;
    default:
        return false;
    }
}

static const char *check_times(const struct jwt *j, uint64_t now_s, uint64_t skew_s,
                               uint64_t *ret_expires_s)
{
    static const char *const STARTS[] = {"nbf", "iat"};
    if (jwt_time(j, "exp", ret_expires_s) < 0)
        return "exp";
    if (*ret_expires_s <= now_s)
        return "expired";
    for (size_t i = 0; i < ARRAY_LEN(STARTS); i++) {
        uint64_t start;
        int r = jwt_time(j, STARTS[i], &start);
        if (r == -ENOENT)
            continue;
        if (r < 0 || start > now_s + skew_s)
            return STARTS[i];
    }
    return NULL;
}

static bool is_any_of(const char *text, char *const *all, size_t n)
{
    for (size_t i = 0; text != NULL && i < n; i++)
        if (strcmp(text, all[i]) == 0)
            return true;
    return false;
}

/* NULL, or what of it is no good. */
static const char *check_claims(const struct authorizer_check *c, const struct jwt *j,
                                uint64_t *ret_expires_s)
{
    const struct spec_authorizer *a = check_grant(c)->authorizer;
    if (!is_taken(j->algorithm))
        return "alg";
    const char *why = check_times(j, check_now_s(c), c->a->skew_s, ret_expires_s);
    if (why != NULL)
        return why;
    if (a->n_issuers > 0 && !is_any_of(jwt_text(j, "iss"), a->issuers, a->n_issuers))
        return "iss";
    if (a->n_audiences > 0 && !jwt_is_for_any(j, a->audiences, a->n_audiences))
        return "aud";
    for (size_t i = 0; i < a->n_required_claims; i++)
        if (!jwt_has(j, a->required_claims[i]))
            return "a required claim";
    return NULL;
}

/* Whether a list like "a b c" has it. */
static bool lists(const char *text, const char *scope)
{
    size_t len = strlen(scope);
    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        if (n > 0 && n == len && memcmp(text, scope, n) == 0)
            return true;
        text += n + (text[n] == ' ');
    }
    return false;
}

/* One text, as RFC 8693 section 4.2 has it, or a list of them. */
static bool has_scope(const struct jwt *j, const char *scope)
{
    const char *text = jwt_text(j, "scope");
    return text == NULL ? jwt_claim_says(j, SLICE_LIT("scope"), slice_str(scope))
                        : lists(text, scope);
}

static void fail(struct grant_result *ret, unsigned status, const char *why)
{
    *ret = (struct grant_result){.status = status, .why = why};
}

/* Its claims are fine, and its signature too if `verified` is 0. */
static void judge(const struct authorizer_check *c, const struct jwt *j, int verified,
                  uint64_t expires_s, struct grant_result *ret)
{
    const struct spec_grant *g = check_grant(c);
    if (verified < 0) {
        fail(ret, 401, verified == -ENOKEY ? "no key of that name" : "signature");
        return;
    }
    *ret = (struct grant_result){.why = "", .expires_s = expires_s};
    for (size_t i = 0; i < g->n_scopes; i++)
        if (!has_scope(j, g->scopes[i])) {
            ret->status = 403; /* until it ends: then it is 401 */
            ret->why = "scope";
            return;
        }
    const char *subject = jwt_text(j, "sub");
    if (subject != NULL && subject[0] != '\0')
        ret->subject = xstrdup(subject);
}

/* True: *ret is set. `newest`: there is no use in asking for newer keys. */
static bool verify(struct authorizer_check *c, const struct jwt *j, uint64_t expires_s,
                   const struct jwk_set *set, bool newest, struct grant_result *ret)
{
    int r = jwk_set_verify(set, j);
    if (r == -ENOKEY && !newest) {
        struct jwk_set *newer = NULL;
        int got = authorizer_keys_get(c->a->keys, check_grant(c)->authorizer, true, c, &newer);
        if (got == -EAGAIN)
            return false;
        if (got == -EIO) {
            fail(ret, 500, "keys");
            return true;
        }
    }
    judge(c, j, r, expires_s, ret);
    return true;
}

bool authorizer_jwt(struct authorizer_check *c, struct grant_result *ret)
{
    struct jwt j;
    struct jwk_set *set = NULL;
    uint64_t expires_s = 0;
    if (jwt_parse(slice_str(c->credentials[c->flat]), &j) < 0) {
        fail(ret, 401, "malformed");
        return true;
    }
    const struct spec_authorizer *a = check_grant(c)->authorizer;
    const char *why = check_claims(c, &j, &expires_s);
    bool now = true;
    if (why != NULL) {
        fail(ret, 401, why);
    } else {
        int r = authorizer_keys_get(c->a->keys, a, false, c, &set);
        if (r == 0)
            now = verify(c, &j, expires_s, set, false, ret);
        else if (r == -EAGAIN)
            now = false;
        else
            fail(ret, 500, "keys");
    }
    jwt_fini(&j);
    return now;
}

void authorizer_jwt_keys(struct authorizer_check *c, const struct jwk_set *set, bool newest)
{
    struct jwt j;
    struct grant_result r = {.why = ""};
    uint64_t expires_s = 0;
    if (set == NULL || jwt_parse(slice_str(c->credentials[c->flat]), &j) < 0) {
        fail(&r, 500, "keys");
        check_resume(c, &r);
        return;
    }
    /* It may have ended while keys were fetched. */
    const char *why = check_claims(c, &j, &expires_s);
    bool now = true;
    if (why != NULL)
        fail(&r, 401, why);
    else
        now = verify(c, &j, expires_s, set, newest, &r);
    jwt_fini(&j);
    if (now)
        check_resume(c, &r);
}
