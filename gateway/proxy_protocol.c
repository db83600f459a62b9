/* proxy_protocol.c - see proxy_protocol.h. */
#include "proxy_protocol.h"

#include "network.h"

#define V1_MAX    107 /* bytes of a line with its CR LF, section 2.1 */
#define V2_FIXED  16  /* signature, version and command, family, length; section 2.2 */
#define V2_INET   12  /* bytes of addresses and ports: TCP over IPv4, */
#define V2_INET6  36  /* over IPv6, */
#define V2_UNIX   216 /* over a local socket */
#define FIRST_LEN 6

static const uint8_t SIGNATURE[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n'};

/* `in` is a beginning of `whole`, or begins with it. */
static bool may_begin(struct slice in, struct slice whole)
{
    size_t n = in.len < whole.len ? in.len : whole.len;
    return n == 0 || memcmp(in.data, whole.data, n) == 0;
}

/* --- version 1: a line --- */

/* The next word, which one space or the end of the line must follow. */
static struct slice take_word(struct slice *line)
{
    const uint8_t *space = line->len == 0 ? NULL : memchr(line->data, ' ', line->len);
    size_t len = space == NULL ? line->len : (size_t) (space - line->data);
    struct slice word = slice_sub(*line, 0, len);
    *line = slice_from(*line, space == NULL ? len : len + 1);
    return word;
}

static bool read_port(struct slice text, uint16_t *ret)
{
    unsigned port = 0;
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        port = port * 10 + (unsigned) (text.data[i] - '0');
    }
    *ret = (uint16_t) port;
    return port <= UINT16_MAX;
}

static bool read_address(struct slice text, bool v4, struct in6_addr *ret)
{
    bool colon = text.len > 0 && memchr(text.data, ':', text.len) != NULL;
    return colon != v4 && network_parse_address(text, ret);
}

/* What is behind "PROXY ", without the end of the line. */
static bool read_words(struct slice line, struct proxy_header *ret)
{
    struct in6_addr to;
    uint16_t to_port;
    struct slice family = take_word(&line);
    if (slice_eq_str(family, "UNKNOWN"))
        return true; /* the rest is to be ignored */
    bool v4 = slice_eq_str(family, "TCP4");
    if (!v4 && !slice_eq_str(family, "TCP6"))
        return false;
    struct slice from_text = take_word(&line), to_text = take_word(&line),
                 from_port_text = take_word(&line);
    ret->known = true;
    return read_address(from_text, v4, &ret->source) && read_address(to_text, v4, &to) &&
           read_port(from_port_text, &ret->port) && read_port(line, &to_port);
}

static int read_v1(struct slice in, struct proxy_header *ret)
{
    struct slice line = slice_sub(in, 0, in.len < V1_MAX ? in.len : V1_MAX);
    const uint8_t *end = line.data == NULL ? NULL : memchr(line.data, '\n', line.len);
    if (end == NULL)
        return line.len < V1_MAX ? -EAGAIN : -EINVAL;
    size_t len = (size_t) (end - line.data);
    struct proxy_header header = {.len = len + 1};
    if (len < FIRST_LEN + 1 || line.data[len - 1] != '\r' ||
        !read_words(slice_sub(line, FIRST_LEN, len - 1), &header))
        return -EINVAL;
    *ret = header;
    return 0;
}

/* --- version 2: binary --- */

static uint16_t number_at(const uint8_t *at)
{
    return (uint16_t) (at[0] << 8 | at[1]);
}

static int read_v4_addresses(struct slice body, struct proxy_header *ret)
{
    if (body.len < V2_INET)
        return -EINVAL;
    ret->known = true;
    ret->source.s6_addr[10] = ret->source.s6_addr[11] = 0xff;
    memcpy(&ret->source.s6_addr[12], body.data, 4);
    ret->port = number_at(body.data + 8);
    return 0;
}

static int read_v6_addresses(struct slice body, struct proxy_header *ret)
{
    if (body.len < V2_INET6)
        return -EINVAL;
    ret->known = true;
    memcpy(&ret->source, body.data, sizeof(ret->source));
    ret->port = number_at(body.data + 32);
    return 0;
}

/* What is behind the addresses are TLVs: skipped. */
static int read_addresses(uint8_t family, struct slice body, struct proxy_header *ret)
{
    switch (family) {
    case 0x00: /* UNSPEC */
        return 0;
    case 0x11: /* TCP over IPv4 */
        return read_v4_addresses(body, ret);
    case 0x21: /* TCP over IPv6 */
        return read_v6_addresses(body, ret);
    case 0x31: /* a stream over a local socket has no address for us */
        return body.len < V2_UNIX ? -EINVAL : 0;
    default:
        return -EINVAL;
    }
}

static int read_v2(struct slice in, struct proxy_header *ret)
{
    if (in.len < V2_FIXED)
        return -EAGAIN;
    uint8_t version = in.data[12] >> 4, command = in.data[12] & 0x0f;
    size_t len = V2_FIXED + (size_t) number_at(in.data + 14);
    if (version != 2 || command > 1 || len > PROXY_HEADER_MAX)
        return -EINVAL;
    if (in.len < len)
        return -EAGAIN;
    struct proxy_header header = {.len = len};
    int r = command == 0 /* LOCAL: whatever the addresses are */
                ? 0
                : read_addresses(in.data[13], slice_sub(in, V2_FIXED, len), &header);
    if (r == 0)
        *ret = header;
    return r;
}

int proxy_protocol_read(struct slice in, struct proxy_header *ret)
{
    const struct slice v1 = SLICE_LIT("PROXY "), v2 = slice_of(SIGNATURE, sizeof(SIGNATURE));
    if (may_begin(in, v2))
        return read_v2(in, ret);
    if (!may_begin(in, v1))
        return -EINVAL;
    return in.len < v1.len ? -EAGAIN : read_v1(in, ret);
}
