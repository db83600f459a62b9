/* Tests of broker/path_tree.c: the order in which the original looks for a path, as its pages say
 * it, slashes at the end, and what a slow matcher finds in random trees. */
#include "path_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_LEAVES 24

/* A path in a leaf is only carried; these stand for some. */
static char paths[MAX_LEAVES];

static struct path *path_of(size_t i)
{
    return (struct path *) (void *) &paths[i];
}

/* Names ended by NULL; one that begins with '!' is closed. */
static size_t make_leaves(const char *const *names, struct path_leaf *ret)
{
    size_t n = 0;
    for (; names[n] != NULL; n++) {
        bool closed = names[n][0] == '!';
        assert_true(n < MAX_LEAVES);
        assert_null(path_template_check_spec(names[n] + closed));
        ret[n] = (struct path_leaf){names[n] + closed, path_of(n), n, closed};
    }
    return n;
}

static struct path_tree *make_tree(const char *const *names, bool strict)
{
    struct path_leaf leaves[MAX_LEAVES];
    struct path_tree *tree = NULL;
    size_t twice = SIZE_MAX;
    size_t n = make_leaves(names, leaves);
    assert_int_equal(path_tree_new(leaves, n, strict, &tree, &twice), 0);
    return tree;
}

/* As path_match() does it. */
static const struct path_leaf *find(const struct path_tree *tree, const char *request)
{
    struct slice path = slice_str(request);
    bool slash = path.data[path.len - 1] == '/';
    path.len -= slash;
    return path_tree_find(tree, path, slash && path.len > 0);
}

static void check(const struct path_tree *tree, const char *request, const char *want)
{
    const struct path_leaf *found = find(tree, request);
    if (want == NULL ? found != NULL : found == NULL || strcmp(found->name, want) != 0)
        fail_msg("%s: %s, not %s", request, found == NULL ? "none" : found->name,
                 want == NULL ? "none" : want);
}

struct request {
    const char *path, *want; /* NULL: none */
};

static void check_all(const char *const *names, bool strict, const struct request *requests,
                      size_t n)
{
    struct path_tree *tree = make_tree(names, strict);
    for (size_t i = 0; i < n; i++)
        check(tree, requests[i].path, requests[i].want);
    path_tree_free(tree);
}

/* Fixed before {param} before {param+}, segment by segment, then the longer text. */
static void test_order(void **state)
{
    (void) state;
    static const char *const NAMES[] = {
        "/{path+}",
        "/",
        "/a",
        "/a/{prm}",
        "/a/{param}",
        "/a/b",
        "/{x}/b",
        "/{x}/{y}/c",
        "/{x}/b/c",
        "/a/{y}/{z}",
        "/prefix/{param+}/suffix",
        "/prefix/{p}/suffix",
        "/static/{file+}",
        "/static/js/{file+}",
        "/static/{long_name_of_file+}",
        "/example/{ID}",
        "/v/{a+}/{b}/end",
        "/v/{abcdef+}/end",
        NULL,
    };
    static const struct request REQUESTS[] = {
        {"/", "/"},
        {"/a", "/a"},
        {"/a/", "/a"},
        {"/%61", "/a"},
        {"/b", "/{path+}"},
        {"/A", "/{path+}"},
        {"/a/b", "/a/b"},
        {"/a/b/", "/a/b"},
        {"/a/x", "/a/{param}"}, /* longer than {prm} */
        {"/c/b", "/{x}/b"},
        {"/c/x", "/{path+}"},
        {"/c/x/c", "/{x}/{y}/c"},
        {"/c/b/c", "/{x}/b/c"},   /* the second segment is fixed */
        {"/a/b/c", "/a/{y}/{z}"}, /* the first one is, and counts first */
        {"/a/x/c", "/a/{y}/{z}"},
        {"/a/b/c/d", "/{path+}"},
        {"/prefix/a/suffix", "/prefix/{p}/suffix"}, /* no greedy one before it */
        {"/prefix/a/b/suffix", "/prefix/{param+}/suffix"},
        {"/prefix/a/b/c/suffix", "/prefix/{param+}/suffix"},
        {"/prefix/suffix", "/{path+}"},
        {"/prefix/suffix/suffix", "/prefix/{p}/suffix"},
        {"/prefix/suffix/suffix/suffix", "/prefix/{param+}/suffix"},
        {"/prefix/a/b/suffixes", "/{path+}"},
        {"/prefix/a/b/suffix/c", "/{path+}"},
        /* of the page on greedy parameters, and the longer text of two that match */
        {"/static/js/main.js", "/static/{long_name_of_file+}"},
        {"/static/main.js", "/static/{long_name_of_file+}"},
        {"/static", "/{path+}"},
        /* of the page on any-method */
        {"/example/7", "/example/{ID}"},
        {"/example/7/", "/example/{ID}"},
        {"/example", "/{path+}"},
        {"/example/7/8", "/{path+}"},
        /* two with {name+} in the middle: the longer text */
        {"/v/1/end", "/v/{abcdef+}/end"},
        {"/v/1/2/end", "/v/{abcdef+}/end"},
        {"/v/end", "/{path+}"},
        {"/v/1/2/en", "/{path+}"},
        {"/v/1/2/3/4/5/6/7/8/9/end", "/v/{abcdef+}/end"},
    };
    check_all(NAMES, false, REQUESTS, ARRAY_LEN(REQUESTS));
}

static void test_greedy(void **state)
{
    (void) state;
    static const char *const NAMES[] = {"/{a+}/x/{b}", "/{a+}/{b}/y", "/p/{q}/{r+}", "/{n}/s/{m+}",
                                        NULL};
    static const struct request REQUESTS[] = {
        {"/1/x/2", "/{a+}/x/{b}"},
        {"/1/2/y", "/{a+}/{b}/y"},
        {"/1/x/y", "/{a+}/x/{b}"}, /* as long: the first of the two */
        {"/1/2/x/y", "/{a+}/x/{b}"},
        {"/x/1", NULL},
        {"/p/1/2/3", "/p/{q}/{r+}"},
        {"/p/1", NULL},
        {"/p/s/1", "/p/{q}/{r+}"}, /* as long */
        {"/o/s/1", "/{n}/s/{m+}"},
        {"/p/s/x/1", "/{a+}/x/{b}"},
        {"/", NULL},
        {"/1", NULL},
    };
    check_all(NAMES, false, REQUESTS, ARRAY_LEN(REQUESTS));
}

/* A slash at the end of template or request means nothing. */
static void test_slashes_ignored(void **state)
{
    (void) state;
    static const char *const NAMES[] = {"/a/",      "/b",      "/c/{x}/", "/d/{x}",
                                        "/e/{x+}/", "/f/{x+}", NULL};
    static const struct request REQUESTS[] = {
        {"/a", "/a/"},
        {"/a/", "/a/"},
        {"/b", "/b"},
        {"/b/", "/b"},
        {"/c/1", "/c/{x}/"},
        {"/c/1/", "/c/{x}/"},
        {"/d/1", "/d/{x}"},
        {"/d/1/", "/d/{x}"},
        {"/e/1", "/e/{x+}/"},
        {"/e/1/", "/e/{x+}/"},
        {"/e/1/2/", "/e/{x+}/"},
        {"/f/1", "/f/{x+}"},
        {"/f/1/2/", "/f/{x+}"},
        {"/c", NULL},
        {"/c/", NULL},
    };
    check_all(NAMES, false, REQUESTS, ARRAY_LEN(REQUESTS));
}

static void test_slashes_strict(void **state)
{
    (void) state;
    static const char *const NAMES[] = {"/",        "/a",       "/a/",       "/b",      "/c/",
                                        "/d/{x}",   "/d/{xx}/", "/e/{x}",    "/f/{x}/", "/g/{x+}",
                                        "/g/{x+}/", "/h/{x+}/", "/i/{x+}/z", NULL};
    static const struct request REQUESTS[] = {
        {"/", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/b", "/b"},
        {"/b/", NULL},
        {"/c", NULL},
        {"/c/", "/c/"},
        {"/d/1", "/d/{x}"},
        {"/d/1/", "/d/{xx}/"},
        {"/e/1", "/e/{x}"},
        {"/e/1/", NULL},
        {"/f/1", NULL},
        {"/f/1/", "/f/{x}/"},
        {"/g/1", "/g/{x+}"},
        {"/g/1/", "/g/{x+}/"},
        {"/h/1/2", NULL},
        {"/h/1/2/", "/h/{x+}/"},
        {"/i/1/z", "/i/{x+}/z"},
        {"/i/1/z/", NULL},
    };
    check_all(NAMES, true, REQUESTS, ARRAY_LEN(REQUESTS));
    static const char *const ANY[] = {"/{path+}", NULL};
    static const struct request OF_ANY[] = {
        {"/a/", "/{path+}"}, {"/a/b/", "/{path+}"}, {"/", NULL}};
    check_all(ANY, true, OF_ANY, ARRAY_LEN(OF_ANY));
}

static void test_closed(void **state)
{
    (void) state;
    static const char *const NAMES[] = {"!/api/{x}",   "/{path+}", "!/fixed", "/{p}",
                                        "!/q/{pppp+}", "/same",    "!/same",  "!/sam%65",
                                        "!/{pp}/",     NULL};
    struct path_tree *tree = make_tree(NAMES, false);
    static const struct {
        const char *request, *name;
        bool open;
    } CASES[] = {
        {"/api/1", "/api/{x}", false}, {"/api/1/2", "/{path+}", true},
        {"/fixed", "/fixed", false},   {"/q/1/2", "/q/{pppp+}", false},
        {"/same", "/same", true},      {"/one", "/{pp}/", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        check(tree, CASES[i].request, CASES[i].name);
        assert_int_equal(find(tree, CASES[i].request)->closed, !CASES[i].open);
    }
    path_tree_free(tree);
}

static void test_twice(void **state)
{
    (void) state;
    static const struct {
        const char *names[4];
        bool strict;
        int twice; /* which, or -1 */
    } CASES[] = {
        {{"/a", "/b", "/%61"}, false, 2},
        {{"/a/", "/a"}, false, 1},
        {{"/a/", "/a"}, true, -1},
        {{"/{x}/", "/{x}"}, false, 1},
        {{"/{x}/", "/{x}"}, true, -1},
        {{"/{x}", "/{y}"}, false, -1},
        {{"/a b/{x}", "/a%20b/{x}"}, false, 1},
        {{"/{x+}/a", "/{x+}/%61"}, false, 1},
        {{"/a/", "!/a"}, false, -1},
        {{"!/a", "/a/", "!/a/"}, false, -1},
        {{"!/a", "/%61", "/a"}, false, 2},
        {{NULL}, false, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct path_leaf leaves[MAX_LEAVES];
        struct path_tree *tree = NULL;
        size_t twice = SIZE_MAX;
        size_t n = make_leaves(CASES[i].names, leaves);
        int r = path_tree_new(leaves, n, CASES[i].strict, &tree, &twice);
        assert_int_equal(r, CASES[i].twice < 0 ? 0 : -EINVAL);
        if (CASES[i].twice >= 0)
            assert_int_equal(twice, CASES[i].twice);
        path_tree_free(tree);
    }
    path_tree_free(NULL);
}

/* --- a slow matcher --- */

static uint64_t rng;

static unsigned pick(unsigned n)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned) ((rng >> 33) % n);
}

#define SEGMENTS 6
struct cut {
    char at[SEGMENTS][16];
    size_t n;
    bool slash;
};

static struct cut cut(const char *path)
{
    struct cut c = {.slash = strlen(path) > 1 && path[strlen(path) - 1] == '/'};
    for (const char *s = path + 1; *s != '\0';) {
        size_t len = strcspn(s, "/");
        (void) snprintf(c.at[c.n++], sizeof(c.at[0]), "%.*s", (int) len, s);
        s += len + (s[len] == '/');
    }
    return c;
}

static bool is_greedy(const char *segment)
{
    return strchr(segment, '+') != NULL;
}

static bool segments_match(const struct cut *t, size_t i, const struct cut *r, size_t k)
{
    if (i == t->n || k == r->n)
        return i == t->n && k == r->n;
    if (t->at[i][0] != '{')
        return strcmp(t->at[i], r->at[k]) == 0 && segments_match(t, i + 1, r, k + 1);
    return segments_match(t, i + 1, r, k + 1) ||
           (is_greedy(t->at[i]) && segments_match(t, i, r, k + 1));
}

static bool slow_match(const char *name, const char *request, bool strict)
{
    struct cut t = cut(name), r = cut(request);
    bool catches = t.n > 0 && is_greedy(t.at[t.n - 1]) && !t.slash;
    return segments_match(&t, 0, &r, 0) && (!strict || t.slash == r.slash || catches);
}

static int class_of(const struct cut *t)
{
    int class = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->at[i][0] == '{' && class < 2)
            class = is_greedy(t->at[i]) ? 2 : 1;
    return class;
}

static bool slow_better(const char *name, const char *than)
{
    struct cut a = cut(name), b = cut(than);
    int l = class_of(&a), r = class_of(&b);
    if (l != r)
        return l < r;
    for (size_t i = 0; l == 1 && i < a.n; i++)
        if ((a.at[i][0] == '{') != (b.at[i][0] == '{'))
            return a.at[i][0] != '{';
    return strlen(name) > strlen(than);
}

/* `n` keeps the names of a template's parameters apart. */
static size_t put_segment(bool template, size_t n, bool greedy, char *ret, size_t size)
{
    static const char *const REQUEST[] = {"a", "b", "c", "d"};
    unsigned kind = template ? pick(6) : 6;
    if (kind == 0 && !greedy)
        return (size_t) snprintf(ret, size, "/{g%zu+}", n);
    if (kind == 1)
        return (size_t) snprintf(ret, size, "/{p%zu}", n);
    if (kind == 2)
        return (size_t) snprintf(ret, size, "/{param%zu}", n);
    return (size_t) snprintf(ret, size, "/%s", REQUEST[pick(template ? 3 : 4)]);
}

static void random_path(bool template, char *ret, size_t size)
{
    size_t n = pick(SEGMENTS), at = 0;
    for (size_t i = 0; i < n; i++)
        at += put_segment(template, i, memchr(ret, '+', at) != NULL, ret + at, size - at);
    if (n == 0 || pick(3) == 0)
        (void) snprintf(ret + at, size - at, "/");
}

/* Without the slash at its end: with and without it may be one path. */
static bool is_same(const char *a, const char *b)
{
    size_t l = strlen(a), r = strlen(b);
    l -= l > 1 && a[l - 1] == '/';
    r -= r > 1 && b[r - 1] == '/';
    return l == r && memcmp(a, b, l) == 0;
}

static void differential(uint64_t seed, bool strict)
{
    static char names[MAX_LEAVES][128];
    struct path_leaf leaves[MAX_LEAVES];
    struct path_tree *tree = NULL;
    size_t twice = SIZE_MAX;
    size_t n = 0;
    rng = seed;
    for (unsigned tries = 0; tries < MAX_LEAVES; tries++) {
        bool there = false;
        random_path(true, names[n], sizeof(names[n]));
        for (size_t i = 0; i < n; i++)
            there = there || is_same(names[i], names[n]);
        leaves[n] = (struct path_leaf){names[n], path_of(n), n, false};
        n += !there;
    }
    assert_int_equal(path_tree_new(leaves, n, strict, &tree, &twice), 0);
    for (unsigned k = 0; k < 200; k++) {
        char request[128];
        const char *best = NULL;
        random_path(false, request, sizeof(request));
        for (size_t i = 0; i < n; i++)
            if (slow_match(names[i], request, strict) &&
                (best == NULL || slow_better(names[i], best)))
                best = names[i];
        check(tree, request, best);
    }
    path_tree_free(tree);
}

static void test_against_slow(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 600; seed++)
        differential(seed, seed % 2 == 0);
}

/* Many, of which each has to be found: with a list that would be a walk along half of them. */
static void test_many(void **state)
{
    (void) state;
    enum { MANY = 30000 };
    char(*names)[64] = calloc(MANY, sizeof(*names));
    struct path_leaf *leaves = calloc(MANY, sizeof(*leaves));
    static const char *const FORMS[] = {"/tenant-%d", "/rooms/%d/{user}/{device}", "/{v}/of/%d",
                                        "/files/%d/{name+}", "/{name+}/to/%d"};
    static const char *const REQUESTS[] = {"/tenant-%d", "/rooms/%d/u/d", "/1/of/%d",
                                           "/files/%d/a/b/c", "/a/b/c/to/%d"};
    for (size_t form = 0; form < ARRAY_LEN(FORMS); form++) {
        struct path_tree *tree = NULL;
        size_t twice = SIZE_MAX;
        for (int i = 0; i < MANY; i++) {
            (void) snprintf(names[i], sizeof(names[i]), FORMS[form], i);
            leaves[i] = (struct path_leaf){names[i], path_of(0), (size_t) i, false};
        }
        assert_int_equal(path_tree_new(leaves, MANY, false, &tree, &twice), 0);
        for (int i = 0; i < MANY; i++) {
            char request[64];
            (void) snprintf(request, sizeof(request), REQUESTS[form], i);
            const struct path_leaf *found = find(tree, request);
            assert_non_null(found);
            assert_int_equal(found->order, i);
        }
        assert_null(find(tree, "/none/of/30000/is"));
        path_tree_free(tree);
    }
    free(leaves);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),           cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_slashes_ignored), cmocka_unit_test(test_slashes_strict),
        cmocka_unit_test(test_closed),          cmocka_unit_test(test_twice),
        cmocka_unit_test(test_against_slow),    cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
