/* Tests of gateway/grpc_frame.c: the same messages however the stream is cut, what is refused, and
 * what memory a peer can make it take. */
#include "grpc_frame.h"

#include "cuts.h"
#include "heap.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#define MAX 64

/* "Hello" as gzip: header, one stored block, CRC-32 and length. */
#define GZ_HEAD  "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
#define GZ_TAIL  "\x82\x89\xd1\xf7\x05\x00\x00\x00"
#define GZ_HELLO GZ_HEAD "\x01\x05\x00\xfa\xffHello" GZ_TAIL
#define GZ_EMPTY GZ_HEAD "\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"
#define LONGEST  "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"
#define L(n)     "\x00\x00\x00" n

#define CASE(name, encoding, input, expect, err)                                                   \
    {                                                                                              \
        name, encoding, SLICE_INIT(input), expect, err                                             \
    }
#define PLAIN(name, input, expect, err) CASE(name, GRPC_IDENTITY, input, expect, err)
#define GZIP(name, input, expect, err)  CASE(name, GRPC_GZIP, input, expect, err)

// clang-format off
static const struct {
    const char *name;
    enum grpc_encoding encoding;
    struct slice input;
    const char *expect; /* the messages, a bar after each; "..." at the end: one is cut */
    int err;
} CASES[] = {
    PLAIN("nothing", "", "", 0),
    PLAIN("one", "\x00" L("\x05") "Hello", "Hello|", 0),
    PLAIN("empty", "\x00" L("\x00"), "|", 0),
    PLAIN("three", "\x00" L("\x01") "a" "\x00" L("\x00") "\x00" L("\x02") "bc", "a||bc|", 0),
    PLAIN("as long as it may be", "\x00" L("\x40") LONGEST, LONGEST "|", 0),
    PLAIN("a prefix cut", "\x00\x00\x00\x00", "...", 0),
    PLAIN("the flag alone", "\x00", "...", 0),
    PLAIN("cut", "\x00" L("\x05") "Hell", "...", 0),
    PLAIN("the second cut", "\x00" L("\x01") "a" "\x00" L("\x02") "b", "a|...", 0),
    PLAIN("too long", "\x00" L("\x41"), "", -EMSGSIZE),
    PLAIN("too long, 4 GiB", "\x00\xff\xff\xff\xff", "", -EMSGSIZE),
    PLAIN("the second too long", "\x00" L("\x01") "a" "\x00\x01\x00\x00\x00", "a|", -EMSGSIZE),
    PLAIN("flag 2", "\x02" L("\x01") "a", "", -EINVAL),
    PLAIN("flag 255, and too long", "\xff\xff\xff\xff\xff", "", -EINVAL),
    PLAIN("compressed without an encoding", "\x01" L("\x1c") GZ_HELLO, "", -ENOTSUP),
    GZIP("not compressed", "\x00" L("\x05") "Hello", "Hello|", 0),
    GZIP("compressed", "\x01" L("\x1c") GZ_HELLO, "Hello|", 0),
    GZIP("compressed, empty", "\x01" L("\x14") GZ_EMPTY, "|", 0),
    GZIP("each as it likes",
         "\x01" L("\x1c") GZ_HELLO "\x00" L("\x01") "a" "\x01" L("\x1c") GZ_HELLO,
         "Hello|a|Hello|", 0),
    GZIP("nothing to open", "\x01" L("\x00"), "", -EBADMSG),
    GZIP("not gzip", "\x01" L("\x05") "Hello", "", -EBADMSG),
    GZIP("zlib", "\x01" L("\x0d") "\x78\x9c\xf3\x48\xcd\xc9\xc9\x07\x00\x05\x8c\x01\xf5", "",
         -EBADMSG),
    GZIP("deflate alone", "\x01" L("\x07") "\xf3\x48\xcd\xc9\xc9\x07\x00", "", -EBADMSG),
    GZIP("header only", "\x01" L("\x0a") GZ_HEAD, "", -EBADMSG),
    GZIP("cut short",
         "\x01" L("\x1b") GZ_HEAD "\x01\x05\x00\xfa\xffHello" "\x82\x89\xd1\xf7\x05\x00\x00", "",
         -EBADMSG),
    GZIP("wrong CRC",
         "\x01" L("\x1c") GZ_HEAD "\x01\x05\x00\xfa\xffHello" "\x83\x89\xd1\xf7\x05\x00\x00\x00",
         "", -EBADMSG),
    GZIP("wrong length",
         "\x01" L("\x1c") GZ_HEAD "\x01\x05\x00\xfa\xffHello" "\x82\x89\xd1\xf7\x06\x00\x00\x00",
         "", -EBADMSG),
    GZIP("something behind", "\x01" L("\x1d") GZ_HELLO "\x00", "", -EBADMSG),
    GZIP("a second member", "\x01" L("\x30") GZ_HELLO GZ_EMPTY, "", -EBADMSG),
    GZIP("compressed, too long as it is", "\x01" L("\x41"), "", -EMSGSIZE),
};
// clang-format on

struct record {
    char text[200];
    int err;
    size_t used;
};

/* Feeds what is between two cuts; what is behind a message comes with the next call. */
static bool feed_piece(struct grpc_frame *f, struct slice piece, struct record *ret)
{
    for (int r = 1; r == 1;) {
        size_t used;
        struct slice message;
        r = grpc_frame_feed(f, piece, &used, &message);
        ret->used += used;
        piece = slice_from(piece, used);
        if (r < 0) {
            ret->err = r;
            return false;
        }
        assert_true(r == 1 || piece.len == 0);
        if (r == 1) {
            size_t len = strlen(ret->text);
            assert_true(message.len + len + 2 < sizeof(ret->text));
            if (message.len > 0)
                memcpy(ret->text + len, message.data, message.len);
            memcpy(ret->text + len + message.len, "|", 2);
            assert_false(grpc_frame_is_cut(f));
        }
    }
    return true;
}

static void feed_in_cuts(enum grpc_encoding encoding, struct slice input, const struct cuts *cuts,
                         struct record *ret)
{
    struct grpc_frame f;
    bool ok = true;
    *ret = (struct record){.err = 0};
    grpc_frame_init(&f, encoding, MAX);
    for (size_t i = 0, start = 0; ok && i <= cuts->n; i++) {
        size_t end = i < cuts->n ? cuts->at[i] : input.len;
        ok = feed_piece(&f, slice_sub(input, start, end), ret);
        start = end;
    }
    if (ok && grpc_frame_is_cut(&f))
        memcpy(ret->text + strlen(ret->text), "...", 4);
    grpc_frame_fini(&f);
    grpc_frame_fini(&f);
    assert_int_equal(grpc_frame_held(&f), 0);
}

static void test_cases(void **state)
{
    static struct cuts cuts;
    uint64_t seed = 6;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t len = CASES[i].input.len, used = 0;
        for (size_t way = 0; way < len + 40; way++) {
            struct record got;
            cuts.n = 0;
            if (way > 0 && way < len) /* once, at every place */
                cuts.at[cuts.n++] = way;
            else if (way == len)
                cuts_each_byte(&cuts, len);
            else if (way > len)
                cuts_at_random(&cuts, len, 4, &seed);
            feed_in_cuts(CASES[i].encoding, CASES[i].input, &cuts, &got);
            if (got.err != CASES[i].err || strcmp(got.text, CASES[i].expect) != 0)
                fail_msg("%s, way %zu: '%s' and %d", CASES[i].name, way, got.text, got.err);
            if (way == 0)
                used = got.used;
            if (got.used != used || (got.err == 0 && used != len))
                fail_msg("%s, way %zu: took %zu", CASES[i].name, way, got.used);
        }
    }
}

/* A prefix promises, only bytes take memory; and it is given back when the next call comes. */
static void test_held(void **state)
{
    enum { MESSAGE = 1 << 20 };
    static uint8_t zeros[MESSAGE];
    uint8_t prefix[GRPC_PREFIX];
    struct grpc_frame f;
    size_t used, before = heap_bytes();
    struct slice message;
    (void) state;
    grpc_frame_init(&f, GRPC_IDENTITY, MESSAGE);
    grpc_frame_prefix(MESSAGE, prefix);
    assert_int_equal(grpc_frame_feed(&f, slice_of(prefix, GRPC_PREFIX), &used, &message), 0);
    assert_int_equal(grpc_frame_held(&f), 0);
    assert_int_equal(heap_bytes(), before);
    for (size_t fed = 0; fed < MESSAGE; fed += 1000) {
        size_t n = MESSAGE - fed < 1000 ? MESSAGE - fed : 1000;
        int r = grpc_frame_feed(&f, slice_of(zeros, n), &used, &message);
        assert_int_equal(r, fed + n == MESSAGE);
        assert_in_range(grpc_frame_held(&f), fed + n, 2 * (fed + n) + 64);
    }
    assert_int_equal(message.len, MESSAGE);
    assert_int_equal(grpc_frame_held(&f), MESSAGE);
    assert_int_equal(grpc_frame_feed(&f, (struct slice){0}, &used, &message), 0);
    assert_int_equal(grpc_frame_held(&f), 0);
    assert_in_range(heap_bytes() - before, 0, 1024);
    grpc_frame_fini(&f);
}

static struct buf gzip(size_t zeros)
{
    static uint8_t chunk[1 << 16];
    struct buf out;
    uint8_t *room;
    z_stream z = {.zalloc = mem_zalloc, .zfree = mem_zfree};
    buf_init(&out, 64 << 20);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(buf_reserve(&out, zeros / 500 + 1000, &room), 0);
    z.next_out = room;
    z.avail_out = (uInt) (zeros / 500 + 1000);
    for (size_t left = zeros; left > 0; left -= z.avail_in) {
        z.next_in = chunk;
        z.avail_in = (uInt) (left < sizeof(chunk) ? left : sizeof(chunk));
        uInt n = z.avail_in;
        assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
        assert_int_equal(z.avail_in, 0);
        z.avail_in = n;
    }
    z.avail_in = 0;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    buf_grew(&out, z.total_out);
    assert_int_equal(deflateEnd(&z), Z_OK);
    return out;
}

static int feed_gzip(struct grpc_frame *f, const struct buf *packed, struct slice *message)
{
    uint8_t prefix[GRPC_PREFIX];
    size_t used;
    grpc_frame_prefix(packed->len, prefix);
    prefix[0] = 1;
    assert_int_equal(grpc_frame_feed(f, slice_of(prefix, GRPC_PREFIX), &used, message), 0);
    return grpc_frame_feed(f, buf_slice(packed), &used, message);
}

/* What is opened may be as long as max, and not a byte more; a bomb costs max and stops there. */
static void test_bomb(void **state)
{
    enum { MOST = 1 << 20 };
    static const struct {
        size_t zeros;
        int expect;
    } BOMBS[] = {
        {1, 1},
        {1023, 1},
        {1024, 1},
        {1025, 1},
        {MOST - 1, 1},
        {MOST, 1},
        {MOST + 1, -EMSGSIZE},
        {500 << 20, -EMSGSIZE},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BOMBS); i++) {
        struct buf packed = gzip(BOMBS[i].zeros);
        struct grpc_frame f;
        struct slice message = {0};
        grpc_frame_init(&f, GRPC_GZIP, MOST);
        int r = feed_gzip(&f, &packed, &message);
        if (r != BOMBS[i].expect || (r == 1 && message.len != BOMBS[i].zeros))
            fail_msg("%zu zeros: %d, %zu", BOMBS[i].zeros, r, message.len);
        assert_in_range(f.opened.cap, 1, MOST);
        assert_in_range(f.body.cap, packed.len, MOST);
        grpc_frame_fini(&f);
        buf_fini(&packed);
    }
}

static void test_no_memory(void **state)
{
    struct buf packed = gzip(5000);
    int r = -ENOMEM;
    unsigned n = 1;
    (void) state;
    for (; r == -ENOMEM; n++) {
        struct grpc_frame f;
        struct slice message;
        size_t before = heap_bytes();
        grpc_frame_init(&f, GRPC_GZIP, 10000);
        mem_fail_at(n);
        r = feed_gzip(&f, &packed, &message);
        mem_fail_at(0);
        grpc_frame_fini(&f);
        assert_in_range(heap_bytes() - before, 0, 1024);
    }
    assert_int_equal(r, 1);
    assert_in_range(n, 5, 12); /* the body, zlib's state and window, what is opened */
    buf_fini(&packed);
}

static void test_prefix(void **state)
{
    static const struct {
        size_t len;
        const char *expect;
    } LENGTHS[] = {{0, "\0\0\0\0\0"}, {5, "\0\0\0\0\5"}, {0x01020304, "\0\1\2\3\4"}};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(LENGTHS); i++) {
        uint8_t prefix[GRPC_PREFIX];
        grpc_frame_prefix(LENGTHS[i].len, prefix);
        assert_memory_equal(prefix, LENGTHS[i].expect, GRPC_PREFIX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),  cmocka_unit_test(test_held),
        cmocka_unit_test(test_bomb),   cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
