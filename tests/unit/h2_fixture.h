/* h2_fixture.h - for tests of HTTP/2: one server connection, and what it is sent. Each test begins
 * with a fresh one. */
#ifndef TESTS_H2_FIXTURE_H
#define TESTS_H2_FIXTURE_H

#include "cases_h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct h2_peer p;      /* the server, and what it said */
static struct buf in, frames; /* to be sent to it; scratch */

static inline int setup(void **state)
{
    (void) state;
    h2_peer_init(&p);
    buf_init(&in, 1 << 26);
    buf_init(&frames, 1 << 26);
    return 0;
}

static inline int teardown(void **state)
{
    (void) state;
    h2_peer_fini(&p);
    buf_fini(&in);
    buf_fini(&frames);
    return 0;
}

/* Gives `in` to the server at that time, and empties it. */
static inline int feed_at(uint64_t now_ms)
{
    int r = h2_receive(p.h, buf_slice(&in), now_ms);
    assert_int_equal(r, h2_refusal(p.h) == REFUSE_NONE ? 0 : -EPROTO);
    buf_clear(&in);
    return r;
}

static inline int feed(void)
{
    return feed_at(1000);
}

static inline const char *sent(void)
{
    h2_peer_take(&p);
    return h2_frames(&p, &frames);
}

static inline void greet(void)
{
    put_greeting(&in);
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "SETTINGS, SETTINGS ack, WINDOW 0 983041");
}

static inline void expect_refusal(enum refuse why)
{
    if (h2_refusal(p.h) != why)
        fail_msg("%s instead of %s", refuse_info(h2_refusal(p.h))->name, refuse_info(why)->name);
}

static inline bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
