/* Tests of gateway/conn_id.c: connection ids and the way back from them, and peers' names. */
#include "fixture.h"

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fixture_start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void test_id(void **state)
{
    struct fixture *f = *state;
    enum { N = 100 };
    struct client clients[N];
    for (int i = 0; i < N; i++) {
        clients[i] = client_ws(f, i % 2 == 0 ? "/" : "/teams/x");
        assert_memory_equal(clients[i].id, "d20", 3);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(clients[i].id, clients[j].id);
    }
    for (int i = 0; i < N; i++) {
        char again[ID_SIZE];
        struct conn *c = client_conn(f, &clients[i]);
        assert_non_null(c);
        conn_id(c, again);
        assert_string_equal(again, clients[i].id);
        assert_null(conn_find(f->front, slice_str(again))); /* another worker's */
    }
    /* Any other character anywhere is another connection's id, or none. */
    for (size_t at = 0; at < ID_LEN; at++) {
        char wrong[ID_SIZE];
        memcpy(wrong, clients[0].id, ID_SIZE);
        wrong[at] = wrong[at] == '0' ? '1' : '0';
        assert_null(conn_find(f->gateway, slice_str(wrong)));
    }
    static const char *const WRONG[] = {"",
                                        "d20",
                                        "x",
                                        "d2000000000000000000",
                                        "d20vvvvvvvvvvvvvvvvv",
                                        "d20VVVVVVVVVVVVVVVVV",
                                        "crt00000000000000000"};
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++)
        assert_null(conn_find(f->gateway, slice_str(WRONG[i])));
    assert_null(conn_find(f->gateway, slice_of(clients[0].id, ID_LEN - 1)));

    /* A slot's next connection does not answer to the old id. */
    client_free(&clients[0]);
    FIXTURE_UNTIL(f, f->gateway->n_conns == N - 1);
    assert_null(client_conn(f, &clients[0]));
    struct client next = client_ws(f, "/");
    assert_null(client_conn(f, &clients[0]));
    assert_non_null(client_conn(f, &next));
    for (int i = 1; i < N; i++)
        client_free(&clients[i]);
    client_free(&next);
}

static void test_found_only_while_open(void **state)
{
    struct fixture *f = *state;
    char id[ID_SIZE];
    struct client c = client_new(f->gateway_name);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 1);
    conn_id(fixture_conn(f->gateway, CONN_REQUEST), id);
    assert_null(conn_find(f->gateway, slice_str(id))); /* not yet */
    client_upgrade(f, &c, "/");
    assert_string_equal(c.id, id);
    session_close(client_conn(f, &c), END_DONE, 1001, "");
    assert_null(client_conn(f, &c)); /* no more */
    client_free(&c);
}

static void test_peer_name(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    char want[64], got[INET6_ADDRSTRLEN + 8];
    assert_int_equal(getsockname(c.fd, (struct sockaddr *) &at, &len), 0);
    (void) snprintf(want, sizeof(want), "127.0.0.1:%u", ntohs(at.sin_port));
    struct conn *conn = client_conn(f, &c);
    conn_peer_name(conn, got);
    assert_string_equal(got, want);
    struct conn other = {.peer_port = 65535};
    memset(&other.peer, 0xfe, sizeof(other.peer)); /* the longest */
    conn_peer_name(&other, got);
    assert_string_equal(got, "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:65535");
    client_free(&c);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_id),
        WITH(test_found_only_while_open),
        WITH(test_peer_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
