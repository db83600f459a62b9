/* Tests of gateway/gap.c: who is told that something is lost, and who may stay. */
#include "gap.h"
#include "sse_client.h"

#define V1  "Sec-WebSocket-Protocol: regcast.v1\r\n"
#define GAP "{\"control\":\"gap\",\"reason\":\"history_lost\",\"oldest\":null}"

static void test_told(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    struct client v1 = client_new(f->gateway_name), other = client_ws(f, "/echo"),
                  plain = client_ws(f, "/"), events = sse_client(f, "/"), last = client_ws(f, "/");
    client_shake(f, &v1, "/", V1);
    client_shaken(f, &v1);
    gap_tell(&f->shared, fixture_path(f, 0));
    client_expect(f, &v1, FRAME_TEXT, GAP);
    client_expect_close(f, &v1, 4009, false);
    client_expect_close(f, &plain, 4009, false);
    client_expect_close(f, &last, 4009, false);
    sse_expect(f, &events, "event: gap\ndata: " GAP "\n\n");
    fixture_append(f, 0, SLICE_LIT("new"));
    fixture_wake(f, fixture_path(f, 0));
    CLIENT_UNTIL(f, &events, sse_has(&events, "new"));
    assert_int_equal(atomic_load(&fixture_path(f, 0)->clients), 1);
    assert_int_equal(atomic_load(&fixture_path(f, 1)->clients), 1); /* of another path */
    assert_int_equal(fixture_refused(f->gateway, REFUSE_HISTORY), 3);
    client_free(&v1);
    client_free(&other);
    client_free(&plain);
    client_free(&events);
    client_free(&last);
    fixture_free(f);
}

/* Who goes down sends everybody away anyhow. */
static void test_draining(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    struct client c = client_ws(f, "/");
    f->shared.draining = true;
    gap_tell(&f->shared, fixture_path(f, 0));
    fixture_idle(f, 20);
    assert_int_equal(atomic_load(&fixture_path(f, 0)->clients), 1);
    client_free(&c);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_draining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
