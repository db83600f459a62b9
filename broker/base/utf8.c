/* utf8.c - UTF-8 validation (RFC 3629 section 4, table of well-formed byte sequences). */
#include "utf8.h"

/* What a first byte asks for. The bounds of the second byte keep out overlong forms (E0, F0),
 * surrogates (ED) and what is above U+10FFFF (F4); later bytes are always 80..BF. */
static bool utf8_start(struct utf8 *u, uint8_t c)
{
    u->low = 0x80;
    u->high = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        u->need = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        u->need = 2;
        if (c == 0xe0)
            u->low = 0xa0;
        else if (c == 0xed)
            u->high = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
        u->need = 3;
        if (c == 0xf0)
            u->low = 0x90;
        else if (c == 0xf4)
            u->high = 0x8f;
    } else {
        return false;
    }
    return true;
}

bool utf8_feed(struct utf8 *u, struct slice s)
{
    const uint8_t *p = s.data;
    size_t left = s.len;
    while (left > 0) {
        if (u->need == 0) {
            uint64_t eight;
            while (left >= sizeof(eight)) { /* most text is ASCII: skip it by words */
                memcpy(&eight, p, sizeof(eight));
                if ((eight & 0x8080808080808080u) != 0)
                    break;
                p += sizeof(eight);
                left -= sizeof(eight);
            }
            if (left == 0)
                break;
            if (*p >= 0x80 && !utf8_start(u, *p))
                return false;
        } else {
            if (*p < u->low || *p > u->high)
                return false;
            u->need--;
            u->low = 0x80;
            u->high = 0xbf;
        }
        p++;
        left--;
    }
    return true;
}

bool utf8_valid(struct slice s)
{
    struct utf8 u;
    utf8_init(&u);
    return utf8_feed(&u, s) && utf8_complete(&u);
}

struct slice utf8_cut(struct slice s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max > 0 && (s.data[max] & 0xc0) == 0x80) /* the character that begins before here */
        max--;
    return slice_sub(s, 0, max);
}
