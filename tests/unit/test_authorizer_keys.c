/* Tests of gateway/backend/authorizer_keys.c: when keys are fetched, for whom, and how long they
 * are kept. */
#include "authorizer_keys_bed.h"

static void test_kept(void **state)
{
    (void) state;
    struct one o;
    one_begin(&o);
    asks(&o, token_a, 0, 1);
    asks(&o, token_a, 0, 0);
    bed_pass(o.ab, 299999);
    asks(&o, token_a, 0, 0);
    bed_pass(o.ab, 1);
    asks(&o, token_a, 0, 1);
    o.scheme.jwk_ttl_ms = 0; /* not kept: fetched for each check */
    asks(&o, token_a, 0, 1);
    asks(&o, token_a, 0, 1);
    o.scheme.jwk_ttl_ms = 300000; /* what was fetched for one who keeps nothing is not kept */
    asks(&o, token_a, 0, 1);
    asks(&o, token_a, 0, 0);
    one_end(&o);
}

/* As long as one who waits for them would have them kept, whoever comes behind. */
static void test_kept_for_the_longest(void **state)
{
    (void) state;
    struct one o;
    struct single s;
    one_begin(&o);
    struct spec_authorizer brief = o.scheme;
    const struct header header = HEADER_OF("X-A", token_a);
    const struct asked asked = {.headers = &header, .n_headers = 1};
    struct verdict v[2] = {{0}};
    brief.jwk_ttl_ms = 0;
    o.keys->hold = true;
    begin(&o, token_a, &v[0]);
    auth_begin(o.ab, single_of(&s, &brief), &asked, &v[1]);
    UNTIL(&o.ab->bed, o.keys->asked == 1);
    o.keys->hold = false;
    backend_release(&o.ab->bed.b);
    for (size_t i = 0; i < 2; i++) {
        auth_end(o.ab, &v[i]);
        verdict_is(&v[i], 0, "both");
    }
    assert_int_equal(o.keys->asked, 1);
    bed_pass(o.ab, 299999);
    asks(&o, token_a, 0, 0);
    one_end(&o);
}

/* Once for all that wait, of whom some go. */
static void test_together(void **state)
{
    enum { N = 50 };
    static struct verdict all[N];
    (void) state;
    struct one o;
    one_begin(&o);
    o.keys->hold = true;
    for (size_t i = 0; i < N; i++) {
        all[i] = (struct verdict){0};
        begin(&o, i % 2 == 0 ? token_a : token_b, &all[i]);
    }
    UNTIL(&o.ab->bed, o.keys->asked == 1);
    for (size_t i = 0; i < N; i += 5)
        authorizer_cancel(all[i].check);
    o.keys->hold = false;
    backend_release(&o.ab->bed.b);
    for (size_t i = 0; i < N; i++) {
        if (i % 5 == 0)
            continue;
        auth_end(o.ab, &all[i]);
        verdict_is(&all[i], i % 2 == 0 ? 0 : 401, "one of many");
    }
    for (size_t i = 0; i < N; i += 5)
        assert_int_equal(all[i].times, 0);
    assert_int_equal(o.keys->asked, 1);
    one_end(&o);
}

/* Keys that were fetched just now are the newest there are. */
static void test_unknown_kid_not_kept(void **state)
{
    (void) state;
    struct one o;
    struct page *document = one_begin_openid(&o);
    o.scheme.jwk_ttl_ms = 0;
    asks(&o, token_b, 401, 1);
    assert_int_equal(document->asked, 1);
    asks(&o, token_b, 401, 1);
    one_end(&o);
}

/* Who does not wait to the end must not make the next one fetch anew. */
static void test_all_gone(void **state)
{
    (void) state;
    struct one o;
    struct verdict v = {0};
    one_begin(&o);
    o.keys->hold = true;
    begin(&o, token_a, &v);
    UNTIL(&o.ab->bed, o.keys->asked == 1);
    authorizer_cancel(v.check);
    o.keys->hold = false;
    backend_release(&o.ab->bed.b);
    UNTIL(&o.ab->bed, outbound_counts(o.ab->bed.o).under_way == 0);
    asks(&o, token_a, 0, 0);
    one_end(&o);
}

/* What nobody waits for any more is dropped with the rest. */
static void test_free_under_way(void **state)
{
    (void) state;
    struct one o;
    struct verdict v = {0};
    one_begin(&o);
    o.keys->hold = true;
    begin(&o, token_a, &v);
    UNTIL(&o.ab->bed, o.keys->asked == 1);
    authorizer_cancel(v.check);
    assert_int_equal(outbound_counts(o.ab->bed.o).under_way, 1);
    authorizers_free(o.ab->a);
    assert_int_equal(outbound_counts(o.ab->bed.o).under_way, 0);
    o.ab->a = NULL; /* NULL is fine */
    assert_int_equal(v.times, 0);
    one_end(&o);
}

/* A key that is new is asked for; names that nobody knows are not, again and again. */
static void test_unknown_kid(void **state)
{
    (void) state;
    struct one o;
    one_begin(&o);
    asks(&o, token_a, 0, 1);
    asks(&o, token_b, 401, 1);
    for (size_t i = 0; i < 20; i++)
        asks(&o, token_b, 401, 0);
    page_set(o.ab, "/keys", 200, keys_of(&b, "b"));
    bed_pass(o.ab, 9999);
    asks(&o, token_b, 401, 0);
    asks(&o, token_a, 0, 0);
    bed_pass(o.ab, 1);
    asks(&o, token_b, 0, 1);
    asks(&o, token_b, 0, 0);
    asks(&o, token_a, 401, 0); /* it was withdrawn */
    /* When the newer ones cannot be had, that is what is told, and the old ones still count. */
    bed_pass(o.ab, 10000);
    page_set(o.ab, "/keys", 500, NULL);
    asks(&o, token_a, 500, 1);
    asks(&o, token_b, 0, 0);
    one_end(&o);
}

/* Whoever names the key that signs need not sign with it: that is no reason to ask for newer ones.
 */
static void test_wrong_signature(void **state)
{
    (void) state;
    struct one o;
    char *forged = token_of(&b, "a", "");
    one_begin(&o);
    asks(&o, token_a, 0, 1);
    asks(&o, forged, 401, 0);
    free(forged);
    one_end(&o);
}

/* Who comes while newer ones are fetched waits for them too, though it is too soon to ask again. */
static void test_newer_together(void **state)
{
    (void) state;
    struct one o;
    struct verdict v[2] = {{0}};
    one_begin(&o);
    asks(&o, token_a, 0, 1);
    page_set(o.ab, "/keys", 200, keys_of(&b, "b"));
    o.keys->hold = true;
    begin(&o, token_b, &v[0]);
    UNTIL(&o.ab->bed, o.keys->asked == 2);
    begin(&o, token_b, &v[1]);
    o.keys->hold = false;
    backend_release(&o.ab->bed.b);
    for (size_t i = 0; i < 2; i++) {
        auth_end(o.ab, &v[i]);
        verdict_is(&v[i], 0, "a new key");
    }
    assert_int_equal(o.keys->asked, 2);
    one_end(&o);
}

/* A token that was no good is looked at again: its key may have come. */
static void test_refused_is_not_kept(void **state)
{
    (void) state;
    struct one o;
    one_begin(&o);
    o.scheme.result_ttl_ms = 3600000;
    asks(&o, token_b, 401, 1);
    page_set(o.ab, "/keys", 200, keys_of(&b, "b"));
    bed_pass(o.ab, 300000);
    asks(&o, token_b, 0, 1);
    one_end(&o);
}

/* Keys that cannot even be asked for are none, whichever allocation failed. */
static void test_no_memory(void **state)
{
    (void) state;
    struct one o;
    one_begin(&o);
    asks(&o, token_a, 0, 1); /* the connection is there, and old keys */
    page_set(o.ab, "/keys", 200, keys_of(&b, "b"));
    unsigned n = 0;
    struct verdict v = {0};
    for (bool sent = false; !sent; sent = v.times == 0) {
        assert_true(++n < 50);
        bed_pass(o.ab, 10000); /* newer ones may be asked for */
        mem_fail_at(n);
        begin(&o, token_b, &v);
        mem_fail_at(0);
        if (v.times > 0)
            verdict_is(&v, 500, "no memory");
    }
    assert_true(n > 1);
    auth_end(o.ab, &v);
    verdict_is(&v, 0, "with memory again");
    one_end(&o);
}

static void test_bad(void **state)
{
    static const char *const BAD[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "<html>",
        "{\"keys\":[{}]}",
        "{\"keys\":[],\"keys\":[]}",
    };
    (void) state;
    struct one o;
    one_begin(&o);
    char *good = keys_of(&a, "a");
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        page_set(o.ab, "/keys", 200, xstrdup(BAD[i]));
        asks(&o, token_a, 500, 1);
    }
    static const unsigned STATUSES[] = {201, 204, 301, 304, 404, 500, 503};
    for (size_t i = 0; i < ARRAY_LEN(STATUSES); i++) {
        page_set(o.ab, "/keys", STATUSES[i],
                 xstrdup(STATUSES[i] == 204 || STATUSES[i] == 304 ? "" : good));
        asks(&o, token_a, 500, 1);
    }
    char *large = NULL;
    assert_true(asprintf(&large, "%s%*s", good, (int) JWK_SET_MAX_BYTES, "") > 0);
    page_set(o.ab, "/keys", 200, large);
    asks(&o, token_a, 500, 1);
    page_set(o.ab, "/keys", 200, good);
    asks(&o, token_a, 0, 1);
    one_end(&o);
}

/* --- many addresses --- */

enum { MANY = 255 }; /* one less than are kept */

struct many {
    struct spec_authorizer schemes[MANY];
    struct page *pages[MANY];
};

static void many_begin(struct one *o, struct many *m)
{
    for (size_t i = 0; i < MANY; i++) {
        char path[32];
        (void) snprintf(path, sizeof(path), "/many/%zu", i);
        m->schemes[i] = jwt_scheme(o->ab, "X-A", path);
        m->pages[i] = page_set(o->ab, path, 200, keys_of(&a, "a"));
    }
}

static void many_ask(struct one *o, struct many *m, size_t i, unsigned asked)
{
    struct verdict v;
    auth_ask_a(o->ab, &m->schemes[i], token_a, &v);
    verdict_is(&v, 0, m->pages[i]->path);
    assert_int_equal(m->pages[i]->asked, asked);
}

static void many_end(struct many *m)
{
    for (size_t i = 0; i < MANY; i++)
        scheme_free(&m->schemes[i]);
}

/* The one used longest ago makes room. */
static void test_room(void **state)
{
    static struct many m;
    (void) state;
    struct one o;
    one_begin(&o);
    many_begin(&o, &m);
    struct spec_authorizer more = jwt_scheme(o.ab, "X-A", "/more");
    page_set(o.ab, "/more", 200, keys_of(&a, "a"));
    for (size_t i = 0; i < MANY; i++)
        many_ask(&o, &m, i, 1);
    asks(&o, token_a, 0, 1);
    many_ask(&o, &m, 0, 1); /* used again: now number 1 is the oldest */
    struct verdict v;
    auth_ask_a(o.ab, &more, token_a, &v);
    verdict_is(&v, 0, "one more");
    many_ask(&o, &m, 0, 1);
    asks(&o, token_a, 0, 0);
    many_ask(&o, &m, MANY - 1, 1);
    many_ask(&o, &m, 1, 2);
    scheme_free(&more);
    many_end(&m);
    one_end(&o);
}

/* One that is waited for makes no room, though it was used longest ago. When it has come, those who
 * wait may need its own place for the keys that it leads to. */
static void test_room_while_told(void **state)
{
    static struct many m;
    (void) state;
    struct one o;
    struct verdict all[3] = {{0}}, v;
    struct page *document = one_begin_openid(&o);
    many_begin(&o, &m);
    struct spec_authorizer more = jwt_scheme(o.ab, "X-A", "/more");
    page_set(o.ab, "/more", 200, keys_of(&a, "a"));
    document->hold = true;
    for (size_t i = 0; i < 3; i++)
        begin(&o, token_a, &all[i]);
    UNTIL(&o.ab->bed, document->asked == 1);
    for (size_t i = 0; i < MANY; i++)
        many_ask(&o, &m, i, 1);
    auth_ask_a(o.ab, &more, token_a, &v); /* number 0 makes room */
    verdict_is(&v, 0, "one more");
    document->hold = false;
    backend_release(&o.ab->bed.b);
    for (size_t i = 0; i < 3; i++) {
        auth_end(o.ab, &all[i]);
        verdict_is(&all[i], 0, "after the document");
    }
    assert_int_equal(document->asked, 1);
    assert_int_equal(o.keys->asked, 1);
    many_ask(&o, &m, 1, 1);
    many_ask(&o, &m, 0, 2);
    scheme_free(&more);
    many_end(&m);
    one_end(&o);
}

/* Who is answered asks for the same keys at once, which are not kept. */
static struct one *again_of;
static struct verdict again_verdict;

static void again(struct verdict *v)
{
    (void) v;
    begin(again_of, token_a, &again_verdict);
}

static void test_again_when_told(void **state)
{
    (void) state;
    struct one o;
    struct verdict v = {.then = again};
    one_begin(&o);
    again_of = &o;
    again_verdict = (struct verdict){0};
    o.scheme.jwk_ttl_ms = 0;
    begin(&o, token_a, &v);
    auth_end(o.ab, &v);
    assert_int_equal(again_verdict.times, 0);
    auth_end(o.ab, &again_verdict);
    verdict_is(&again_verdict, 0, "again");
    assert_int_equal(o.keys->asked, 2);
    one_end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_kept_for_the_longest),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_all_gone),
        cmocka_unit_test(test_free_under_way),
        cmocka_unit_test(test_unknown_kid),
        cmocka_unit_test(test_unknown_kid_not_kept),
        cmocka_unit_test(test_wrong_signature),
        cmocka_unit_test(test_newer_together),
        cmocka_unit_test(test_refused_is_not_kept),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_room_while_told),
        cmocka_unit_test(test_again_when_told),
    };
    return cmocka_run_group_tests(tests, keys_setup, keys_teardown);
}
