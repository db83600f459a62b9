/* JWTs and tokens of our own, as anybody may send them, and JWK sets, as an issuer may: the first
 * byte says which of them, and of a JWT whether the rest is its text or the text of its header and
 * claims, so that what is inside is reached as well. What is read is what was sent, and nobody has
 * signed it, whatever the keys are. */
#include "base64url.h"
#include "iam_token.h"
#include "jwk_set.h"
#include "mem.h"
#include "path_rule.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key that nobody has the private half of any longer. */
static const char PEM[] = "-----BEGIN PUBLIC KEY-----\n"
                          "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAl/2q1Z8ghFUrFC6nyNOp\n"
                          "KnA1S+d1VXOn3Q+XVOjslo4FKYOcz00WU654j/Yvcj/et9i8icebAzQwI2EgTR+k\n"
                          "xbiBU3aMawWNSb5gvYbEj7QmzDaRen11DH6TBUM2P14fp3YqxsZVVhKtyVbrKd3C\n"
                          "Np7OofHa1Y6+1UmeDTfD5khZVjvxFrCqvh3U31jhjvkc9SUSZnvYtKkUYZJEIwWz\n"
                          "tkIrA6Jx8L7G9C79N6jTLZl1SFFcwkjzTY1f/qZyoixilrWPqaZUshHLF38gR5Cx\n"
                          "t2uxMQCxbhUcZFs6Zzb+dvrP5STSgasCR3pn2/KWm5SuOZKjk3rhEIiRUgsCbgRo\n"
                          "kwIDAQAB\n"
                          "-----END PUBLIC KEY-----\n";

static bool is_any(const char *audience)
{
    return audience[0] == '\0';
}

static bool is_a(const char *audience)
{
    return strcmp(audience, "a") == 0;
}

/* Of the same key, and of points of each curve. */
static const char KEYS[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\",\"n\":\""
    "l_2q1Z8ghFUrFC6nyNOpKnA1S-d1VXOn3Q-XVOjslo4FKYOcz00WU654j_Yvcj_et9i8icebAzQwI2Eg"
    "TR-kxbiBU3aMawWNSb5gvYbEj7QmzDaRen11DH6TBUM2P14fp3YqxsZVVhKtyVbrKd3CNp7OofHa1Y6-"
    "1UmeDTfD5khZVjvxFrCqvh3U31jhjvkc9SUSZnvYtKkUYZJEIwWztkIrA6Jx8L7G9C79N6jTLZl1SFFc"
    "wkjzTY1f_qZyoixilrWPqaZUshHLF38gR5Cxt2uxMQCxbhUcZFs6Zzb-dvrP5STSgasCR3pn2_KWm5Su"
    "OZKjk3rhEIiRUgsCbgRokw"
    "\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"LHiDFqTRA7Gh43dnVOrBZ5ffAdFU6TX95CgA1R0QIO0\","
    "\"y\":\"MCM9L4MF0OkABDavlv17-Ib0qVFBk7QdE40vpYhNLfk\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"-9t-"
    "yY8caSrrKVX3mBXgiJQGZk4tL2vHNJwM5EkTBhjStZvi8zytwYGxGSeFYP_J\",\"y\":"
    "\"cJjO2lNy697LqKi0wd4IrimFtER54C94zpiBVGxsulha0VzvLlQcW3QMH-K0pkYa\"}]}";

static void disbelieve(const struct jwt *j)
{
    static struct jwk_set *keys;
    if (keys == NULL) {
        int r = jwk_set_parse(slice_str(KEYS), &keys);
        ASSERT(r == 0 && jwk_set_n(keys) == 3);
    }
    int r = jwk_set_verify(keys, j);
    ASSERT(r == -EACCES || r == -ENOKEY);
    ASSERT(jwt_verify_secret(j, SLICE_LIT("nobody knows this one")) == -EACCES);
}

static void look(const struct jwt *j, struct slice text)
{
    uint64_t time;
    int r = jwt_time(j, "exp", &time);
    ASSERT(r < 0 || time <= (uint64_t) 1 << 53);
    (void) jwt_is_for(j, is_any);
    static char a[] = "a", *audiences[] = {a};
    ASSERT(jwt_is_for_any(j, audiences, 1) == jwt_is_for(j, is_a));
    ASSERT(jwt_has(j, "iss") || jwt_text(j, "iss") == NULL);
    (void) jwt_text(j, "iss");
    (void) jwt_header_text(j, "kid");
    (void) path_rule_fits("/x-${claims.sub}/${claims.aud}", SLICE_LIT("/x-a/%62"), j);
    disbelieve(j);
    ASSERT(j->signed_text.data == text.data && j->signed_text.len + 1 < text.len);
    ASSERT(text.data[j->signed_text.len] == '.');
    ASSERT(j->signature_len > 0 && j->signature_len <= text.len);
    ASSERT(jwt_verify(j, JWA_PS256, PEM) == -EACCES);
}

static void fuzz_text(struct slice text)
{
    struct jwt j;
    int r = jwt_parse(text, &j);
    ASSERT(r == 0 || r == -EMSGSIZE || r == -EBADMSG || r == -ENOTSUP);
    if (r < 0)
        return;
    look(&j, text);
    jwt_fini(&j);
}

/* Header and claims are what stands before and behind the first zero byte. */
static void fuzz_inside(struct slice in)
{
    const uint8_t *zero = in.len == 0 ? NULL : memchr(in.data, 0, in.len);
    size_t at = zero == NULL ? in.len : (size_t) (zero - in.data);
    struct slice claims = slice_from(in, zero == NULL ? in.len : at + 1);
    char *text = xmalloc(BASE64URL_SIZE(in.len) + 16), *end = text;
    base64url_encode(slice_sub(in, 0, at), end);
    end += strlen(end);
    *end++ = '.';
    base64url_encode(claims, end);
    end += strlen(end);
    memcpy(end, ".AAAA", 6);
    fuzz_text(slice_str(text));
    free(text);
}

static void fuzz_keys(struct slice text)
{
    struct jwk_set *set;
    int r = jwk_set_parse(text, &set);
    ASSERT(r == 0 || r == -EMSGSIZE || r == -EBADMSG);
    if (r < 0)
        return;
    ASSERT(jwk_set_n(set) > 0 && jwk_set_n(set) <= JWK_SET_MAX_KEYS);
    for (unsigned a = 0; a < JWA_N; a++) {
        uint8_t signature[] = {1, 2, 3};
        struct jwt j = {.algorithm = (enum jwa) a,
                        .signed_text = SLICE_LIT("text"),
                        .signature = signature,
                        .signature_len = sizeof(signature)};
        r = jwk_set_verify(set, &j);
        ASSERT(r == -EACCES || r == -ENOKEY);
    }
    jwk_set_unref(set);
}

static void fuzz_token(struct slice text)
{
    static const struct iam_secret SECRET = {.there = true, .bytes = {1}};
    struct iam_token t;
    ASSERT(iam_token_read(&SECRET, text, &t) == -EACCES);
}

/* Tokens of our own are read as they were printed, and changed in one place not at all. */
static void fuzz_own(struct slice in)
{
    static const struct iam_secret SECRET = {.there = true, .bytes = {2}};
    struct iam_token t = {.key_id = "-", .issued_s = in.len, .expires_s = 1ull << 40}, again;
    char text[IAM_TOKEN_SIZE];
    for (size_t i = 0; i < in.len && i < IAM_TOKEN_ID; i++)
        t.subject[i] = (char) ('a' + in.data[i] % 26);
    if (in.len == 0)
        return;
    iam_token_hash_key(t.subject, t.key_hash);
    iam_token_print(&SECRET, &t, text);
    ASSERT(iam_token_read(&SECRET, slice_str(text), &again) == 0);
    ASSERT(strcmp(t.subject, again.subject) == 0 && strcmp(t.key_id, again.key_id) == 0);
    ASSERT(memcmp(t.key_hash, again.key_hash, sizeof(t.key_hash)) == 0);
    ASSERT(t.issued_s == again.issued_s && t.expires_s == again.expires_s);
    char *changed = &text[in.data[0] % strlen(text)], was = *changed;
    *changed = (char) (in.data[0] ^ in.data[in.len - 1] ^ 'x');
    ASSERT(*changed == was || iam_token_read(&SECRET, slice_str(text), &again) == -EACCES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] == 'T')
        fuzz_text(rest);
    else if (data[0] == 'I')
        fuzz_inside(rest);
    else if (data[0] == 'K')
        fuzz_keys(rest);
    else if (data[0] == 'O')
        fuzz_own(rest);
    else
        fuzz_token(rest);
    return 0;
}
