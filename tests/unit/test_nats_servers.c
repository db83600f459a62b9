/* test_nats_servers.c - addresses, and the order in which they are tried. */
#include "nats/nats_servers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *url, *host;
    unsigned port;
    bool tls;
} GOOD[] = {
    {"nats://a", "a", 4222, false},          {"NATS://a.b.c:1", "a.b.c", 1, false},
    {"tls://a:65535/", "a", 65535, true},    {"nats://127.0.0.1:4223", "127.0.0.1", 4223, false},
    {"tls://[::1]:4223", "::1", 4223, true}, {"nats://[2001:db8::1]", "2001:db8::1", 4222, false},
};
static const char *const BAD[] = {
    "",           "a",          "a:4222",      "http://a",   "nats:a",         "nats://",
    "nats://:1",  "nats://a:",  "nats://a:0",  "nats://a:x", "nats://a:70000", "nats://a:123456",
    "nats://[a",  "nats://[]",  "nats://[a]x", "nats://a/b", "nats://u@a",     "nats://u:p@a:1",
    "nats://a b", "nats://a?x", "nats://a\n",
};

static void test_urls(void **state)
{
    struct nats_at at;
    char longest[NATS_HOST_SIZE + 8] = "nats://";
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        assert_int_equal(nats_at_read(GOOD[i].url, &at), 0);
        assert_string_equal(at.host, GOOD[i].host);
        assert_string_equal(at.tls_name, GOOD[i].host);
        assert_int_equal(at.port, GOOD[i].port);
        assert_int_equal(at.tls, GOOD[i].tls);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (nats_at_read(BAD[i], &at) != -EINVAL)
            fail_msg("'%s'", BAD[i]);
    memset(longest + 7, 'a', NATS_HOST_SIZE);
    longest[7 + NATS_HOST_SIZE - 1] = '\0';
    assert_int_equal(nats_at_read(longest, &at), 0);
    longest[7 + NATS_HOST_SIZE - 1] = 'a';
    longest[7 + NATS_HOST_SIZE] = '\0';
    assert_int_equal(nats_at_read(longest, &at), -EINVAL);
}

/* Each once a round, the one that was just lost last. */
static void test_rounds(void **state)
{
    static struct nats_servers s;
    static const char *const URLS[] = {"nats://a", "nats://b", "nats://c"};
    unsigned firsts[3] = {0};
    (void) state;
    s = (struct nats_servers){0};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(nats_servers_add(&s, URLS[i]), 0);
    for (int round = 0; round < 200; round++) {
        size_t was = s.current;
        bool lost = round % 2 == 1;
        unsigned seen = 0;
        nats_servers_shuffle(&s, lost);
        for (int i = 0; i < 3; i++) {
            const struct nats_at *at = nats_servers_next(&s);
            assert_non_null(at);
            seen |= 1u << (at->host[0] - 'a');
            firsts[at->host[0] - 'a'] += i == 0;
            if (lost)
                assert_int_equal(s.current == was, i == 2);
        }
        assert_int_equal(seen, 7);
        assert_null(nats_servers_next(&s));
    }
    for (size_t i = 0; i < 3; i++)
        assert_true(firsts[i] > 20); /* of 200: less has no chance that would ever be seen */
}

static bool has(const struct nats_servers *s, const char *host, unsigned port)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->at[i].host, host) == 0 && s->at[i].port == port)
            return true;
    return false;
}

static void test_named(void **state)
{
    static struct nats_servers s;
    static const char *const FIRST[] = {"10.0.0.1:4222", "A:4222", "bad:0", "", "[::1]:5", "b:6"};
    static const char *const THEN[] = {"c:7"};
    (void) state;
    s = (struct nats_servers){0};
    assert_int_equal(nats_servers_add(&s, "tls://a"), 0);
    nats_servers_shuffle(&s, false);
    assert_non_null(nats_servers_next(&s));
    nats_servers_name(&s, FIRST, ARRAY_LEN(FIRST));
    assert_int_equal(s.n, 4); /* it is there already, and two are none */
    assert_true(has(&s, "10.0.0.1", 4222) && has(&s, "::1", 5) && has(&s, "b", 6));
    for (size_t i = 1; i < s.n; i++) {
        assert_true(s.at[i].tls); /* nothing is said in the clear to those, either */
        assert_string_equal(s.at[i].tls_name, i == 3 ? "b" : "a");
    }
    do /* one that was named, too, is still known when others are */
        nats_servers_shuffle(&s, false);
    while (strcmp(nats_servers_next(&s)->host, "b") != 0);
    nats_servers_name(&s, THEN, 1);
    assert_int_equal(s.n, 3);
    assert_true(has(&s, "a", 4222) && has(&s, "b", 6) && has(&s, "c", 7));
    assert_string_equal(s.at[s.current].host, "b");
    assert_null(nats_servers_next(&s));
}

static void test_too_many(void **state)
{
    static struct nats_servers s;
    char names[100][16];
    const char *named[100];
    (void) state;
    s = (struct nats_servers){0};
    assert_int_equal(nats_servers_add(&s, "nats://a"), 0);
    nats_servers_shuffle(&s, false);
    (void) nats_servers_next(&s);
    for (int i = 0; i < 100; i++) {
        (void) snprintf(names[i], sizeof(names[i]), "n%d:1", i);
        named[i] = names[i];
    }
    nats_servers_name(&s, named, 100);
    assert_int_equal(s.n, NATS_MAX_SERVERS);
    assert_int_equal(nats_servers_add(&s, "nats://b"), -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
