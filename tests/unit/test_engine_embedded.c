/* The engine with a journal: what is called back and when, what goes with what, and what a restart
 * finds. */
#include "embedded.h"
#include "engine_embedded.h"
#include "record.h"

#include <sqlite3.h>

static const struct engine_ops *const OPS = &ENGINE_EMBEDDED;
static const char *const TRIGGERS[] = {"a1strigger0000000001", "a1strigger0000000002"};

static int setup(void **state)
{
    *state = embedded_new();
    return 0;
}

static int teardown(void **state)
{
    embedded_free(*state);
    return 0;
}

static unsigned answered;

static void on_answer(struct mail *mail)
{
    (void) mail;
    answered++;
}

/* Submits one event; it stays ours, too. */
static struct event *submit_failing(struct embedded *m, struct slice sender_ids, unsigned fail_at)
{
    static char long_name[16384]; /* more than what a buffer that is used again may have */
    memset(long_name, 'n', sizeof(long_name) - 1);
    struct event *e = embedded_event(m, fail_at > 0 ? long_name : "app");
    mem_fail_at(fail_at);
    OPS->submit(m->engine, &(struct engine_submission){.events = &e,
                                                       .n = 1,
                                                       .sender_ids = sender_ids,
                                                       .epoch = 1,
                                                       .done = embedded_on_done,
                                                       .arg = m});
    mem_fail_at(0);
    return e;
}

static struct event *submit(struct embedded *m, struct slice sender_ids)
{
    return submit_failing(m, sender_ids, 0);
}

static void broadcast(struct embedded *m, const struct event *e, size_t trigger, bool provisional)
{
    uint8_t id[ID_PACKED_SIZE];
    assert_true(id_pack(EVENT_ID_PREFIX, slice_str(e->id), id));
    const struct batch_message message = {.why = BATCH_SIZE,
                                          .json = SLICE_LIT("{}"),
                                          .n_events = 1,
                                          .first_event_id = e->id,
                                          .last_event_id = e->id,
                                          .ids = slice_of(id, sizeof(id)),
                                          .last_seq = e->seq};
    assert_int_equal(
        OPS->broadcast(m->engine,
                       &(struct engine_broadcast){.path = path_table_at(m->table, trigger),
                                                  .trigger_id = TRIGGERS[trigger],
                                                  .trigger_name = "t",
                                                  .message = &message,
                                                  .frames = SLICE_LIT("\x81\x02{}"),
                                                  .provisional = provisional}),
        0);
}

/* Nothing is answered or delivered before it is safe; then answer, event and batch in this order.
 */
static void test_order(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 2);
    assert_true(OPS->waits);
    assert_int_equal(OPS->can_submit(m->engine), 0);
    struct event *e = submit(m, (struct slice){0});
    broadcast(m, e, 0, true);
    assert_string_equal(m->said, "");
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_delivered == 1);
    assert_string_equal(m->said, "done=0 event 1 deliver / ");
    assert_int_equal(pathlog_messages(path_table_at(m->table, 0)->log), 1);
    event_unref(e);
}

static void on_settled(void *arg)
{
    ((struct embedded *) arg)->n_settled++;
}

/* No memory to take a webhook: nothing of it gets anywhere, what is batched of it neither. */
static void test_submit_without_memory(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 2);
    struct event *first = submit(m, (struct slice){0});
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_done == 1);
    struct event *second = submit_failing(m, (struct slice){0}, 1);
    assert_string_equal(m->said, "done=0 event 1 done=-12 ");
    broadcast(m, second, 0, true);
    struct event *third = submit(m, (struct slice){0});
    broadcast(m, third, 0, true);
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_done == 3 && m->n_delivered > 0);
    assert_string_equal(m->said, "done=0 event 1 done=-12 done=0 event 2 deliver / ");
    event_unref(first);
    event_unref(second);
    event_unref(third);
}

static void test_settle(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 2);
    struct event *e = submit(m, (struct slice){0});
    broadcast(m, e, 1, true);
    OPS->settle(m->engine, on_settled, m);
    EMBEDDED_UNTIL(m, m->n_settled == 1);
    assert_string_equal(m->said, "done=0 event 1 deliver /builds ");
    event_unref(e);
}

/* Nothing to keep and nothing under way: no commit for it. */
static void test_empty_submission(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 2);
    const struct engine_submission nothing = {.epoch = 1, .done = embedded_on_done, .arg = m};
    OPS->submit(m->engine, &nothing);
    assert_string_equal(m->said, "done=0 ");
    struct event *e = submit(m, (struct slice){0});
    OPS->submit(m->engine, &nothing); /* but it waits for what it may depend on */
    assert_int_equal(m->n_done, 1);
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_done == 3);
    event_unref(e);
}

/* A restart batches, per trigger, what is in no batch of it; and nothing else. */
static void test_backlog(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 2);
    struct event *events[3];
    for (size_t i = 0; i < 3; i++)
        events[i] = submit(m, (struct slice){0});
    broadcast(m, events[0], 0, true); /* the first trigger has had one, the second none */
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_done == 3 && m->n_delivered == 1);
    uint64_t position = m->last_position;
    for (size_t i = 0; i < 3; i++)
        event_unref(events[i]);
    embedded_shut(m);

    embedded_open_(m, TRIGGERS, 2);
    assert_string_equal(m->said, "again 1 again 2 again 3 ");
    assert_int_equal(m->old_seq[0], 1);
    assert_int_equal(m->old_seq[1], 0);
    struct path *p = path_table_at(m->table, 0);
    assert_true(pathlog_tail(p->log) > position); /* the path goes on, at a new segment */
    assert_int_equal(pathlog_tail(p->log) % (1ull << pathlog_span_bits(p->log)), 0);
    OPS->batched(m->engine, 3); /* say that the pipeline has batched them */
    embedded_shut(m);

    embedded_open_(m, TRIGGERS, 2);
    assert_string_equal(m->said, "");
    assert_int_equal(m->old_seq[0], 3);
    assert_int_equal(m->old_seq[1], 3);
}

/* Events whose batches go with them are not written themselves; numbers and ids go on above them
 * all the same. */
static void test_batched_events(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 1);
    struct event *e = embedded_event(m, "app");
    OPS->submit(m->engine, &(struct engine_submission){.events = &e,
                                                       .n = 1,
                                                       .batched = true,
                                                       .sender_ids = SLICE_LIT(EMBEDDED_SENDER),
                                                       .epoch = 1,
                                                       .done = embedded_on_done,
                                                       .arg = m});
    broadcast(m, e, 0, true);
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_delivered == 1);
    assert_string_equal(m->said, "done=0 event 1 deliver / ");
    embedded_shut(m);

    embedded_open_(m, TRIGGERS, 2); /* one of them is new */
    assert_string_equal(m->said, "");
    assert_int_equal(m->old_seq[0], 1);
    assert_int_equal(m->old_seq[1], 1);
    struct event *next = submit(m, (struct slice){0});
    assert_int_equal(next->seq, 2);
    assert_true(strcmp(e->id, next->id) < 0);
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_done == 1);
    event_unref(e);
    event_unref(next);
    embedded_shut(m);
    embedded_open_(m, TRIGGERS, 2);
    assert_string_equal(m->said, "again 2 ");
}

/* A reader finds damage: nothing is acknowledged any more, and the next start looks at all of it.
 */
static void test_damage_found_by_reader(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 1);
    struct event *e = submit(m, (struct slice){0});
    broadcast(m, e, 0, true);
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_delivered == 1);
    event_unref(e);
    embedded_shut(m);

    char file[128];
    sqlite3 *db;
    (void) snprintf(file, sizeof(file), "%s/journal.db", m->dir);
    embedded_open_(m, TRIGGERS, 1);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(db, EMBEDDED_DEADLINE_MS), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE batches SET frames = x'8102ffff'", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    struct path *p = path_table_at(m->table, 0);
    struct history_request q = {.kind = HISTORY_LOAD,
                                .answer_to = &m->mailbox,
                                .mail.run = on_answer,
                                .path = p,
                                .upto = pathlog_tail(p->log)};
    answered = 0;
    history_ask(OPS->history(m->engine), &q);
    EMBEDDED_UNTIL(m, answered == 1);
    assert_int_equal(q.err, -EBADMSG);
    assert_int_equal(OPS->can_submit(m->engine), 0);
    OPS->batched(m->engine, 1); /* the pipeline calls it every second */
    EMBEDDED_UNTIL(m, m->failed != 0);
    assert_int_equal(m->failed, -EBADMSG);
    assert_int_equal(OPS->can_submit(m->engine), -EIO);
    embedded_shut(m);
    (void) snprintf(file, sizeof(file), "%s/check", m->dir);
    assert_int_equal(access(file, F_OK), 0);
}

/* --- a copy --- */

static int find(struct embedded *m, const char *since, uint64_t *ret_position)
{
    struct history_request q = {.kind = HISTORY_FIND,
                                .answer_to = &m->mailbox,
                                .mail.run = on_answer,
                                .path = path_table_at(m->table, 0)};
    memcpy(q.since, since, ID_SIZE);
    answered = 0;
    history_ask(OPS->history(m->engine), &q);
    EMBEDDED_UNTIL(m, answered == 1);
    *ret_position = q.position;
    return q.err;
}

/* Batches of triggers that it does not know, a history that begins anew between them, and nothing
 * of it at the next start. */
static void test_copy(void **state)
{
    struct embedded *m = *state;
    static const uint8_t NO_FLOOR[ID_PACKED_SIZE];
    char dir[sizeof(m->dir) + 8], file[sizeof(dir) + 16];
    uint8_t floor[ID_PACKED_SIZE];
    uint64_t position;
    (void) snprintf(dir, sizeof(dir), "%s/cache", m->dir);
    m->copy_dir = dir;
    embedded_open_(m, NULL, 0);
    struct event *first = embedded_event(m, "app"), *second = embedded_event(m, "app");
    first->seq = 7001;
    second->seq = 7002;
    engine_embedded_cut(m->engine, path_table_at(m->table, 0), NO_FLOOR, embedded_on_done, m);
    broadcast(m, first, 0, false);
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_delivered == 1);
    assert_int_equal(find(m, first->id, &position), 0);
    assert_int_equal(position, pathlog_tail(path_table_at(m->table, 0)->log));

    assert_true(id_pack(EVENT_ID_PREFIX, slice_str(first->id), floor));
    engine_embedded_cut(m->engine, path_table_at(m->table, 0), floor, embedded_on_done, m);
    broadcast(m, second, 0, false);
    OPS->settle(m->engine, on_settled, m);
    EMBEDDED_UNTIL(m, m->n_settled == 1);
    assert_string_equal(m->said, "done=0 deliver / done=0 deliver / ");
    assert_int_equal(pathlog_messages(path_table_at(m->table, 0)->log), 1);
    assert_int_equal(find(m, first->id, &position), -ENOENT);
    assert_int_equal(find(m, second->id, &position), 0);

    uint64_t messages[2], bytes[2];
    struct engine_stats stats = {
        .history_messages = messages, .history_bytes = bytes, .n_paths = 2};
    OPS->stats(m->engine, &stats);
    assert_int_equal(messages[0], 1);
    embedded_shut(m);

    static const char *const NOT_THERE[] = {"ballast", "commits", "trial"};
    for (size_t i = 0; i < ARRAY_LEN(NOT_THERE); i++) {
        (void) snprintf(file, sizeof(file), "%s/%s", dir, NOT_THERE[i]);
        assert_int_equal(access(file, F_OK), -1);
    }
    (void) snprintf(file, sizeof(file), "%s/check", dir);
    FILE *mark = fopen(file, "w"); /* as if the last run had failed */
    assert_non_null(mark);
    assert_int_equal(fclose(mark), 0);
    embedded_open_(m, NULL, 0);
    assert_int_equal(access(file, F_OK), -1);
    OPS->stats(m->engine, &stats);
    assert_int_equal(messages[0], 0);
    assert_int_equal(find(m, second->id, &position), -ENOENT);
    event_unref(first);
    event_unref(second);
}

/* --- changes --- */

static void on_record(void *ctx, const struct engine_record *rec)
{
    embedded_say(ctx, "%d %s=%.*s ", (int) rec->kind, rec->id, (int) rec->value.len,
                 (const char *) rec->value.data);
}

static void on_change(void *arg, int err)
{
    embedded_say(arg, "change=%d ", err);
    ((struct embedded *) arg)->n_settled++;
}

/* The caller's memory is gone when it returns. */
static void change(struct embedded *m, const char *id, const char *value, const char *trigger_id,
                   uint64_t batched_seq)
{
    char *name = xstrdup(id), *text = xstrdup(value), *trigger = xstrdup(trigger_id);
    const struct engine_record records[] = {{ENGINE_TRIGGER, name, slice_str(text)},
                                            {ENGINE_OPERATION, "o1", SLICE_LIT("done")}};
    OPS->change(m->engine, &(struct engine_change){.records = records,
                                                   .n = 2,
                                                   .trigger_id = trigger,
                                                   .batched_seq = batched_seq,
                                                   .done = on_change,
                                                   .arg = m});
    memset(name, 'x', strlen(name));
    if (text != NULL)
        memset(text, 'x', strlen(text));
    if (trigger != NULL)
        memset(trigger, 'x', strlen(trigger));
    free(name);
    free(text);
    free(trigger);
}

/* In order with webhooks and batches, and kept. */
static void test_change(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 1);
    assert_int_equal(OPS->submitted_seq(m->engine), 0);
    struct event *first = submit(m, (struct slice){0});
    broadcast(m, first, 0, true);
    change(m, TRIGGERS[1], "spec", TRIGGERS[1], 1);
    struct event *second = submit(m, (struct slice){0});
    assert_int_equal(OPS->submitted_seq(m->engine), 2);
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_done == 2);
    assert_string_equal(m->said, "done=0 event 1 deliver / change=0 done=0 event 2 ");
    event_unref(first);
    event_unref(second);
    embedded_shut(m);

    embedded_open_with(m, TRIGGERS, 2, on_record);
    assert_string_equal(m->said, "1 a1strigger0000000002=spec 2 o1=done again 2 ");
    assert_int_equal(m->old_seq[1], 1);
    change(m, TRIGGERS[1], NULL, NULL, 0); /* it goes, and its mark */
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_settled == 2);
    embedded_shut(m);
    embedded_open_with(m, TRIGGERS, 2, on_record);
    assert_int_equal(OPS->submitted_seq(m->engine), 2);
    assert_int_equal(m->old_seq[1], 2); /* new again */
}

static void test_change_without_memory(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 1);
    for (unsigned i = 0; i < 300; i++) /* no buffer is at hand any more */
        change(m, TRIGGERS[0], "spec", NULL, 0);
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_settled == 300);
    m->said[0] = '\0';
    static char long_spec[16384];
    memset(long_spec, 's', sizeof(long_spec) - 1);
    const struct engine_record rec = {ENGINE_TRIGGER, TRIGGERS[0], slice_str(long_spec)};
    mem_fail_at(1);
    OPS->change(m->engine,
                &(struct engine_change){.records = &rec, .n = 1, .done = on_change, .arg = m});
    mem_fail_at(0);
    assert_string_equal(m->said, "change=-12 ");
}

static void test_change_after_the_end(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 1);
    change(m, TRIGGERS[0], "spec", NULL, 0);
    OPS->stop(m->engine); /* it is committed, and said when the mailbox runs */
    change(m, TRIGGERS[0], "late", NULL, 0);
    assert_string_equal(m->said, "change=-5 ");
    EMBEDDED_UNTIL(m, m->n_settled == 2);
    assert_string_equal(m->said, "change=-5 change=0 ");
}

/* A trigger that is new sees nothing old; one that was away has forgotten where it was. */
static void test_triggers_change(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 1);
    struct event *e = submit(m, (struct slice){0});
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_done == 1);
    event_unref(e);
    embedded_shut(m);

    embedded_open_(m, TRIGGERS + 1, 1);
    assert_string_equal(m->said, "");
    assert_int_equal(m->old_seq[0], 1);
    embedded_shut(m);

    embedded_open_(m, TRIGGERS, 2);
    assert_string_equal(m->said, "");
}

/* What ingest keeps in memory comes back: sender ids, the catalog, where event ids were. */
static void test_load(void **state)
{
    struct embedded *m = *state;
    struct seen_key key;
    struct buf notes;
    buf_init(&notes, 4096);
    embedded_open_(m, TRIGGERS, 2);
    const struct catalog_note image = {.kind = NOTE_IMAGE,
                                       .id = 1,
                                       .registry_id = "crtregistry",
                                       .repository = "app",
                                       .digest = "sha256:00"};
    const struct catalog_note tag = {.kind = NOTE_TAG, .id = 2, .image_id = 1, .name = "v1"};
    assert_int_equal(record_put_note(&notes, &image), 0);
    const struct catalog_note gone = {
        NOTE_TOMBSTONE, 3, 0, "crtregistry", "app", "sha256:01", "", 7, 5, false};
    assert_int_equal(record_put_note(&notes, &tag), 0);
    assert_int_equal(record_put_note(&notes, &gone), 0);
    struct event *e = embedded_event(m, "app");
    OPS->submit(m->engine, &(struct engine_submission){.events = &e,
                                                       .n = 1,
                                                       .sender_ids = SLICE_LIT(EMBEDDED_SENDER),
                                                       .notes = buf_slice(&notes),
                                                       .epoch = 1,
                                                       .done = embedded_on_done,
                                                       .arg = m});
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, m->n_done == 1);
    buf_fini(&notes);
    embedded_shut(m);

    embedded_open_(m, TRIGGERS, 2);
    assert_int_equal(catalog_images(m->catalog), 1);
    assert_int_equal(catalog_tags(m->catalog), 1);
    assert_int_equal(catalog_tombstones(m->catalog), 1);
    memcpy(key.bytes, EMBEDDED_SENDER, sizeof(key.bytes));
    assert_false(seen_add(m->known, &key, OPS->now_ms(m->engine)));
    char id[ID_SIZE];
    id_event(&m->ids, 0, id); /* whatever the wall clock says now */
    assert_true(strcmp(e->id, id) < 0);
    event_unref(e);
}

/* An event no trigger can send is a letter, with the event in it. */
static void test_set_aside(void **state)
{
    struct embedded *m = *state;
    struct engine_stats stats = {0};
    const struct metrics *all[] = {&m->metrics};
    embedded_open_(m, TRIGGERS, 2);
    struct event *e = submit(m, (struct slice){0});
    OPS->set_aside(m->engine, e, "too long", true);
    OPS->flush(m->engine);
    EMBEDDED_UNTIL(m, metrics_get(all, 1, M_DEAD_LETTERS) == 1);
    OPS->stats(m->engine, &stats);
    assert_int_equal(stats.dead_letters, 1);
    assert_int_equal(stats.state, 1);
    event_unref(e);
}

static void test_in_use(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 2);
    const struct engine_options options = {
        .cfg = &m->cfg, .paths = m->table, .metrics = &m->metrics, .mailbox = &m->mailbox};
    struct engine *second;
    assert_int_equal(OPS->open(&options, &second), -EALREADY);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_order),
        WITH(test_settle),
        WITH(test_empty_submission),
        WITH(test_backlog),
        WITH(test_change),
        WITH(test_change_without_memory),
        WITH(test_change_after_the_end),
        WITH(test_triggers_change),
        WITH(test_load),
        WITH(test_submit_without_memory),
        WITH(test_set_aside),
        WITH(test_batched_events),
        WITH(test_damage_found_by_reader),
        WITH(test_in_use),
        WITH(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
