/* console_session.c - see console_session.h. */
#include "console_session.h"

#include "sealed.h"

#include <inttypes.h>
#include <mbedtls/constant_time.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX       "s1."
#define FORMAT       "%c %016" PRIx64 " %" PRIu64 " %" PRIu64 " " /* kind, mark, times */
#define PAYLOAD_SIZE (64 + IAM_TOKEN_PACKED)

_Static_assert(SEALED_SIZE(sizeof(PREFIX), PAYLOAD_SIZE) <= CONSOLE_SESSION_SIZE, "a cookie fits");

static const char KINDS[] = {
    [IAM_MARK_TOKEN] = 't', [IAM_MARK_API_KEY] = 'k', [IAM_MARK_OWN] = 'o'};

/* Another one than IAM tokens are sealed with: neither can stand for the other. */
static void key_of(const struct iam_secret *secret, uint8_t ret[SEALED_KEY])
{
    ASSERT(secret->there);
    sha256(slice_of(secret->bytes, sizeof(secret->bytes)), SLICE_LIT("console sessions"), ret);
}

static void pack(const struct console_session *s, char ret[PAYLOAD_SIZE])
{
    int len = snprintf(ret, PAYLOAD_SIZE, FORMAT, KINDS[s->mark.kind], s->mark.hash, s->issued_s,
                       s->expires_s);
    if (s->mark.kind == IAM_MARK_OWN)
        iam_token_pack(&s->mark.own, ret + len);
}

static int unpack(const char *payload, struct console_session *ret)
{
    struct console_session s = {.issued_s = 0};
    size_t kind = 0;
    while (kind < sizeof(KINDS) && KINDS[kind] != payload[0])
        kind++;
    if (kind == sizeof(KINDS))
        return -EACCES;
    char *end;
    s.mark.kind = (enum iam_mark_kind) kind;
    s.mark.hash = strtoull(payload + 1, &end, 16);
    s.issued_s = strtoull(end, &end, 10);
    s.expires_s = strtoull(end, &end, 10);
    int r = s.mark.kind == IAM_MARK_OWN ? iam_token_unpack(end + (*end == ' '), &s.mark.own) : 0;
    if (r == 0)
        *ret = s;
    return r;
}

void console_session_print(const struct iam_secret *secret, const struct console_session *s,
                           char ret[CONSOLE_SESSION_SIZE])
{
    uint8_t key[SEALED_KEY];
    char payload[PAYLOAD_SIZE];
    key_of(secret, key);
    pack(s, payload);
    sealed_print(key, PREFIX, payload, ret);
}

int console_session_read(const struct iam_secret *secret, struct slice text,
                         struct console_session *ret)
{
    uint8_t key[SEALED_KEY];
    char payload[PAYLOAD_SIZE];
    if (!secret->there || text.len >= CONSOLE_SESSION_SIZE)
        return -EACCES;
    key_of(secret, key);
    int r = sealed_read(key, PREFIX, text, payload, sizeof(payload));
    return r < 0 ? r : unpack(payload, ret);
}

void console_session_csrf(const struct iam_secret *secret, const struct console_session *s,
                          char ret[CONSOLE_CSRF_SIZE])
{
    uint8_t key[SEALED_KEY], mac[SHA256_SIZE];
    char text[sizeof("csrf ") + PAYLOAD_SIZE] = "csrf ";
    key_of(secret, key);
    pack(s, text + strlen(text)); /* a payload begins with another letter and a space */
    sealed_mac(key, slice_str(text), mac);
    base64url_encode(slice_of(mac, sizeof(mac)), ret);
}

bool console_session_is_csrf(const struct iam_secret *secret, const struct console_session *s,
                             struct slice given)
{
    char right[CONSOLE_CSRF_SIZE];
    console_session_csrf(secret, s, right);
    return given.len == strlen(right) && mbedtls_ct_memcmp(given.data, right, given.len) == 0;
}
