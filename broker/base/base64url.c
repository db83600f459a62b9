/* base64url.c - see base64url.h. */
#include "base64url.h"

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(struct slice bytes, char *ret)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.data[i];
        for (n_bits += 8; n_bits >= 6;)
            *ret++ = ALPHABET[bits >> (n_bits -= 6) & 63];
    }
    if (n_bits > 0)
        *ret++ = ALPHABET[bits << (6 - n_bits) & 63];
    *ret = '\0';
}

static int value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -EINVAL;
}

int base64url_decode(struct slice text, uint8_t *ret)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    int n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.data[i]);
        if (value < 0)
            return value;
        bits = (bits << 6 | (uint32_t) value) & 0xffff;
        n_bits += 6;
        if (n_bits >= 8)
            ret[n++] = (uint8_t) (bits >> (n_bits -= 8));
    }
    return n_bits >= 6 || (bits & ((1u << n_bits) - 1)) != 0 ? -EINVAL : n;
}
