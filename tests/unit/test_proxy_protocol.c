/* Tests of gateway/proxy_protocol.c: headers of both versions, whole and cut anywhere. */
#include "proxy_protocol.h"

#include "err.h"
#include "mem.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIG     "\r\n\r\n\0\r\nQUIT\n"
#define V4      "\300\0\2\7\306\x33\x64\1\xdb\xd5\1\xbb" /* 192.0.2.7:56277 to 198.51.100.1:443 */
#define V6_ADDR " \1\r\270\0\0\0\0\0\0\0\0\0\0\0"        /* 2001:db8::.., without its last byte */
#define V6      V6_ADDR "\1" V6_ADDR "\2\0\x50\1\xbb"
#define TEN     "1234567890"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

#define REFUSED   (-EINVAL)
#define NOT_KNOWN NULL

static const struct {
    const char *name;
    struct slice bytes;
    int r;
    const char *source; /* NOT_KNOWN: it says none */
    uint16_t port;
} CASES[] = {
    {"TCP4", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 56277 443\r\n"), 0, "::ffff:192.0.2.7",
     56277},
    {"TCP6", SLICE_INIT("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"), 0, "2001:db8::1", 1},
    {"port 0", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 0 0\r\n"), 0, "::ffff:192.0.2.7", 0},
    {"UNKNOWN", SLICE_INIT("PROXY UNKNOWN\r\n"), 0, NOT_KNOWN, 0},
    {"UNKNOWN and more", SLICE_INIT("PROXY UNKNOWN a b c d e\r\n"), 0, NOT_KNOWN, 0},
    {"as long as can be",
     SLICE_INIT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     0, NOT_KNOWN, 0},
    {"too long", SLICE_INIT("PROXY UNKNOWN " HUNDRED "\r\n"), REFUSED, NULL, 0},
    {"no CR", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n"), REFUSED, NULL, 0},
    {"nothing", SLICE_INIT("PROXY \r\n"), REFUSED, NULL, 0},
    {"no addresses", SLICE_INIT("PROXY TCP4\r\n"), REFUSED, NULL, 0},
    {"no ports", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1\r\n"), REFUSED, NULL, 0},
    {"one port", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n"), REFUSED, NULL, 0},
    {"three ports", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n"), REFUSED, NULL, 0},
    {"two spaces", SLICE_INIT("PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n"), REFUSED, NULL, 0},
    {"a space behind", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n"), REFUSED, NULL, 0},
    {"a tab", SLICE_INIT("PROXY TCP4\t192.0.2.7 198.51.100.1 1 2\r\n"), REFUSED, NULL, 0},
    {"port of six digits", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 100000 2\r\n"), REFUSED,
     NULL, 0},
    {"port too large", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n"), REFUSED, NULL,
     0},
    {"port with a zero", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n"), REFUSED, NULL,
     0},
    {"port with a sign", SLICE_INIT("PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n"), REFUSED, NULL,
     0},
    {"other family", SLICE_INIT("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"), REFUSED, NULL, 0},
    {"mixed families", SLICE_INIT("PROXY TCP6 2001:db8::1 192.0.2.7 1 2\r\n"), REFUSED, NULL, 0},
    {"no address", SLICE_INIT("PROXY TCP4 localhost 198.51.100.1 1 2\r\n"), REFUSED, NULL, 0},
    {"small letters", SLICE_INIT("PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n"), REFUSED, NULL, 0},
    {"UDP4", SLICE_INIT("PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n"), REFUSED, NULL, 0},
    {"a request", SLICE_INIT("GET / HTTP/1.1\r\n"), REFUSED, NULL, 0},
    {"nearly", SLICE_INIT("PROXYTCP4 192.0.2.7"), REFUSED, NULL, 0},
    {"a NUL", SLICE_INIT("PROXY TCP4 192.0.2.7\0 198.51.100.1 1 2\r\n"), REFUSED, NULL, 0},

    {"v2 TCP4", SLICE_INIT(SIG "\x21\x11\0\x0c" V4), 0, "::ffff:192.0.2.7", 56277},
    {"v2 TCP6", SLICE_INIT(SIG "\x21\x21\0\x24" V6), 0, "2001:db8::1", 80},
    {"v2 with a TLV", SLICE_INIT(SIG "\x21\x11\0\x11" V4 "\4\0\2ab"), 0, "::ffff:192.0.2.7", 56277},
    {"v2 LOCAL", SLICE_INIT(SIG "\x20\0\0\0"), 0, NOT_KNOWN, 0},
    {"v2 LOCAL of another kind", SLICE_INIT(SIG "\x20\x99\0\1x"), 0, NOT_KNOWN, 0},
    {"v2 LOCAL with addresses", SLICE_INIT(SIG "\x20\x11\0\x0c" V4), 0, NOT_KNOWN, 0},
    {"v2 UNSPEC", SLICE_INIT(SIG "\x21\0\0\3abc"), 0, NOT_KNOWN, 0},
    {"v2 UDP4", SLICE_INIT(SIG "\x21\x12\0\x0c" V4), REFUSED, NULL, 0},
    {"v2 UNIX too short", SLICE_INIT(SIG "\x21\x31\0\x0c" V4), REFUSED, NULL, 0},
    {"v2 of another family", SLICE_INIT(SIG "\x21\x41\0\x0c" V4), REFUSED, NULL, 0},
    {"v2 of another command", SLICE_INIT(SIG "\x22\x11\0\x0c" V4), REFUSED, NULL, 0},
    {"version 1 in binary", SLICE_INIT(SIG "\x11\x11\0\x0c" V4), REFUSED, NULL, 0},
    {"version 3", SLICE_INIT(SIG "\x31\x11\0\x0c" V4), REFUSED, NULL, 0},
    {"v2 TCP4 too short", SLICE_INIT(SIG "\x21\x11\0\x0b" V4), REFUSED, NULL, 0},
    {"v2 TCP6 too short", SLICE_INIT(SIG "\x21\x21\0\x0c" V4), REFUSED, NULL, 0},
    {"v2 too long", SLICE_INIT(SIG "\x21\x11\x0f\xf1" V4), REFUSED, NULL, 0},
    {"another signature", SLICE_INIT("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c" V4), REFUSED, NULL, 0},
};

static int read_exact(struct slice bytes, struct proxy_header *ret) /* nothing is read past it */
{
    uint8_t *copy = xmalloc(bytes.len + 1);
    memcpy(copy + 1, bytes.data, bytes.len);
    int r = proxy_protocol_read(slice_of(copy + 1, bytes.len), ret);
    free(copy);
    return r;
}

/* However much of it is there, the answer is that of the whole or that more is needed; once it is
 * an answer it stays. */
static void check_cuts(size_t i)
{
    int before = -EAGAIN;
    for (size_t len = 0; len <= CASES[i].bytes.len; len++) {
        struct proxy_header header = {0};
        int r = read_exact(slice_sub(CASES[i].bytes, 0, len), &header);
        if (r != -EAGAIN && r != CASES[i].r)
            fail_msg("%s: %d after %zu bytes", CASES[i].name, r, len);
        if (before != -EAGAIN && r != before)
            fail_msg("%s: another answer after %zu bytes", CASES[i].name, len);
        before = r;
        assert_int_equal(header.len, r == 0 ? CASES[i].bytes.len : 0); /* untouched on errors */
    }
    if (before != CASES[i].r)
        fail_msg("%s: %d", CASES[i].name, before);
}

static void test_headers(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct proxy_header header = {0};
        char name[INET6_ADDRSTRLEN];
        check_cuts(i);
        if (read_exact(CASES[i].bytes, &header) < 0)
            continue;
        if (header.known != (CASES[i].source != NOT_KNOWN) || header.port != CASES[i].port)
            fail_msg("%s", CASES[i].name);
        assert_non_null(inet_ntop(AF_INET6, &header.source, name, sizeof(name)));
        assert_string_equal(name, header.known ? CASES[i].source : "::");
    }
}

/* What is behind it is the client's. */
static void test_rest(void **state)
{
    (void) state;
    struct proxy_header header;
    const struct slice v1 = SLICE_LIT("PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n"),
                       v2 = SLICE_LIT(SIG "\x20\0\0\0" SIG);
    assert_int_equal(read_exact(v1, &header), 0);
    assert_int_equal(header.len, 15);
    assert_int_equal(read_exact(v2, &header), 0);
    assert_int_equal(header.len, 16);
}

/* As many TLVs as there may be; a local socket's names are no address. */
static void test_large(void **state)
{
    (void) state;
    static uint8_t bytes[PROXY_HEADER_MAX];
    struct proxy_header header;
    const struct slice v4 = SLICE_LIT(SIG "\x21\x11\x0f\xf0" V4);
    memcpy(bytes, v4.data, v4.len);
    assert_int_equal(proxy_protocol_read(slice_of(bytes, sizeof(bytes) - 1), &header), -EAGAIN);
    assert_int_equal(proxy_protocol_read(slice_of(bytes, sizeof(bytes)), &header), 0);
    assert_int_equal(header.len, sizeof(bytes));
    bytes[13] = 0x31;
    assert_int_equal(proxy_protocol_read(slice_of(bytes, sizeof(bytes)), &header), 0);
    assert_false(header.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
