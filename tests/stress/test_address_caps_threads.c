/* Threads that come and go at one table: no address ever has more connections than it may, and none
 * is counted that has gone. */
#include "address_caps.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#define THREADS   4
#define TURNS     20000
#define ADDRESSES 50
#define MOST      3
#define HELD      8

static struct address_caps *caps;
static _Atomic int open_now[ADDRESSES];
static _Atomic unsigned refused, too_many;

static struct in6_addr numbered(uint32_t n)
{
    struct in6_addr ret = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&ret.s6_addr[12], &n, sizeof(n));
    return ret;
}

struct held {
    struct address_count *count;
    uint32_t n;
};

static void come(struct held *h, uint32_t n, uint64_t now_us)
{
    struct in6_addr address = numbered(n);
    h->n = n;
    if (address_caps_enter(caps, &address, now_us, &h->count) != REFUSE_NONE)
        refused++;
    else if (++open_now[n] > MOST)
        too_many++;
}

static void go(struct held *h, uint64_t now_us)
{
    open_now[h->n]--;
    address_caps_leave(caps, h->count, now_us);
    h->count = NULL;
}

static void come_and_go(void *arg)
{
    struct held held[HELD] = {{0}};
    uint32_t random = (uint32_t) (uintptr_t) arg + 1;
    for (uint64_t turn = 0; turn < TURNS; turn++) {
        random = random * 1664525u + 1013904223u;
        struct held *h = &held[turn % HELD];
        if (h->count != NULL)
            go(h, turn);
        come(h, random >> 16 & 1 ? random >> 20 & 3 : (random >> 20) % ADDRESSES, turn);
    }
    for (size_t i = 0; i < HELD; i++)
        if (held[i].count != NULL)
            go(&held[i], TURNS);
}

static void test_threads(void **state)
{
    (void) state;
    uv_thread_t threads[THREADS];
    caps = address_caps_new(MOST, 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], come_and_go, (void *) i), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&threads[i]), 0);
    assert_int_equal(too_many, 0);
    assert_true(refused > 0);
    assert_int_equal(address_caps_size(caps), 0);
    for (size_t i = 0; i < ADDRESSES; i++)
        assert_int_equal(open_now[i], 0);
    address_caps_free(caps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
