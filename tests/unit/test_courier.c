/* Tests of gateway/courier.c: messages in pieces, files on their way, and what is none of ours. */
#include "courier.h"

#include "mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_BODY ((size_t) 1 << 20)

struct two {
    struct courier a, b;
};

static void meet(struct two *t)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    courier_init(&t->a, fds[0], MAX_BODY);
    courier_init(&t->b, fds[1], MAX_BODY);
}

static void part(struct two *t)
{
    courier_fini(&t->a);
    courier_fini(&t->b);
    courier_fini(&t->b); /* twice is fine */
}

/* Turns both until `b` has a message. */
static int take(struct two *t, struct courier_message *ret)
{
    for (;;) {
        int r = courier_take(&t->b, ret);
        if (r != 0)
            return r;
        int sent = courier_send(&t->a);
        assert_true(sent == 0 || sent == -EAGAIN);
        r = courier_read(&t->b);
        if (r < 0 && (r != -EAGAIN || sent == 0))
            return r;
    }
}

static void test_messages(void **state)
{
    (void) state;
    static const size_t LENGTHS[] = {0, 1, 7, 65536, 300000, MAX_BODY};
    struct two t;
    meet(&t);
    uint8_t *bytes = xmalloc(MAX_BODY);
    for (size_t i = 0; i < MAX_BODY; i++)
        bytes[i] = (uint8_t) (i * 7 + i / 251);
    for (size_t i = 0; i < ARRAY_LEN(LENGTHS); i++)
        assert_int_equal(courier_put(&t.a, (uint16_t) (i + 1), slice_of(bytes, LENGTHS[i]), -1), 0);
    assert_true(t.a.waiting > MAX_BODY);
    struct courier_message m;
    for (size_t i = 0; i < ARRAY_LEN(LENGTHS); i++) {
        assert_int_equal(take(&t, &m), 1);
        assert_int_equal(m.kind, i + 1);
        assert_int_equal(m.file, -1);
        assert_true(slice_eq(m.body, slice_of(bytes, LENGTHS[i])));
    }
    assert_int_equal(t.a.waiting, 0);
    assert_int_equal(take(&t, &m), -EAGAIN);
    courier_fini(&t.a);
    assert_int_equal(courier_read(&t.b), -EPIPE);
    free(bytes);
    part(&t);
}

/* Files come with their messages, closed on exec, and are the same files. */
static void test_files(void **state)
{
    (void) state;
    struct two t;
    struct courier_message m;
    int ends[2];
    char byte;
    meet(&t);
    assert_int_equal(pipe(ends), 0);
    for (uint16_t i = 0; i < 20; i++)
        assert_int_equal(courier_put(&t.a, i, SLICE_LIT("body"), i % 3 == 0 ? ends[1] : -1), 0);
    assert_int_equal(close(ends[1]), 0); /* copies go along */
    for (uint16_t i = 0; i < 20; i++) {
        assert_int_equal(take(&t, &m), 1);
        assert_int_equal(m.kind, i);
        assert_int_equal(m.file >= 0, i % 3 == 0);
        if (m.file < 0)
            continue;
        assert_int_equal(fcntl(m.file, F_GETFD), FD_CLOEXEC);
        assert_int_equal(write(m.file, "x", 1), 1);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        assert_int_equal(close(m.file), 0);
    }
    /* What nobody takes, and what has not left, is closed. */
    int more = dup(ends[0]);
    assert_int_equal(courier_put(&t.a, 1, SLICE_LIT(""), more), 0);
    assert_int_equal(courier_send(&t.a), 0);
    assert_int_equal(courier_read(&t.b), 0);
    assert_int_equal(courier_put(&t.a, 1, SLICE_LIT(""), more), 0);
    part(&t);
    assert_int_equal(close(more), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(courier_put(&t.a, 1, SLICE_LIT(""), 9999), -EBADF);
}

static void test_nonsense(void **state)
{
    (void) state;
    static const struct {
        const char *name, *bytes;
        size_t len;
    } CASES[] = {
        {"too long", "\x01\0\x10\0\x01\0\0\0", 8},
        {"far too long", "\xff\xff\xff\xff\x01\0\0\0", 8},
        {"a flag we do not know", "\0\0\0\0\x01\0\x02\0", 8},
        {"a file that has not come", "\0\0\0\0\x01\0\x01\0", 8},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct two t;
        struct courier_message m;
        print_message("  %s\n", CASES[i].name);
        meet(&t);
        assert_int_equal(send(t.a.fd, CASES[i].bytes, CASES[i].len, 0), CASES[i].len);
        assert_int_equal(courier_read(&t.b), 0);
        assert_int_equal(courier_take(&t.b, &m), -EBADMSG);
        part(&t);
    }
}

/* Files without messages are not gathered for ever. */
static void test_too_many_files(void **state)
{
    (void) state;
    struct two t;
    meet(&t);
    for (int i = 0; i < 3; i++) { /* three with each byte of a head that never ends */
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(3 * sizeof(int))];
        } control = {0};
        struct iovec byte = {"\x01", 1};
        struct msghdr m = {.msg_iov = &byte,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof(control.bytes)};
        struct cmsghdr *head = CMSG_FIRSTHDR(&m);
        const int files[] = {0, 1, 2};
        *head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(files)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(head), files, sizeof(files));
        assert_int_equal(sendmsg(t.a.fd, &m, 0), 1);
    }
    assert_int_equal(courier_read(&t.b), -EBADMSG);
    assert_int_equal(t.b.n_files, COURIER_MAX_FILES);
    part(&t);
}

static void test_no_memory(void **state)
{
    (void) state;
    struct two t;
    meet(&t);
    mem_fail_at(1);
    assert_int_equal(courier_put(&t.a, 1, SLICE_LIT("body"), -1), -ENOMEM);
    mem_fail_at(0);
    assert_int_equal(send(t.a.fd, "x", 1, 0), 1);
    mem_fail_at(1);
    assert_int_equal(courier_read(&t.b), -ENOMEM);
    mem_fail_at(0);
    part(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),  cmocka_unit_test(test_files),
        cmocka_unit_test(test_nonsense),  cmocka_unit_test(test_too_many_files),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
