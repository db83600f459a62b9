/* Tests of gateway/handover_wire.c: each kind there and back, and what is no message. */
#include "handover_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct two {
    struct courier a, b;
};

static void meet(struct two *t)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    courier_init(&t->a, fds[0], HANDOVER_MAX_BODY);
    courier_init(&t->b, fds[1], HANDOVER_MAX_BODY);
}

static void part(struct two *t)
{
    courier_fini(&t->a);
    courier_fini(&t->b);
}

static void test_there_and_back(void **state)
{
    (void) state;
    struct two t;
    meet(&t);
    for (unsigned kind = 1; kind < WIRE_N_KINDS; kind++) {
        bool file = kind == WIRE_SOCKET || kind == WIRE_CONNECTION;
        const struct handover_message sent = {.kind = (enum handover_kind) kind,
                                              .number = kind,
                                              .other = UINT64_MAX,
                                              .text = SLICE_LIT("/builds"),
                                              .bytes = SLICE_LIT("\x81\0bytes"),
                                              .file = file ? 0 : -1};
        struct handover_message got;
        assert_int_equal(handover_put(&t.a, &sent), 0);
        assert_int_equal(courier_send(&t.a), 0);
        assert_int_equal(courier_read(&t.b), 0);
        assert_int_equal(handover_take(&t.b, &got), 1);
        assert_int_equal(got.kind, kind);
        assert_int_equal(got.number, kind);
        assert_true(got.other == UINT64_MAX);
        assert_true(slice_eq(got.text, sent.text) && slice_eq(got.bytes, sent.bytes));
        assert_int_equal(got.file >= 0, file);
        if (file)
            assert_int_equal(close(got.file), 0);
        assert_int_equal(handover_take(&t.b, &got), 0);
    }
    part(&t);
}

static void test_nonsense(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        uint16_t kind;
        int file;
        struct slice body;
        int expected;
    } CASES[] = {
        {"the least", WIRE_GO, -1, SLICE_INIT("O\x01"), 1},
        {"a field of a later version", WIRE_GO, -1, SLICE_INIT("O\x01\x09\x01\0\0\0x"), 1},
        {"no kind", 0, -1, SLICE_INIT("O\x01"), -EBADMSG},
        {"a kind of a later version", WIRE_N_KINDS, -1, SLICE_INIT("O\x01"), -EBADMSG},
        {"no body", WIRE_GO, -1, SLICE_INIT(""), -EBADMSG},
        {"another record", WIRE_GO, -1, SLICE_INIT("T\x01"), -EBADMSG},
        {"a later version", WIRE_GO, -1, SLICE_INIT("O\x02"), -EBADMSG},
        {"a cut field", WIRE_GO, -1, SLICE_INIT("O\x01\x01\x08\0\0\0\0"), -EBADMSG},
        {"a narrow number", WIRE_GO, -1, SLICE_INIT("O\x01\x01\x01\0\0\0\0"), -EBADMSG},
        {"NUL in a text", WIRE_PATH, -1, SLICE_INIT("O\x01\x03\x02\0\0\0a\0"), -EBADMSG},
        {"a file that nobody wants", WIRE_GO, 0, SLICE_INIT("O\x01"), -EBADMSG},
        {"a socket without a file", WIRE_SOCKET, -1, SLICE_INIT("O\x01"), -EBADMSG},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct two t;
        struct handover_message m;
        print_message("  %s\n", CASES[i].name);
        meet(&t);
        assert_int_equal(courier_put(&t.a, CASES[i].kind, CASES[i].body, CASES[i].file), 0);
        assert_int_equal(courier_send(&t.a), 0);
        assert_int_equal(courier_read(&t.b), 0);
        assert_int_equal(handover_take(&t.b, &m), CASES[i].expected);
        part(&t);
    }
}

/* A directory whose name is too long for an address is met by way of /proc. */
static void test_address(void **state)
{
    (void) state;
    char dir[256] = "/tmp/regcast-wire-XXXXXX";
    struct sockaddr_un at;
    int dir_fd;
    assert_non_null(mkdtemp(dir));
    size_t root = strlen(dir);
    assert_int_equal(handover_address(dir, &at, &dir_fd), 0);
    assert_int_equal(dir_fd, -1);
    assert_memory_equal(at.sun_path, dir, root);
    assert_string_equal(at.sun_path + root, "/takeover.sock");
    memset(dir + root, 'x', 120);
    dir[root] = '/';
    assert_int_equal(handover_address(dir, &at, &dir_fd), -ENOENT);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(handover_address(dir, &at, &dir_fd), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *) &at, sizeof(at)), 0);
    assert_int_equal(faccessat(dir_fd, "takeover.sock", F_OK, 0), 0);
    assert_int_equal(unlink(at.sun_path), 0);
    assert_int_equal(close(fd) | close(dir_fd) | rmdir(dir), 0);
    dir[root] = '\0';
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
