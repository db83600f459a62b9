/* page_token.c - where a list goes on: hexadecimal of a version, a checksum over the rest and the
 * list, the time, the id. */
#include "page_token.h"

#include "record.h"

enum { VERSION = 1, TIME_AT = 5, ID_AT = 13, BYTES_MAX = ID_AT + ID_LEN };
_Static_assert(PAGE_TOKEN_SIZE > 2 * BYTES_MAX, "it would not fit");

static uint32_t checksum(const uint8_t *bytes, size_t len, struct slice list)
{
    uint32_t of_place = record_checksum(VERSION, len, slice_of(bytes + TIME_AT, len - TIME_AT));
    return record_checksum(of_place, list.len, list);
}

void page_token_print(const struct page_place *place, struct slice list, char ret[PAGE_TOKEN_SIZE])
{
    static const char HEX[] = "0123456789abcdef";
    uint8_t bytes[BYTES_MAX] = {VERSION};
    size_t len = ID_AT + strlen(place->id);
    for (size_t i = 0; i < 8; i++)
        bytes[TIME_AT + i] = (uint8_t) (place->created_ns >> (8 * i));
    memcpy(bytes + ID_AT, place->id, len - ID_AT);
    uint32_t sum = checksum(bytes, len, list);
    for (size_t i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t) (sum >> (8 * i));
    for (size_t i = 0; i < len; i++) {
        ret[2 * i] = HEX[bytes[i] >> 4];
        ret[2 * i + 1] = HEX[bytes[i] & 15];
    }
    ret[2 * len] = '\0';
}

/* -1: it is no digit. */
static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool page_token_read(const char *token, struct slice list, struct page_place *ret)
{
    uint8_t bytes[BYTES_MAX];
    size_t len = strlen(token) / 2;
    if (strlen(token) % 2 != 0 || len <= ID_AT || len > BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = digit(token[2 * i]), low = digit(token[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t) (high << 4 | low);
    }
    uint32_t sum = 0;
    for (size_t i = 0; i < 4; i++)
        sum |= (uint32_t) bytes[1 + i] << (8 * i);
    if (bytes[0] != VERSION || sum != checksum(bytes, len, list) ||
        memchr(bytes + ID_AT, 0, len - ID_AT) != NULL)
        return false;
    *ret = (struct page_place){.created_ns = 0};
    for (size_t i = 0; i < 8; i++)
        ret->created_ns |= (uint64_t) bytes[TIME_AT + i] << (8 * i);
    memcpy(ret->id, bytes + ID_AT, len - ID_AT);
    return true;
}
