/* secret.c - tokens and API keys: how they are made, and their hash. */
#include "secret.h"

#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <sys/random.h>

#define MAX_RANDOM 32

/* Multiples of 3 bytes but for the token's, whose padding is cut off. */
static const struct {
    const char *prefix;
    size_t random_bytes, characters;
} KINDS[] = {
    [SECRET_TOKEN] = {"t1.", 32, 43},
    [SECRET_API_KEY] = {"AQVN", 27, 36},
};

void secret_hash(struct slice secret, uint8_t ret[SECRET_HASH_BYTES])
{
    int r = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), secret.data, secret.len, ret);
    ASSERT(r == 0);
}

static uint8_t digit(char c)
{
    return (uint8_t) (c <= '9' ? c - '0' : c - 'a' + 10);
}

void secret_hash_read(const char *hex, uint8_t ret[SECRET_HASH_BYTES])
{
    for (size_t i = 0; i < SECRET_HASH_BYTES; i++)
        ret[i] = (uint8_t) (digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
}

int secret_make(enum secret_kind kind, char ret_secret[SECRET_SIZE],
                char ret_hash[SECRET_HASH_SIZE])
{
    uint8_t random[MAX_RANDOM], text[SECRET_SIZE], hash[SECRET_HASH_BYTES];
    size_t n = KINDS[kind].random_bytes, len = 0;
    ssize_t got = getrandom(random, n, 0);
    if (got != (ssize_t) n)
        return got < 0 ? -errno : -EIO;
    int r = mbedtls_base64_encode(text, sizeof(text), &len, random, n);
    ASSERT(r == 0 && len >= KINDS[kind].characters);
    for (size_t i = 0; i < len; i++) /* RFC 4648 section 5 */
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    (void) snprintf(ret_secret, SECRET_SIZE, "%s%.*s", KINDS[kind].prefix,
                    (int) KINDS[kind].characters, (const char *) text);
    secret_hash(slice_str(ret_secret), hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        (void) snprintf(ret_hash + 2 * i, 3, "%02x", hash[i]);
    return 0;
}
