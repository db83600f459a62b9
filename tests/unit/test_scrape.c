/* Tests of gateway/scrape.c: the text as a Prometheus server reads it. */
#include "scrape.h"

#include "fixture.h"

struct sample {
    const char *name; /* family, with the suffix of a histogram */
    size_t name_len;
    const char *labels; /* "{...}" or "" */
    size_t labels_len;
    double value;
};

static size_t name_at(const char *at)
{
    size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789");
    assert_true(n > 0 && (at[0] < '0' || at[0] > '9'));
    return n;
}

/* {name="value",...} with the three escapes of the format; the end of it. */
static const char *labels_at(const char *at)
{
    if (*at != '{')
        return at;
    do {
        at++;
        at += name_at(at);
        assert_memory_equal(at, "=\"", 2);
        for (at += 2; *at != '"'; at++) {
            assert_true(*at != '\n' && *at != '\0');
            if (*at == '\\')
                assert_non_null(strchr("\\\"n", *++at));
        }
        at++;
    } while (*at == ',');
    assert_int_equal(*at, '}');
    return at + 1;
}

/* Checks every line of the text: HELP and TYPE once and before the samples of their family, which
 * stand together; no sample twice. How many samples there are. */
static size_t check_text(const char *text)
{
    static struct sample samples[8192];
    static char families[512][128];
    size_t n = 0, n_families = 0;
    const char *family = "", *type = "";
    size_t family_len = 0;
    for (const char *at = text; *at != '\0';) {
        const char *end = strchr(at, '\n');
        assert_non_null(end); /* the last line has an end too */
        if (memcmp(at, "# HELP ", 7) == 0) {
            family = at + 7;
            family_len = name_at(family);
            for (size_t i = 0; i < n_families; i++) {
                if (strlen(families[i]) == family_len &&
                    memcmp(families[i], family, family_len) == 0)
                    fail_msg("family %s begins twice", families[i]);
            }
            assert_true(n_families < ARRAY_LEN(families));
            (void) snprintf(families[n_families++], sizeof(families[0]), "%.*s", (int) family_len,
                            family);
            assert_true(family[family_len] == ' ' && family[family_len + 1] != '\n');
            assert_memory_equal(end + 1, "# TYPE ", 7);
            type = end + 8 + family_len + 1;
            assert_memory_equal(end + 8, family, family_len);
            assert_true(memcmp(type, "counter\n", 8) == 0 || memcmp(type, "gauge\n", 6) == 0 ||
                        memcmp(type, "histogram\n", 10) == 0);
            bool total = family_len > 6 && memcmp(family + family_len - 6, "_total", 6) == 0;
            assert_int_equal(total, memcmp(type, "counter\n", 8) == 0); /* by convention */
            at = strchr(end + 1, '\n') + 1;
            continue;
        }
        struct sample s = {.name = at, .name_len = name_at(at)};
        s.labels = at + s.name_len;
        const char *value = labels_at(s.labels);
        s.labels_len = (size_t) (value - s.labels);
        assert_int_equal(*value, ' ');
        char *stop;
        s.value = strtod(value + 1, &stop);
        if (stop != end || s.value < 0)
            fail_msg("not a value: %.*s", (int) (end - at), at);
        if (s.name_len < family_len || memcmp(s.name, family, family_len) != 0 ||
            (s.name_len > family_len && memcmp(type, "histogram", 9) != 0))
            fail_msg("outside its family: %.*s", (int) (end - at), at);
        for (size_t i = 0; i < n; i++) {
            if (samples[i].name_len == s.name_len && samples[i].labels_len == s.labels_len &&
                memcmp(samples[i].name, s.name, s.name_len + s.labels_len) == 0)
                fail_msg("twice: %.*s", (int) (end - at), at);
        }
        assert_true(n < ARRAY_LEN(samples));
        samples[n++] = s;
        at = end + 1;
    }
    return n;
}

static char *scrape(struct fixture *f)
{
    struct buf out;
    buf_init(&out, 1 << 24);
    assert_int_equal(scrape_print(&f->shared, &out), 0);
    char *text = xslicedup(buf_slice(&out));
    buf_fini(&out);
    return text;
}

static void expect_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    if (at == NULL || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
        fail_msg("missing: %s", line);
}

static void test_families(void **state)
{
    (void) state;
    static const char *const FAMILIES[] = {
        "regcast_connections",          "regcast_frames_sent_total",
        "regcast_bytes_sent_total",     "regcast_slow_consumer_findings_total",
        "regcast_path_log_bytes",       "regcast_path_log_messages",
        "regcast_open_sockets",         "regcast_webhook_inflight_bytes",
        "regcast_build_info",           "regcast_handshakes_total",
        "regcast_closes_total",         "regcast_batches_total",
        "regcast_events_total",         "regcast_webhook_events_total",
        "regcast_slow_consumers_total", "regcast_sweep_seconds",
        "regcast_webhook_seconds",      "regcast_sends_total",
    };
    struct fixture *f = fixture_new();
    fixture_start(f);
    char *text = scrape(f);
    assert_true(check_text(text) > 100);
    for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
        char line[128];
        (void) snprintf(line, sizeof(line), "\n# TYPE %s ", FAMILIES[i]);
        if (strstr(text, line) == NULL)
            fail_msg("missing: %s", FAMILIES[i]);
    }
    expect_line(text, "regcast_build_info{version=\"" REGCAST_VERSION "\"} 1");
    free(text);
    fixture_free(f);
}

static void test_values(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    struct client a = client_ws(f, "/"), b = client_ws(f, "/"), c = client_ws(f, "/teams/red");
    fixture_broadcast(f, 0, "hello");
    client_expect(f, &a, FRAME_TEXT, "hello");
    client_expect(f, &b, FRAME_TEXT, "hello");
    FIXTURE_UNTIL(f, list_empty(&f->gateway->active));
    struct client web = client_new(f->front_name);
    struct response r = client_ask(f, &web, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200);
    assert_string_equal(r.body, "ok\n");

    char *text = scrape(f);
    (void) check_text(text);
    expect_line(text, "regcast_connections{path=\"/\",worker=\"0\"} 2");
    expect_line(text, "regcast_connections{path=\"/echo\",worker=\"0\"} 0");
    expect_line(text, "regcast_connections{path=\"/teams/{team}\",worker=\"0\"} 1");
    expect_line(text, "regcast_frames_sent_total{path=\"/\",worker=\"0\"} 2");
    expect_line(text, "regcast_bytes_sent_total{path=\"/\",worker=\"0\"} 14"); /* 2 x (2 + 5) */
    expect_line(text, "regcast_frames_sent_total{path=\"/teams/{team}\",worker=\"0\"} 0");
    expect_line(text, "regcast_path_log_messages{path=\"/\"} 1");
    expect_line(text, "regcast_path_log_messages{path=\"/echo\"} 0");
    expect_line(text, "regcast_open_sockets{listener=\"gateway\"} 3");
    expect_line(text, "regcast_open_sockets{listener=\"webhooks\"} 1");
    expect_line(text, "regcast_webhook_inflight_bytes 0");
    expect_line(text, "regcast_grpc_inflight_bytes 0");
    expect_line(text, "regcast_grpc_answer_bytes 0");
    expect_line(text, "regcast_handshakes_total 3");
    expect_line(text, "regcast_connections_accepted_total 4"); /* of all threads */
    free(text);

    client_free(&a);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 2);
    text = scrape(f);
    expect_line(text, "regcast_connections{path=\"/\",worker=\"0\"} 1");
    expect_line(text, "regcast_closes_total{by=\"lost\"} 1");
    free(text);
    client_free(&b);
    client_free(&c);
    client_free(&web);
    fixture_free(f);
}

/* A path is a label value as it is, whatever it contains. */
static void test_labels_are_escaped(void **state)
{
    (void) state;
    static char odd[] = "/a\"b\\c\nd";
    struct fixture *f = fixture_new();
    fixture_start(f);
    const char *true_one = fixture_path(f, 0)->name;
    fixture_path(f, 0)->name = odd; /* no template has such bytes, but the printer must not rely */
    char *text = scrape(f);
    fixture_path(f, 0)->name = true_one;
    (void) check_text(text);
    expect_line(text, "regcast_connections{path=\"/a\\\"b\\\\c\\nd\",worker=\"0\"} 0");
    free(text);
    fixture_free(f);
}

/* Every length the text could be cut at by a limit: an error, and no damage. */
static void test_no_room(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    char *text = scrape(f);
    size_t len = strlen(text);
    free(text);
    for (size_t limit = 0; limit < len; limit += 1 + limit / 64) {
        struct buf out;
        buf_init(&out, limit);
        if (scrape_print(&f->shared, &out) != -EMSGSIZE)
            fail_msg("limit %zu of %zu", limit, len);
        buf_fini(&out);
    }
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_labels_are_escaped),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
