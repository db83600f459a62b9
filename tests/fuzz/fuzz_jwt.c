/* JWTs and tokens of our own, as anybody may send them: the first byte says which of the two, and
 * of a JWT whether the rest is its text or the text of its header and claims, so that what is
 * inside is reached as well. What is read is what was sent, and nobody has signed it. */
#include "base64url.h"
#include "iam_token.h"
#include "jwt.h"
#include "mem.h"

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

static void look(const struct jwt *j, struct slice text)
{
    uint64_t time;
    int r = jwt_time(j, "exp", &time);
    ASSERT(r < 0 || time <= (uint64_t) 1 << 53);
    (void) jwt_is_for(j, is_any);
    (void) jwt_text(j, "iss");
    (void) jwt_header_text(j, "kid");
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

static void fuzz_token(struct slice text)
{
    static const struct iam_secret SECRET = {.there = true, .bytes = {1}};
    struct iam_token t;
    ASSERT(iam_token_read(&SECRET, text, &t) == -EACCES);
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
    else
        fuzz_token(rest);
    return 0;
}
