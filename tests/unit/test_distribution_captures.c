/* Every capture of CNCF Distribution 2.8.2 in tests/samples/distribution/: what each says, by the
 * id that index.jsonl gives its event. */
#include "heard.h"
#include "sample.h"

/* Those that change something: the first eight digits of the digest, then the tag. All others are
 * pulls, mounts and blobs, as their names say. */
static const struct {
    const char *name, *want;
} CHANGES[] = {
    {"01-push-new-image.03-push-manifest-tagged", "push team/app 31a61cd9 v1"},
    {"02-push-same-image-second-tag.03-push-manifest-tagged", "push team/app 31a61cd9 latest"},
    {"03-push-same-image-same-tag-again.03-push-manifest-tagged", "push team/app 31a61cd9 latest"},
    {"04-move-tag-to-different-image.03-push-manifest-tagged", "push team/app 45d33032 latest"},
    {"09-add-third-tag.03-push-manifest-tagged", "push team/app 31a61cd9 stable"},
    {"10-delete-manifest-by-digest-two-tags.01-delete-digest", "delete-digest team/app 31a61cd9"},
    {"10-delete-manifest-by-digest-two-tags.02-delete-tag", "delete-tag team/app v1"},
    {"10-delete-manifest-by-digest-two-tags.03-delete-tag", "delete-tag team/app stable"},
    {"11-repush-deleted-image.03-push-manifest-tagged", "push team/app 31a61cd9 v1"},
    {"12a-push-to-second-repository.04-push-manifest-tagged", "push team/other 31a61cd9 tmp"},
    {"12b-put-manifest-by-digest-no-tag.01-push-manifest", "push team/other 31a61cd9"},
    {"13-push-multi-arch-index.03-push-manifest", "push team/multi 5d40b886"},
    {"13-push-multi-arch-index.06-push-manifest", "push team/multi 648e957a"},
    {"13-push-multi-arch-index.07-push-index-tagged", "push team/multi 8b40b1bf 1.0"},
    {"15-delete-index-by-digest.01-delete-digest", "delete-digest team/multi 8b40b1bf"},
    {"15-delete-index-by-digest.02-delete-tag", "delete-tag team/multi 1.0"},
    {"16-delete-untagged-child-manifest.01-delete-digest", "delete-digest team/multi 5d40b886"},
    {"17-push-oci-artifact.03-push-manifest", "push team/app d729f33c"},
    {"18-push-helm-chart-artifact.03-push-manifest-tagged", "push team/charts/demo fd63655e 0.1.0"},
    {"19-cross-repository-mount.03-push-manifest-tagged", "push prod/app 45d33032 v2"},
    {"20-delete-blob-directly.01-delete-digest", "delete-digest prod/app 7dda4707"},
    {"21-push-docker-schema2-format.04-push-manifest-tagged", "push team/dockerfmt 535cd69c v1"},
    {"22-push-docker-manifest-list.04-push-manifest", "push team/dockerlist 407a921e"},
    {"22-push-docker-manifest-list.08-push-manifest", "push team/dockerlist af334e0c"},
    {"22-push-docker-manifest-list.09-push-list-tagged", "push team/dockerlist 391e7bb5 1.0"},
    {"24-skopeo-delete-by-tag.02-delete-digest", "delete-digest team/dockerfmt 535cd69c"},
    {"24-skopeo-delete-by-tag.03-delete-tag", "delete-tag team/dockerfmt v1"},
    {"30-endpoint-answers-500.01-push-manifest-tagged", "push team/app 31a61cd9 r1"},
    {"30-endpoint-answers-500.02-push-manifest-tagged", "push team/app 31a61cd9 r1"},
    {"30-endpoint-answers-500.03-push-manifest-tagged", "push team/app 31a61cd9 r1"},
    {"30-endpoint-answers-500.04-push-manifest-tagged", "push team/app 31a61cd9 r1"},
    {"30-endpoint-answers-500.05-push-manifest-tagged", "push team/app 31a61cd9 r1"},
    {"30-endpoint-answers-500.06-push-manifest-tagged", "push team/app 31a61cd9 r1"},
    {"31-endpoint-recovers.01-push-manifest-tagged", "push team/app 31a61cd9 r1"},
    {"31-endpoint-recovers.02-push-manifest-tagged", "push team/app 45d33032 r2"},
    {"31-endpoint-recovers.03-push-manifest-tagged", "push team/app 31a61cd9 r3"},
    {"32-endpoint-answers-400.01-push-manifest-tagged", "push team/app 31a61cd9 c400"},
    {"32-endpoint-answers-400.02-push-manifest-tagged", "push team/app 31a61cd9 c400"},
    {"32-endpoint-answers-400.03-push-manifest-tagged", "push team/app 31a61cd9 c400"},
    {"32-endpoint-answers-400.recovered.01-push-manifest-tagged", "push team/app 31a61cd9 c400"},
    {"32-endpoint-answers-404.01-push-manifest-tagged", "push team/app 31a61cd9 c404"},
    {"32-endpoint-answers-404.02-push-manifest-tagged", "push team/app 31a61cd9 c404"},
    {"32-endpoint-answers-404.03-push-manifest-tagged", "push team/app 31a61cd9 c404"},
    {"32-endpoint-answers-404.recovered.01-push-manifest-tagged", "push team/app 31a61cd9 c404"},
    {"32-endpoint-answers-410.01-push-manifest-tagged", "push team/app 31a61cd9 c410"},
    {"32-endpoint-answers-410.02-push-manifest-tagged", "push team/app 31a61cd9 c410"},
    {"32-endpoint-answers-410.03-push-manifest-tagged", "push team/app 31a61cd9 c410"},
    {"32-endpoint-answers-410.recovered.01-push-manifest-tagged", "push team/app 31a61cd9 c410"},
    {"32-endpoint-answers-413.01-push-manifest-tagged", "push team/app 31a61cd9 c413"},
    {"32-endpoint-answers-413.02-push-manifest-tagged", "push team/app 31a61cd9 c413"},
    {"32-endpoint-answers-413.03-push-manifest-tagged", "push team/app 31a61cd9 c413"},
    {"32-endpoint-answers-413.recovered.01-push-manifest-tagged", "push team/app 31a61cd9 c413"},
    {"32-endpoint-answers-429.01-push-manifest-tagged", "push team/app 31a61cd9 c429"},
    {"32-endpoint-answers-429.02-push-manifest-tagged", "push team/app 31a61cd9 c429"},
    {"32-endpoint-answers-429.03-push-manifest-tagged", "push team/app 31a61cd9 c429"},
    {"32-endpoint-answers-429.recovered.01-push-manifest-tagged", "push team/app 31a61cd9 c429"},
    {"33-endpoint-answers-204.01-push-manifest-tagged", "push team/app 31a61cd9 c204"},
    {"33-endpoint-answers-302-location.01-push-manifest-tagged",
     "push team/app 31a61cd9 c302-location"},
    {"33-endpoint-answers-302.01-push-manifest-tagged", "push team/app 31a61cd9 c302"},
    {"33-endpoint-answers-304.01-push-manifest-tagged", "push team/app 31a61cd9 c304"},
    {"33-endpoint-answers-307-location.01-push-manifest-tagged",
     "push team/app 31a61cd9 c307-location"},
    {"33-endpoint-answers-307-location.02-push-manifest-tagged",
     "push team/app 31a61cd9 c307-location"},
    {"34-endpoint-slower-than-timeout.01-push-manifest-tagged", "push team/app 31a61cd9 hang"},
    {"34-endpoint-slower-than-timeout.02-push-manifest-tagged", "push team/app 31a61cd9 hang"},
    {"34-endpoint-slower-than-timeout.03-push-manifest-tagged", "push team/app 31a61cd9 hang"},
    {"34-endpoint-slower-than-timeout.04-push-manifest-tagged", "push team/app 31a61cd9 hang"},
    {"34-endpoint-slower-than-timeout.recovered.01-push-manifest-tagged",
     "push team/app 31a61cd9 hang"},
    {"35-endpoint-closes-connection.01-push-manifest-tagged", "push team/app 31a61cd9 close"},
    {"35-endpoint-closes-connection.02-push-manifest-tagged", "push team/app 31a61cd9 close"},
    {"35-endpoint-closes-connection.03-push-manifest-tagged", "push team/app 31a61cd9 close"},
    {"35-endpoint-closes-connection.recovered.01-push-manifest-tagged",
     "push team/app 31a61cd9 close"},
    {"36-endpoint-was-down.01-push-manifest-tagged", "push team/app 31a61cd9 down1"},
    {"36-endpoint-was-down.02-push-manifest-tagged", "push team/app 45d33032 down2"},
    {"36-endpoint-was-down.03-delete-digest", "delete-digest team/app 45d33032"},
    {"36-endpoint-was-down.04-delete-tag", "delete-tag team/app down2"},
    {"36-endpoint-was-down.05-delete-tag", "delete-tag team/app latest"},
    {"36-endpoint-was-down.06-delete-tag", "delete-tag team/app r2"},
    {"37-registry-stopped-with-queue.01-push-manifest-tagged", "push team/app 31a61cd9 lost1"},
    {"37-registry-stopped-with-queue.02-push-manifest-tagged", "push team/app 31a61cd9 lost1"},
    {"37-registry-stopped-with-queue.03-push-manifest-tagged", "push team/app 31a61cd9 lost1"},
    {"38-after-restart.01-push-manifest-tagged", "push team/app 31a61cd9 afterrestart"},
    {"40-push-with-actor-and-references.03-push-manifest-tagged",
     "push team/authed 31a61cd9 v1 by ci-bot"},
    {"41-push-index-with-references.03-push-manifest", "push team/authed 5d40b886 by ci-bot"},
    {"41-push-index-with-references.07-push-manifest", "push team/authed 648e957a by ci-bot"},
    {"41-push-index-with-references.08-push-index-tagged",
     "push team/authed 8b40b1bf multi by ci-bot"},
    {"42-push-chart-with-references.01-push-manifest-tagged",
     "push team/charts/demo fd63655e 0.1.1 by ci-bot"},
    {"43-ignore-actions-pull-only.03-push-manifest-tagged", "push team/app 31a61cd9 ig1"},
    {"44-ignore-octet-stream-and-actions.01-push-manifest-tagged", "push team/app 31a61cd9 ig2"},
    {"45-ignoredmediatypes.02-push-manifest-tagged", "push team/app 31a61cd9 ig3"},
};

static const char *want_change(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++) {
        if (strcmp(CHANGES[i].name, name) == 0)
            return CHANGES[i].want;
    }
    return NULL;
}

static const char *want_ignored(const char *name)
{
    if (strstr(name, "-pull-blob") != NULL || strstr(name, "-pull-manifest") != NULL ||
        strstr(name, "-pull-index") != NULL)
        return "pull";
    if (strstr(name, "-mount-blob") != NULL)
        return "mount";
    return strstr(name, "-push-blob") != NULL ? "blob" : NULL;
}

struct capture {
    char said[512], id[64], why[32];
    size_t n;
};

static void on_change(void *ctx, const struct change *c)
{
    static const char *const KINDS[] = {[CHANGE_PUSH] = "push",
                                        [CHANGE_DELETE_DIGEST] = "delete-digest",
                                        [CHANGE_DELETE_TAG] = "delete-tag"};
    struct capture *said = ctx;
    said->n++;
    (void) snprintf(
        said->said, sizeof(said->said), "%s %s%s%.8s%s%s%s%s", KINDS[c->kind], c->repository,
        c->digest[0] == '\0' ? "" : " ", c->digest[0] == '\0' ? "" : c->digest + strlen("sha256:"),
        c->tag[0] == '\0' ? "" : " ", c->tag, c->actor[0] == '\0' ? "" : " by ", c->actor);
    (void) snprintf(said->id, sizeof(said->id), "%s", c->sender_id);
    assert_false(c->certain); /* it may be a blob */
    assert_int_equal(strlen(c->request_id), 36);
    assert_int_equal(strncmp(c->created_at, "2026-11-22T", 11), 0);
}

static void on_ignored(void *ctx, const char *why)
{
    struct capture *said = ctx;
    said->n++;
    (void) snprintf(said->why, sizeof(said->why), "%s", why);
}

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    (void) ctx;
    (void) excerpt;
    fail_msg("set aside: %s", why);
}

/* One line of index.jsonl: the text behind "name": " up to the next quote. */
static void index_field(const char *line, const char *name, char *ret, size_t cap)
{
    const char *at = strstr(line, name);
    ret[0] = '\0';
    if (at == NULL)
        return;
    at += strlen(name);
    size_t len = strcspn(at, "\"");
    assert_true(len < cap);
    memcpy(ret, at, len);
    ret[len] = '\0';
}

static void check_capture(const char *file, const char *id)
{
    struct sample s;
    struct capture said = {0};
    const struct source_sink sink = {
        .ctx = &said, .change = on_change, .ignored = on_ignored, .set_aside = on_set_aside};
    char path[512], name[256];
    const char *why = NULL;
    (void) snprintf(path, sizeof(path), "distribution/%s", file);
    (void) snprintf(name, sizeof(name), "%.*s", (int) (strlen(file) - strlen(".http")), file);
    sample_open(&s, path);
    assert_string_equal(SOURCE_DISTRIBUTION.detect(&s.req), "content type");
    assert_null(SOURCE_GITLAB.detect(&s.req));
    int r = SOURCE_DISTRIBUTION.adapt(&s.req, &sink, &why);
    const char *change = want_change(name), *ignored = want_ignored(name);
    if (s.req.body.len == 0) { /* a GET after a redirect */
        assert_int_equal(r, -EBADMSG);
        assert_string_equal(why, "syntax");
    } else {
        assert_int_equal(r, 0);
        assert_int_equal(said.n, 1);
        assert_string_equal(said.said, change == NULL ? "" : change);
        assert_string_equal(said.why, ignored == NULL ? "" : ignored);
        assert_true((change == NULL) != (ignored == NULL));
        assert_string_equal(said.id, change == NULL ? "" : id);
    }
    sample_close(&s);
}

static void test_captures(void **state)
{
    (void) state;
    char path[512], line[1024], file[256], id[64];
    size_t n = 0;
    (void) snprintf(path, sizeof(path), "%s/tests/samples/distribution/index.jsonl",
                    getenv("REGCAST_SOURCE_DIR"));
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        index_field(line, "\"file\": \"", file, sizeof(file));
        index_field(line, "\"event_ids\": [\"", id, sizeof(id));
        print_message("  %s\n", file);
        check_capture(file, id);
        n++;
    }
    assert_int_equal(fclose(f), 0);
    assert_int_equal(n, 164);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
