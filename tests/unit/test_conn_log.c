/* Tests of gateway/conn_log.c: the lines that are written of a connection, and that refusals write
 * only so many a second while all are counted. */
#include "conn.h"

#include "log.h"
#include "mem.h"
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define LINES_A_SECOND 10

struct bed {
    struct shared shared;
    struct worker worker;
    struct conn c;
    int fd;
    char text[65536];
};

static int setup(void **state)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    b->worker.shared = &b->shared;
    b->worker.loop.time = 5000;
    b->c.worker = &b->worker;
    b->c.role = LISTENER_GATEWAY;
    b->c.peer.s6_addr[15] = 1;
    b->c.peer_port = 1234;
    b->c.opened_ms = 4000;
    b->fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(b->fd >= 0);
    log_set_fd(b->fd);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    log_set_fd(2);
    log_set_level(LOG_INFO);
    (void) close(b->fd);
    free(b);
    return 0;
}

/* What was written since the last call. */
static const char *written(struct bed *b)
{
    ssize_t n = pread(b->fd, b->text, sizeof(b->text) - 1, 0);
    assert_true(n >= 0);
    b->text[n] = '\0';
    assert_int_equal(ftruncate(b->fd, 0), 0);
    assert_int_equal(lseek(b->fd, 0, SEEK_SET), 0);
    return b->text;
}

static void expect_in(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no %s in %s", part, text);
}

static void test_closed(void **state)
{
    struct bed *b = *state;
    b->c.end = END_PEER;
    b->c.close_code = 1000;
    b->c.why = REFUSE_AUTH; /* of no interest here */
    conn_log_closed(&b->c);
    const char *text = written(b);
    expect_in(text, "\"msg\":\"closed\"");
    expect_in(text, "\"by\":\"peer\",\"code\":1000,\"open_ms\":1000");
    b->c.end = END_REFUSED;
    b->c.close_code = 0;
    b->c.why = REFUSE_H2_IDLE;
    conn_log_closed(&b->c);
    expect_in(written(b), "\"by\":\"refused\",\"reason\":\"h2_idle\",\"code\":1006");
}

static void test_states(void **state)
{
    struct bed *b = *state;
    conn_log_state(&b->c, CONN_CLOSED);
    assert_string_equal(written(b), "");
    log_set_level(LOG_DEBUG);
    conn_log_state(&b->c, CONN_CLOSED);
    expect_in(written(b), "\"to\":\"closed\"");
}

static void test_refusals(void **state)
{
    struct bed *b = *state;
    conn_log_refusal_because(&b->c, REFUSE_TLS_HANDSHAKE, "no cipher");
    const char *text = written(b);
    expect_in(text, "\"level\":\"warn\"");
    expect_in(text, "\"reason\":\"tls_handshake\",\"stage\":\"tls\",\"answer\":0");
    expect_in(text, "\"detail\":\"no cipher\",\"peer\":\"[::1]:1234\"");
    assert_null(strstr(text, "suppressed"));
    conn_log_refusal(&b->c, REFUSE_AUTH); /* another reason has lines of its own */
    assert_null(strstr(written(b), "detail"));
    assert_int_equal(b->c.why, REFUSE_AUTH);
}

/* Within a second, whichever: ten lines, or twenty where the second ended meanwhile. */
static void test_many_refusals(void **state)
{
    enum { N = 1000 };
    struct bed *b = *state;
    const struct metrics *all[] = {&b->worker.metrics};
    for (unsigned i = 0; i < N; i++)
        conn_log_refusal(&b->c, REFUSE_NOT_FOUND);
    unsigned lines = 0;
    for (const char *at = written(b); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_in_range(lines, LINES_A_SECOND, N / 10);
    assert_int_equal(metrics_get(all, 1, M_LOG_DROPPED), N - lines);

    struct log_cap *cap = &b->shared.refusals[REFUSE_NOT_FOUND];
    uint64_t dropped = cap->suppressed;
    assert_true(dropped > 0);
    cap->second_lines = 0; /* a second later */
    conn_log_refusal(&b->c, REFUSE_NOT_FOUND);
    char want[64];
    (void) snprintf(want, sizeof(want), "\"suppressed\":%llu", (unsigned long long) dropped);
    expect_in(written(b), want);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_closed),
        TEST(test_states),
        TEST(test_refusals),
        TEST(test_many_refusals),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
