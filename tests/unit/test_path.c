/* Broadcast paths: templates, precedence, refusals (WS-07), and a slow reference matcher that the
 * table is compared with on random templates and requests. */
#include "frame.h"
#include "path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_PATHS 32

struct fixture {
    struct config cfg;
    struct config_path paths[MAX_PATHS];
    struct path_table *table;
};

static int fixture_init(struct fixture *f, char *const *names, size_t n)
{
    *f = (struct fixture){0};
    for (size_t i = 0; i < n; i++)
        f->paths[i] = (struct config_path){.path = names[i],
                                           .max_message_bytes = 131072,
                                           .max_frame_bytes = 32768,
                                           .history_count = 1,
                                           .history_bytes = 1,
                                           .memory_bytes = 1,
                                           .history_ms = 1};
    f->cfg.gateway.paths = f->paths;
    f->cfg.gateway.n_paths = n;
    return path_table_new(&f->cfg, &f->table);
}

static void test_template_check(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        bool fine;
    } CASES[] = {
        {"/", true},
        {"/builds", true},
        {"/a/b/c", true},
        {"/teams/{team}", true},
        {"/{a}/{b}/{c}", true},
        {"/{path+}", true},
        {"/prefix/{param+}/suffix", true},
        {"/{a}/{b+}/{c}", true},
        {"/caf%C3%A9", true},
        {"/caf\xc3\xa9", true},
        {"/a.b/...", true},
        {"/%7Bliteral%7D", true},
        {"/A_0/{Az_09}", true},
        {"", false},
        {"builds", false},
        {"{a}", false},
        {"//", false},
        {"/a/", false},
        {"/a//b", false},
        {"/{}", false},
        {"/{+}", false},
        {"/{a", false},
        {"/a}", false},
        {"/{", false},
        {"/}", false},
        {"/}{", false},
        {"/x{a}", false},
        {"/{a}x", false},
        {"/{a}{b}", false},
        {"/{{a}}", false},
        {"/{a-b}", false},
        {"/{a b}", false},
        {"/{a++}", false},
        {"/{+a}", false},
        {"/{a%41}", false},
        {"/{a}/{a}", false},
        {"/{a}/{a+}", false},
        {"/{a}/{A}", true},
        {"/{a+}/{b+}", false},
        {"/{a+}/x/{b+}", false},
        {"/a?b", false},
        {"/a#b", false},
        {"/a\\b", false},
        {"/a\x01", false},
        {"/a\x7f", false},
        {"/%", false},
        {"/%4", false},
        {"/%4g", false},
        {"/%00", false},
        {"/%2F", false},
        {"/..", false},
        {"/%2e", false},
        {"/\xff", false},
        {"/%C3", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *why = path_template_check(CASES[i].name);
        print_message("  %s: %s\n", CASES[i].name, why == NULL ? "fine" : why);
        assert_int_equal(why == NULL, CASES[i].fine);
        char *name = (char *) (uintptr_t) CASES[i].name;
        struct fixture f;
        assert_int_equal(fixture_init(&f, &name, 1), CASES[i].fine ? 0 : -EINVAL);
        path_table_free(f.table);
    }
}

static void test_twice(void **state)
{
    (void) state;
    static const struct {
        char *names[3];
        int r;
    } CASES[] = {
        {{"/a", "/b", "/a"}, -EINVAL},
        {{"/{a}", "/b", "/{a}"}, -EINVAL},
        {{"/caf\xc3\xa9", "/", "/caf%C3%A9"}, -EINVAL}, /* one path in two spellings */
        {{"/%61", "/", "/a"}, -EINVAL},
        {{"/{a}", "/{b}", "/{b+}"}, 0}, /* legal in the original, although one is never reached */
        {{"/a", "/a/a", "/aa"}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s %s %s\n", CASES[i].names[0], CASES[i].names[1], CASES[i].names[2]);
        struct fixture f;
        assert_int_equal(fixture_init(&f, CASES[i].names, 3), CASES[i].r);
        path_table_free(f.table);
    }
}

static void test_match(void **state)
{
    (void) state;
    static char *const NAMES[] = {
        "/",
        "/builds",
        "/builds/latest",
        "/teams/{team}",
        "/teams/{team}/builds",
        "/{kind}/all/builds",
        "/teams/{t}",
        "/prefix/{param+}/suffix",
        "/files/{name+}",
        "/caf\xc3\xa9",
        "/a%20b/{x}",
        "/{tenant}/{team}/builds",
        "/deep/{rest+}",
        "/deep/er/{more}/{again}",
        "/v1/{very_long_parameter_name+}",
        "/v1/x/{p+}",
    };
    static const struct {
        const char *request;
        const char *expect; /* NULL: -ENOENT; "!": -EINVAL */
    } CASES[] = {
        {"/", "/"},
        {"/builds", "/builds"},
        {"/builds/", "/builds"},
        {"/b%75ilds", "/builds"},
        {"/%62%75%69%6c%64%73", "/builds"},
        {"/%62%75%69%6C%64%73/", "/builds"},
        {"/builds/latest", "/builds/latest"},
        {"/builds/other", NULL},
        {"/Builds", NULL},
        {"/unknown", NULL},
        {"/build", NULL},
        {"/buildss", NULL},
        /* one segment; the longer template of two alike */
        {"/teams/red", "/teams/{team}"},
        {"/teams/red/", "/teams/{team}"},
        {"/teams/%7Bteam%7D", "/teams/{team}"},
        {"/teams", NULL},
        {"/teams/...", "/teams/{team}"},
        {"/teams/%E2%82%AC", "/teams/{team}"},
        {"/teams/a+b", "/teams/{team}"},
        /* segment by segment, fixed first */
        {"/teams/red/builds", "/teams/{team}/builds"},
        {"/teams/all/builds", "/teams/{team}/builds"},
        {"/groups/all/builds", "/{kind}/all/builds"},
        {"/groups/red/builds", "/{tenant}/{team}/builds"},
        {"/groups/red/build", NULL},
        /* {param} before {param+}, several segments, a suffix */
        {"/deep/er/a/b", "/deep/er/{more}/{again}"},
        {"/deep/er/a", "/deep/{rest+}"},
        {"/deep/er/a/b/c", "/deep/{rest+}"},
        {"/deep", NULL},
        {"/prefix/a/suffix", "/prefix/{param+}/suffix"},
        {"/prefix/a/b/c/suffix/", "/prefix/{param+}/suffix"},
        {"/prefix/suffix/suffix", "/prefix/{param+}/suffix"},
        {"/prefix/suffix", NULL},
        {"/prefix/a/b", NULL},
        {"/files/a", "/files/{name+}"},
        {"/files/a/b/c/d/e/f/g", "/files/{name+}"},
        {"/v1/x/y", "/v1/{very_long_parameter_name+}"}, /* the longer one, as in the original */
        /* spellings */
        {"/caf\xc3\xa9", "/caf\xc3\xa9"},
        {"/caf%c3%a9", "/caf\xc3\xa9"},
        {"/caf%C3\xa9", "/caf\xc3\xa9"},
        {"/a%20b/1", "/a%20b/{x}"},
        {"/a b/1", "/a%20b/{x}"},
        {"/a%2520b/1", NULL},
        /* refused */
        {"", "!"},
        {"builds", "!"},
        {"*", "!"},
        {"//", "!"},
        {"//builds", "!"},
        {"/builds//", "!"},
        {"/builds//latest", "!"},
        {"/files/a//b", "!"},
        {"/.", "!"},
        {"/..", "!"},
        {"/%2e", "!"},
        {"/%2e%2e", "!"},
        {"/.%2E/builds", "!"},
        {"/builds/..", "!"},
        {"/builds/../", "!"},
        {"/files/%2e./x", "!"},
        {"/files/%", "!"},
        {"/files/%4", "!"},
        {"/files/%4/x", "!"},
        {"/files/%zz", "!"},
        {"/files/%u0041", "!"},
        {"/files/%00", "!"},
        {"/files/a%00b", "!"},
        {"/files/%0a", "!"},
        {"/files/%1f", "!"},
        {"/files/%7F", "!"},
        {"/files/\x01", "!"},
        {"/files/a%2fb", "!"},
        {"/files/a%2Fb", "!"},
        {"/files/a%5cb", "!"},
        {"/files/a\\b", "!"},
        {"/files/%c0%af", "!"}, /* overlong '/' */
        {"/files/%e0%80%af", "!"},
        {"/files/%c0%ae%c0%ae", "!"},
        {"/files/%ed%a0%80", "!"}, /* a surrogate */
        {"/files/%f4%90%80%80", "!"},
        {"/files/%80", "!"},
        {"/files/\xff", "!"},
        {"/files/%c3/%a9", "!"}, /* a character cut by a segment's end */
        {"/unknown/%00", "!"},   /* refused before it is looked for */
    };
    struct fixture f;
    assert_int_equal(fixture_init(&f, NAMES, ARRAY_LEN(NAMES)), 0);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].request);
        struct path untouched, *p = &untouched;
        int r = path_match(f.table, slice_str(CASES[i].request), &p);
        if (CASES[i].expect == NULL || strcmp(CASES[i].expect, "!") == 0) {
            assert_int_equal(r, CASES[i].expect == NULL ? -ENOENT : -EINVAL);
            assert_ptr_equal(p, &untouched);
        } else {
            assert_int_equal(r, 0);
            assert_string_equal(p->cfg->path, CASES[i].expect);
        }
    }
    struct path *p;
    struct slice nul = slice_of("/files/a\0b", 10);
    assert_int_equal(path_match(f.table, nul, &p), -EINVAL);
    path_table_free(f.table);
}

static void test_long_requests(void **state)
{
    (void) state;
    static char *const NAMES[] = {"/x/{rest+}", "/{one}"};
    struct fixture f;
    assert_int_equal(fixture_init(&f, NAMES, ARRAY_LEN(NAMES)), 0);
    static char request[64 << 10];
    struct path *p = NULL;
    for (size_t i = 0; i < sizeof(request); i++)
        request[i] = i % 2 == 0 ? '/' : 'x';
    assert_int_equal(path_match(f.table, slice_of(request, sizeof(request)), &p), 0);
    assert_int_equal(p->index, 0);
    memset(request + 1, 'y', sizeof(request) - 1);
    assert_int_equal(path_match(f.table, slice_of(request, sizeof(request)), &p), 0);
    assert_int_equal(p->index, 1);
    memset(request, '/', sizeof(request));
    assert_int_equal(path_match(f.table, slice_of(request, sizeof(request)), &p), -EINVAL);
    path_table_free(f.table);
}

static void test_table(void **state)
{
    (void) state;
    static char *const NAMES[] = {"/z", "/", "/{a}", "/b/{a+}"};
    struct fixture f;
    assert_int_equal(fixture_init(&f, NAMES, ARRAY_LEN(NAMES)), 0);
    assert_int_equal(path_table_size(f.table), ARRAY_LEN(NAMES));
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        struct path *p = path_table_at(f.table, i);
        assert_int_equal(p->index, i);
        assert_ptr_equal(p->cfg, &f.paths[i]);
        assert_ptr_equal(path_by_name(f.table, NAMES[i]), p);
        assert_null(p->wake);
        /* The log takes the longest message in its frames, and no longer one. */
        size_t max = frame_message_size(131072, 32768);
        uint8_t *message = calloc(1, max + 1);
        assert_int_equal(pathlog_append(p->log, slice_of(message, max), 1), 0);
        assert_int_equal(pathlog_append(p->log, slice_of(message, max + 1), 1), -EMSGSIZE);
        free(message);
    }
    assert_null(path_by_name(f.table, "/y"));
    assert_null(path_by_name(f.table, "/{b}"));
    assert_null(path_by_name(f.table, ""));
    path_table_free(f.table);
    path_table_free(NULL);

    assert_int_equal(fixture_init(&f, NULL, 0), 0);
    struct path *p;
    assert_int_equal(path_match(f.table, SLICE_LIT("/"), &p), -ENOENT);
    assert_null(path_by_name(f.table, "/"));
    path_table_free(f.table);
}

/* --- a slow matcher, written from the original's description --- */

#define SEGS 8
struct cut {
    char seg[SEGS][32];
    int n;
};

static struct cut cut(const char *path)
{
    struct cut c = {.n = 0};
    char copy[256], *save = NULL;
    (void) snprintf(copy, sizeof(copy), "%s", path);
    for (char *s = strtok_r(copy, "/", &save); s != NULL; s = strtok_r(NULL, "/", &save))
        (void) snprintf(c.seg[c.n++], sizeof(c.seg[0]), "%s", s);
    return c;
}

static bool is_greedy(const char *seg)
{
    return seg[0] == '{' && strchr(seg, '+') != NULL;
}

static bool ref_matches(const struct cut *t, int ti, const struct cut *r, int ri)
{
    if (ti == t->n || ri == r->n)
        return ti == t->n && ri == r->n;
    if (t->seg[ti][0] != '{')
        return strcmp(t->seg[ti], r->seg[ri]) == 0 && ref_matches(t, ti + 1, r, ri + 1);
    for (int end = ri + 1; end <= (is_greedy(t->seg[ti]) ? r->n : ri + 1); end++) {
        if (ref_matches(t, ti + 1, r, end))
            return true;
    }
    return false;
}

static int ref_class(const struct cut *t) /* 0 fixed, 1 {param}, 2 {param+} */
{
    int class = 0;
    for (int i = 0; i < t->n; i++) {
        if (is_greedy(t->seg[i]))
            class = 2;
        else if (t->seg[i][0] == '{' && class == 0)
            class = 1;
    }
    return class;
}

static bool ref_better(const char *name, const char *than)
{
    struct cut a = cut(name), b = cut(than);
    int ca = ref_class(&a), cb = ref_class(&b);
    if (ca != cb)
        return ca < cb;
    for (int i = 0; ca == 1 && i < a.n; i++) {
        bool fa = a.seg[i][0] != '{', fb = b.seg[i][0] != '{';
        if (fa != fb)
            return fa;
    }
    return strlen(name) > strlen(than);
}

static uint64_t rng;

static unsigned pick(unsigned n)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned) ((rng >> 33) % n);
}

static void random_template(char *out, size_t size)
{
    static const char *const FIXED[] = {"a", "b", "ab", "c d", "\xc3\xa9"};
    static const char *const PARAM[] = {"{p%d}", "{param%d}", "{q%d}"};
    static const char *const GREEDY[] = {"{g%d+}", "{greedy%d+}"};
    int n = (int) pick(5);
    bool greedy = false;
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        char seg[32];
        unsigned kind = pick(10);
        if (kind == 0 && !greedy)
            (void) snprintf(seg, sizeof(seg), GREEDY[pick(ARRAY_LEN(GREEDY))], i);
        else if (kind < 4)
            (void) snprintf(seg, sizeof(seg), PARAM[pick(ARRAY_LEN(PARAM))], i);
        else
            (void) snprintf(seg, sizeof(seg), "%s", FIXED[pick(ARRAY_LEN(FIXED))]);
        greedy = greedy || is_greedy(seg);
        at += (size_t) snprintf(out + at, size - at, "/%s", seg);
    }
    if (n == 0)
        (void) snprintf(out, size, "/");
}

/* Writes one request in some spelling to `out` and its decoded form to `plain`; false: it holds
 * something that must be refused. */
static bool random_request(char *out, char *plain)
{
    static const char *const GOOD[] = {"a", "b", "ab", "c d", "\xc3\xa9", "x"};
    static const char *const BAD[] = {"",     ".",   "%2e.", "%00",    "%2F", "%5c", "%c3",
                                      "a%7f", "%fg", "\\",   "%c0%af", "%",   "\xff"};
    bool fine = true;
    int n = (int) pick(6);
    char *o = out, *p = plain;
    for (int i = 0; i < n; i++) {
        *o++ = *p++ = '/';
        if (pick(60) == 0) {
            o += snprintf(o, 8, "%s", BAD[pick(ARRAY_LEN(BAD))]);
            fine = false;
            continue;
        }
        for (const char *s = GOOD[pick(ARRAY_LEN(GOOD))]; *s != '\0'; s++) {
            *p++ = *s;
            if (pick(4) == 0)
                o += snprintf(o, 4, pick(2) == 0 ? "%%%02x" : "%%%02X", (unsigned) (uint8_t) *s);
            else
                *o++ = *s;
        }
    }
    if (!fine || n == 0 || pick(4) == 0)
        *o++ = '/'; /* an empty segment at the end stays one by this */
    *o = *p = '\0';
    return fine;
}

static void differential(uint64_t seed)
{
    static char names[MAX_PATHS][128];
    char *list[MAX_PATHS];
    size_t n = 0;
    rng = seed;
    unsigned wanted = 1 + pick(MAX_PATHS);
    for (unsigned tries = 0; n < wanted && tries < 200; tries++) {
        random_template(names[n], sizeof(names[n]));
        bool twice = false;
        for (size_t i = 0; i < n; i++)
            twice = twice || strcmp(names[i], names[n]) == 0;
        list[n] = names[n];
        n += !twice;
    }
    struct fixture f;
    assert_int_equal(fixture_init(&f, list, n), 0);
    for (int k = 0; k < 300; k++) {
        char request[256], plain[256];
        bool fine = random_request(request, plain);
        struct cut r = cut(plain);
        const char *best = NULL;
        for (size_t i = 0; i < n; i++) {
            struct cut t = cut(list[i]);
            if (ref_matches(&t, 0, &r, 0) && (best == NULL || ref_better(list[i], best)))
                best = list[i];
        }
        struct path *p = NULL;
        int got = path_match(f.table, slice_str(request), &p);
        int expect = !fine ? -EINVAL : best == NULL ? -ENOENT : 0;
        if (got != expect || (got == 0 && strcmp(p->cfg->path, best) != 0))
            fail_msg("seed %llu, request %s: %d %s, expected %d %s", (unsigned long long) seed,
                     request, got, got == 0 ? p->cfg->path : "", expect, expect == 0 ? best : "");
    }
    path_table_free(f.table);
}

static void test_against_reference(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 400; seed++)
        differential(seed);
}

/* A path stays what it was, is not found where it is not configured, and comes back. */
static void test_next(void **state)
{
    (void) state;
    static char *const BEFORE[] = {"/a", "/b"}, *const AFTER[] = {"/c", "/a"};
    struct fixture f, g, h;
    struct path_table *table, *again;
    struct path *found;
    size_t at;
    assert_int_equal(fixture_init(&f, BEFORE, 2), 0);
    struct path *a = path_table_at(f.table, 0), *b = path_table_at(f.table, 1);
    assert_int_equal(fixture_init(&g, AFTER, 2), 0);
    path_table_free(g.table); /* only its configuration is wanted, as the next one's */
    assert_int_equal(fixture_init(&h, BEFORE, 2), 0);
    path_table_free(h.table);
    g.paths[1].history_count = 7;
    assert_int_equal(path_table_next(f.table, &g.cfg, &table, &at), 0);
    struct path *c = path_table_at(table, 0);
    assert_int_equal(c->index, 2);
    assert_ptr_equal(path_table_at(table, 1), a);
    assert_int_equal(path_table_n_known(f.table), 3);
    assert_true(path_is_gone(c) && !path_is_gone(a) && !path_is_gone(b));
    assert_ptr_equal(a->cfg, &f.paths[0]);

    path_table_enforce(table);
    assert_true(!path_is_gone(c) && path_is_gone(b));
    assert_ptr_equal(a->cfg, &g.paths[1]);
    assert_string_equal(b->cfg->path, "/b");
    assert_int_equal(b->cfg->max_message_bytes, 131072);
    assert_null(path_by_name(table, "/b"));
    assert_int_equal(path_match(table, SLICE_LIT("/b"), &found), -ENOENT);
    assert_int_equal(path_match(table, SLICE_LIT("/c"), &found), 0);
    assert_ptr_equal(found, c);

    assert_int_equal(path_table_next(table, &h.cfg, &again, &at), 0);
    path_table_free(f.table);
    path_table_enforce(again);
    path_table_free(table);
    assert_ptr_equal(path_by_name(again, "/b"), b);
    assert_ptr_equal(b->cfg, &h.paths[1]);
    assert_true(path_is_gone(c));
    assert_ptr_equal(path_table_known(again, 2), c);
    path_table_free(again);
}

static void test_next_refused(void **state)
{
    (void) state;
    static char *const BEFORE[] = {"/a"}, *const AFTER[] = {"/b", "/a"},
                       *const TWICE[] = {"/a", "/%61"}, *const WRONG[] = {"/a", "b"};
    struct fixture f, g = {0};
    struct path_table *table;
    size_t at = 9;
    assert_int_equal(fixture_init(&f, BEFORE, 1), 0);
    assert_int_equal(fixture_init(&g, AFTER, 2), 0);
    path_table_free(g.table);
    g.paths[1].max_message_bytes = 1 << 20; /* its log was made for less */
    assert_int_equal(path_table_next(f.table, &g.cfg, &table, &at), -EOVERFLOW);
    assert_int_equal(at, 1);
    g.paths[0].path = TWICE[0];
    g.paths[1] = g.paths[0];
    g.paths[1].path = TWICE[1];
    assert_int_equal(path_table_next(f.table, &g.cfg, &table, &at), -EINVAL);
    g.paths[1].path = WRONG[1];
    assert_int_equal(path_table_next(f.table, &g.cfg, &table, &at), -EINVAL);
    assert_int_equal(at, 1);
    assert_ptr_equal(path_by_name(f.table, "/a")->cfg, &f.paths[0]);

    char text[512];
    struct buf error;
    buf_init(&error, sizeof(text));
    g.paths[1].line = 12;
    assert_int_equal(path_templates_check("FILE", &g.cfg, &error), -EINVAL);
    (void) snprintf(text, sizeof(text), "%.*s", (int) error.len, (const char *) error.data);
    assert_non_null(strstr(text, "FILE:12: gateway.paths: expected a path template, got b: "));
    buf_fini(&error);
    path_table_free(f.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),           cmocka_unit_test(test_next_refused),
        cmocka_unit_test(test_template_check), cmocka_unit_test(test_twice),
        cmocka_unit_test(test_match),          cmocka_unit_test(test_long_requests),
        cmocka_unit_test(test_table),          cmocka_unit_test(test_against_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
