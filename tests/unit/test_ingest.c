/* Webhooks from the request to the answer: what is counted, logged and submitted, and that nothing
 * is lost when the events cannot be taken. Who may post: test_ingest_sender.c; whose a webhook is:
 * test_ingest_kind.c. */
#include "ingest_bed.h"

#include "mem.h"
#include "record.h"

static void test_counts(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *registry, *content_type, *body;
        const char *answer, *events;
        unsigned accepted, ignored, set_aside;
    } CASES[] = {
        {"new image", "crtopen", TYPE, BODY(PUSH(DIGEST, "v1")),
         "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}",
         "CreateImage app v1, CreateImageTag app v1, ", 1, 0, 0},
        {"the same again", "crtopen", TYPE, BODY(PUSH(DIGEST, "v1")),
         "{\"accepted\":0,\"ignored\":1,\"duplicates\":0}", "", 0, 1, 0},
        {"the same in another registry", "crtlocked", TYPE, BODY(PUSH(DIGEST, "v1")),
         "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}",
         "CreateImage app v1, CreateImageTag app v1, ", 1, 0, 0},
        {"a bit of everything", "crtopen", TYPE,
         BODY(PULL "," BAD "," PUSH(DIGEST, "v2") "," PULL "," PUSH(OTHER, "v1") "," DELETE(
             "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")),
         "{\"accepted\":2,\"ignored\":3,\"duplicates\":0,\"set_aside\":1}",
         "CreateImageTag app v2, CreateImage app v1, DeleteImageTag app v1, "
         "CreateImageTag app v1, ",
         2, 3, 1},
        {"delete", "crtopen", TYPE, BODY(DELETE(DIGEST)),
         "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}",
         "DeleteImage app , DeleteImageTag app v2, ", 1, 0, 0},
        {"no events", "crtopen", TYPE, BODY(""), "{\"accepted\":0,\"ignored\":0,\"duplicates\":0}",
         "", 0, 0, 0},
        {"broken", "crtopen", TYPE, "{\"events\":[{",
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
        {"empty", "crtopen", TYPE, "",
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
        {"charset", "crtopen", TYPE "; charset=utf-16", BODY(PULL),
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
        {"nobody's", "crtopen", "text/plain", BODY(PULL),
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
        {"declared, so the type does not matter", "crtlocked", "text/plain", BODY(PULL),
         "{\"accepted\":0,\"ignored\":1,\"duplicates\":0}", "", 0, 1, 0},
        {"a kind that is not built", "crtodd", TYPE, BODY(PULL),
         "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}", "", 0, 0, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct ingest_request req = request(CASES[i].registry, CASES[i].body);
        req.content_type = slice_str(CASES[i].content_type);
        struct header field;
        authorize(&req, &field, "Bearer s3cret:x");
        uint64_t accepted = counted(w, M_WEBHOOK_ACCEPTED), ignored = counted(w, M_WEBHOOK_IGNORED);
        uint64_t set_aside = counted(w, M_WEBHOOK_SET_ASIDE);
        post(w, &req);
        assert_int_equal(w->answer.status, 202);
        assert_int_equal(w->answer.retry_after_s, 0);
        assert_string_equal(w->answer.body, CASES[i].answer);
        if (!slice_eq_str(buf_slice(&w->events), CASES[i].events))
            fail_msg("events: %.*s", (int) w->events.len, (const char *) w->events.data);
        assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED) - accepted, CASES[i].accepted);
        assert_int_equal(counted(w, M_WEBHOOK_IGNORED) - ignored, CASES[i].ignored);
        assert_int_equal(counted(w, M_WEBHOOK_SET_ASIDE) - set_aside, CASES[i].set_aside);

        const char *log = logged(w);
        assert_int_equal(count_of(log, "\"msg\":\"answered\""), 1);
        assert_int_equal(count_of(log, "\"msg\":\"set aside\""), CASES[i].set_aside);
        assert_int_equal(count_of(log, "\n"), 1 + CASES[i].set_aside);
        char numbers[256];
        (void) snprintf(
            numbers, sizeof(numbers),
            "\"registry\":\"%s\",\"peer\":\"192.0.2.1:4711\",\"status\":202,"
            "\"bytes\":%zu,\"accepted\":%u,\"ignored\":%u,\"duplicates\":0,\"set_aside\":%u,"
            "\"duration_us\":0",
            CASES[i].registry, req.body.len, CASES[i].accepted, CASES[i].ignored,
            CASES[i].set_aside);
        if (strstr(log, numbers) == NULL)
            fail_msg("%s not in: %s", numbers, log);
    }
    uint64_t observed = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        observed += atomic_load(&w->metrics.histogram[H_WEBHOOK].bucket[i]);
    assert_int_equal(observed, ARRAY_LEN(CASES));
}

static void test_event_contents(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *body, *trace, *want; /* want: part of the JSON */
    } CASES[] = {
        {"the sender's time", BODY(PUSH(DIGEST, "v1")), "",
         "{\"event_metadata\":{\"cloud_id\":\"b1gcloud\",\"created_at\":\"2026-11-22T04:50:41."
         "5Z\""},
        {"time of receipt", BODY(DELETE(DIGEST)), "",
         "\"created_at\":\"2020-09-13T12:26:40.123Z\""},
        {"repository", BODY(PUSH(DIGEST, "v1")), "",
         "\"registry_id\":\"crtopen\",\"repository_name\":\"crtopen/app\",\"tag\":\"v1\""},
        {"no trace", BODY(PUSH(DIGEST, "v2")), "",
         "{\"parent_span_id\":\"\",\"span_id\":\"\",\"trace_id\":\"\"}"},
        {"trace", BODY(PUSH(DIGEST, "v3")),
         "00-0af7651916cd43dd8448eb211c80319c-00000000000000ff-01",
         "\"tracing_context\":{\"parent_span_id\":\"255\",\"span_id\":\""},
        {"malformed trace", BODY(PUSH(DIGEST, "v4")), "00-xyz", "\"trace_id\":\"\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct ingest_request req = request("crtopen", CASES[i].body);
        req.traceparent = slice_str(CASES[i].trace);
        post(w, &req);
        if (memmem(w->json.data, w->json.len, CASES[i].want, strlen(CASES[i].want)) == NULL)
            fail_msg("%.*s", (int) w->json.len, (const char *) w->json.data);
    }
}

/* Refused events come again, and then they must yield what they would have yielded. */
static void test_not_taken(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name;
        int submit_result, done_err;
        unsigned retry_after_s;
        enum refuse why;
    } CASES[] = {
        {"overload", -EAGAIN, 0, 1, REFUSE_OVERLOAD},
        {"the journal has failed", -EIO, 0, 1, REFUSE_JOURNAL},
        {"not safe, known at once", 0, -EIO, 5, REFUSE_JOURNAL},
        {"a full disk", 0, -ENOSPC, 5, REFUSE_DISK_FULL},
        {"a lock that is not given up", 0, -EBUSY, 5, REFUSE_JOURNAL},
    };
    struct ingest_request first = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    struct ingest_request move = request("crtopen", BODY(PULL "," BAD "," PUSH(OTHER, "v1")));
    post(w, &first);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        w->submit_result = CASES[i].submit_result;
        w->done_err = CASES[i].done_err;
        uint64_t before = counted(w, M_WEBHOOK_ACCEPTED);
        for (int again = 0; again < 3; again++) {
            post(w, &move);
            assert_int_equal(w->answer.status, 503);
            assert_int_equal(w->answer.why, CASES[i].why);
            assert_int_equal(w->answer.retry_after_s, CASES[i].retry_after_s);
            char body[64];
            (void) snprintf(body, sizeof(body), "{\"error\":\"%s\"}",
                            refuse_info(CASES[i].why)->name);
            assert_string_equal(w->answer.body, body);
        }
        assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED), before);
        assert_int_equal(counted(w, M_WEBHOOK_SET_ASIDE), 0);
    }
    w->submit_result = 0;
    w->done_err = 0;
    post(w, &move);
    assert_int_equal(w->answer.status, 202);
    assert_true(slice_eq_str(buf_slice(&w->events),
                             "CreateImage app v1, DeleteImageTag app v1, CreateImageTag app v1, "));
}

static void test_answer_later(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *body;
        int err;
        unsigned status;
    } CASES[] = {
        {"safe", BODY(PUSH(DIGEST, "v1")), 0, 202},
        {"not safe", BODY(PUSH(DIGEST, "v2")), -EIO, 503},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        size_t before = w->answers;
        w->later = true;
        struct ingest_request req = request("crtopen", CASES[i].body);
        post(w, &req);
        w->later = false;
        (void) logged(w);
        engine_answers(w, CASES[i].err); /* the request is gone by now */
        assert_int_equal(w->answers, before + 1);
        assert_int_equal(w->answer.status, CASES[i].status);
        const char *log = logged(w);
        assert_int_equal(count_of(log, "\"msg\":\"answered\""), 1);
        assert_int_equal(count_of(log, "\"registry\":\"crtopen\",\"peer\":\"192.0.2.1:4711\""), 1);
    }
}

static void test_no_memory(void **state)
{
    struct world *w = *state;
    struct ingest_request pull = request("crtopen", BODY(PULL));
    struct ingest_request push = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    unsigned n = 1; /* the envelope needs the same of both, so then comes the list of events */
    for (;; n++) {
        mem_fail_at(n);
        post(w, &pull);
        mem_fail_at(0);
        if (w->answer.status == 202)
            break;
        assert_int_equal(w->answer.status, 503);
        assert_string_equal(w->answer.body, "{\"error\":\"overload\"}");
    }
    assert_true(n > 1);
    for (; n > 0; n--) {
        mem_fail_at(n);
        post(w, &push);
        mem_fail_at(0);
        assert_int_equal(w->answer.status, 503);
    }
    post(w, &push);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImage app v1, CreateImageTag app v1, "));
}

/* The caller goes on with the connection's next request from inside done(). */
static void post_again(struct ingest_call *call, const struct ingest_answer *answer)
{
    on_answer(call, answer);
    if (world->answers > 1)
        return;
    world->submit_result = -EAGAIN;
    struct ingest_request req = request("crtopen", BODY(PUSH(OTHER, "v1")));
    ingest_post(world->in, &req, call);
}

static void test_post_inside_done(void **state)
{
    struct world *w = *state;
    struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    w->call.done = post_again;
    ingest_post(w->in, &req, &w->call);
    assert_int_equal(w->answers, 2);
    assert_int_equal(w->answer.status, 503);
    w->call.done = on_answer;
    w->submit_result = 0;
    post(w, &req); /* the first one was taken for good, the second was not */
    assert_string_equal(w->answer.body, "{\"accepted\":0,\"ignored\":1,\"duplicates\":0}");
    assert_int_equal(w->events.len, 0);
}

static void test_set_aside_log(void **state)
{
    struct world *w = *state;
    struct buf body;
    buf_init(&body, 1 << 20);
    assert_int_equal(buf_append_str(&body, "{\"events\":[" PUSH(DIGEST, "v1")), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_printf(&body, ",{\"x\":\"\x1b[31m%0999d\"}", i), 0);
    assert_int_equal(buf_append_str(&body, "]}"), 0);
    struct ingest_request req = request("crtopen", "");
    req.body = buf_slice(&body);
    post(w, &req);
    assert_string_equal(w->answer.body,
                        "{\"accepted\":1,\"ignored\":0,\"duplicates\":0,\"set_aside\":1000}");
    const char *log = logged(w);
    assert_int_equal(count_of(log, "\"msg\":\"set aside\""), 10);
    assert_int_equal(count_of(log, "\"reason\":\"control\""), 10);
    assert_int_equal(count_of(log, "\x1b"), 0);
    assert_true(strlen(log) < 10 * 700 + 500);
    buf_fini(&body);
}

/* --- duplicates --- */

#define PUSH_ID(id, digest, tag)                                                                   \
    "{\"id\":\"" id "\",\"action\":\"push\",\"target\":{\"mediaType\":\"" OCI                      \
    "\",\"digest\":\"" digest "\",\"repository\":\"app\",\"tag\":\"" tag "\"}}"

static void test_duplicates(void **state)
{
    struct world *w = *state;
    struct ingest_request req =
        request("crtopen", BODY(PUSH_ID("a", DIGEST, "v1") "," PUSH_ID("a", DIGEST, "v2")));
    post(w, &req); /* twice in one envelope */
    assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":1}");
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImage app v1, CreateImageTag app v1, "));
    assert_int_equal(w->n_ids, 1);
    post(w, &req);
    assert_string_equal(w->answer.body, "{\"accepted\":0,\"ignored\":0,\"duplicates\":2}");
    assert_int_equal(w->events.len, 0);
    assert_int_equal(counted(w, M_WEBHOOK_DUPLICATE), 3);

    struct ingest_request other = request("crtlocked", BODY(PUSH_ID("a", DIGEST, "v1")));
    struct header field;
    authorize(&other, &field, "Bearer s3cret:x");
    post(w, &other); /* the same id of another registry is another event */
    assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");

    w->now_ms += CONFIG.dedup.window_ms + 1;
    struct ingest_request moved = request("crtopen", BODY(PUSH_ID("a", OTHER, "v1")));
    post(w, &moved); /* after the window it is a new one */
    assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");
}

/* What is not safe yet may be lost yet: its duplicate waits for the same answer. */
static void test_duplicate_waits(void **state)
{
    struct world *w = *state;
    struct ingest_request req = request("crtopen", BODY(PUSH_ID("a", DIGEST, "v1")));
    struct ingest_request pull = request("crtopen", BODY(PULL));
    w->later = true;
    post(w, &req);
    post(w, &req);
    assert_int_equal(w->n_waiting, 2);
    ingest_post(w->in, &pull, &w->call); /* depends on nothing */
    assert_int_equal(w->answers, 1);
    engine_answers(w, -ENOSPC);
    engine_answers(w, -EAGAIN);
    assert_int_equal(w->answers, 3);
    assert_int_equal(w->answer.status, 503);
    assert_int_equal(counted(w, M_WEBHOOK_DUPLICATE), 0); /* it comes again and is counted then */
    w->later = false;
    post(w, &req); /* after the refusal it is new again */
    assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");
}

/* Several under way, the second is refused: the first stays, all later ones come again, and what
 * was derived on top of them is derived anew. */
static void test_epochs(void **state)
{
    struct world *w = *state;
    struct ingest_request first = request("crtopen", BODY(PUSH_ID("1", DIGEST, "v1")));
    struct ingest_request second = request("crtopen", BODY(PUSH_ID("2", OTHER, "v1")));
    struct ingest_request third = request("crtopen", BODY(PUSH_ID("3", OTHER, "v2")));
    w->later = true;
    post(w, &first);
    uint64_t epoch = w->epoch;
    post(w, &second);
    post(w, &third);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImageTag app v2, "));
    assert_int_equal(w->epoch, epoch);
    engine_answers(w, 0);
    engine_answers(w, -ENOSPC);
    post(w, &second); /* the next epoch begins while one of the last still waits */
    assert_int_equal(w->epoch, epoch + 1);
    assert_true(slice_eq_str(buf_slice(&w->events),
                             "CreateImage app v1, DeleteImageTag app v1, CreateImageTag app v1, "));
    engine_answers(w, -EAGAIN); /* the third: nothing of the new epoch is undone */
    engine_answers(w, 0);
    w->later = false;
    post(w, &third);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImageTag app v2, "));
    assert_int_equal(w->answers, 5);
    assert_int_equal(ingest_known(w->in).images, 2);
    assert_int_equal(ingest_known(w->in).tags, 2);
}

/* The sender has lost patience with a webhook under way and sends it again, just when an earlier
 * one has been refused and with it all of the epoch: what was not taken is nobody's duplicate. */
static void test_again_after_refusal(void **state)
{
    struct world *w = *state;
    struct ingest_request first = request("crtopen", BODY(PUSH_ID("1", DIGEST, "v1")));
    struct ingest_request second = request("crtopen", BODY(PUSH_ID("2", OTHER, "v2")));
    w->later = true;
    post(w, &first);
    post(w, &second);
    engine_answers(w, -ENOSPC);
    post(w, &second);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImage app v2, CreateImageTag app v2, "));
    engine_answers(w, -EAGAIN); /* the first try of the second: takes nothing back from the next */
    engine_answers(w, 0);
    assert_int_equal(w->answer.status, 202);
    w->later = false;
    post(w, &second);
    assert_string_equal(w->answer.body, "{\"accepted\":0,\"ignored\":0,\"duplicates\":1}");
}

/* One that is refused before it is under way takes nothing back of those that are. */
static void test_refused_at_once(void **state)
{
    struct world *w = *state;
    struct ingest_request first = request("crtopen", BODY(PUSH_ID("1", DIGEST, "v1")));
    struct ingest_request second = request("crtopen", BODY(PUSH_ID("2", OTHER, "v2")));
    w->later = true;
    post(w, &first);
    uint64_t epoch = w->epoch;
    w->later = false;
    w->done_err = -ENOMEM;
    post(w, &second);
    assert_int_equal(w->answer.status, 503);
    w->done_err = 0;
    engine_answers(w, 0);
    assert_int_equal(w->answer.status, 202);
    assert_int_equal(ingest_known(w->in).images, 1);
    assert_int_equal(ingest_known(w->in).tags, 1);
    post(w, &second);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImage app v2, CreateImageTag app v2, "));
    assert_int_equal(w->epoch, epoch);
}

/* What changes nothing because of what is under way waits for that. */
static void test_ignored_waits(void **state)
{
    struct world *w = *state;
    struct ingest_request push = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    w->later = true;
    post(w, &push);
    post(w, &push); /* has no id */
    assert_int_equal(w->n_waiting, 2);
    engine_answers(w, -ENOSPC);
    engine_answers(w, -EAGAIN);
    assert_int_equal(w->answers, 2);
    assert_int_equal(w->answer.status, 503);
}

/* --- dead letters --- */

static void test_letters(void **state)
{
    struct world *w = *state;
    struct record_letter letter;
    struct ingest_request req = request("crtopen", BODY(PULL "," BAD "," PUSH(DIGEST, "v1")));
    const struct header fields[] = {{SLICE_LIT("Authorization"), SLICE_LIT("Bearer s3cret:x")},
                                    {SLICE_LIT("Content-Type"), SLICE_LIT(TYPE)}};
    req.headers = (struct headers){fields, ARRAY_LEN(fields)};
    post(w, &req);
    struct slice letters = buf_slice(&w->letters);
    assert_int_equal(record_next_letter(&letters, &letter), 0);
    assert_int_equal(letters.len, 0);
    assert_string_equal(letter.registry_id, "crtopen");
    assert_true(slice_eq_str(letter.body, BAD));
    assert_true(slice_eq_str(letter.headers, "Content-Type: " TYPE "\r\n"));
    assert_int_equal(counted(w, M_DEAD_LETTERS), 1);
    post(w, &req); /* the push is known by now, but the bad one is bad again */
    assert_int_equal(counted(w, M_DEAD_LETTERS), 2);
    assert_int_equal(w->submissions, 2);
}

static void test_suspect(void **state)
{
    struct world *w = *state;
    struct record_letter letter;
    struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    w->suspect = trial_hash("crtopen", req.body);
    post(w, &req);
    assert_string_equal(w->answer.body,
                        "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}");
    assert_int_equal(w->events.len, 0);
    struct slice letters = buf_slice(&w->letters);
    assert_int_equal(record_next_letter(&letters, &letter), 0);
    assert_true(slice_eq(letter.body, req.body));
}

/* What goes to the disk rebuilds the catalog. */
static void test_notes(void **state)
{
    struct world *w = *state;
    struct ingest_request push = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    struct ingest_request move = request("crtopen", BODY(PUSH(OTHER, "v1")));
    struct catalog_note note;
    post(w, &push);
    struct slice notes = buf_slice(&w->notes);
    assert_int_equal(record_next_note(&notes, &note), 0);
    assert_int_equal(note.kind, NOTE_IMAGE);
    assert_string_equal(note.digest, DIGEST);
    assert_int_equal(record_next_note(&notes, &note), 0);
    assert_int_equal(note.kind, NOTE_TAG);
    assert_string_equal(note.name, "v1");
    assert_int_equal(notes.len, 0);
    post(w, &move);
    notes = buf_slice(&w->notes);
    unsigned kinds = 0;
    while (notes.len > 0) {
        assert_int_equal(record_next_note(&notes, &note), 0);
        kinds |= 1u << note.kind;
    }
    assert_int_equal(kinds, 1u << NOTE_IMAGE | 1u << NOTE_TAG | 1u << NOTE_TAG_GONE);
}

/* What tells no time happened when it came, and not when an operator posts it again. */
static void test_old_letters(void **state)
{
    struct world *w = *state;
    char then[CLOCK_RFC3339_SIZE];
    struct ingest_request req = request("crtopen", BODY(PUSH_ID("e1", OTHER, "v1")));
    post(w, &req);
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 0);
    req = request("crtopen", BODY(PUSH_ID("e2", DIGEST, "v1")));
    req.own = true;
    req.received_ms = clock_wall_ms() - 3600000;
    clock_rfc3339(req.received_ms, then);
    post(w, &req);
    assert_int_equal(w->answer.status, 202);
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 1); /* the tag is another image's by now */
    assert_int_equal(ingest_known(w->in).images, 2);
    assert_int_equal(ingest_known(w->in).tags, 1);
    assert_non_null(memmem(w->json.data, w->json.len, then, strlen(then)));
}

/* What happened before what is known already is told as far as it is news, and counted. */
static void test_late_changes(void **state)
{
    struct world *w = *state;
    static const char EARLIER[] =
        "{\"events\":[{\"timestamp\":\"2020-09-13T12:00:00Z\",\"action\":\"push\",\"target\":"
        "{\"mediaType\":\"" OCI "\",\"digest\":\"" OTHER "\",\"repository\":\"app\","
        "\"tag\":\"v1\"}}]}";
    struct ingest_request push = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    struct ingest_request late = request("crtopen", EARLIER);
    post(w, &push); /* its time is in the future: it counts as now */
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 0);
    assert_null(strstr(logged(w), "\"stale\":"));
    post(w, &late);
    assert_int_equal(w->answer.status, 202);
    assert_non_null(strstr(logged(w), "\"set_aside\":0,\"stale\":1,"));
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 1);
    assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED), 2); /* the image is new */
    assert_int_equal(ingest_known(w->in).images, 2);
    assert_int_equal(ingest_known(w->in).tags, 1);
    post(w, &late);
    assert_int_equal(counted(w, M_WEBHOOK_STALE), 2);
    assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_event_contents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_post_inside_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_aside_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_duplicate_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_epochs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again_after_refusal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ignored_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_letters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suspect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_notes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_letters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_changes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
