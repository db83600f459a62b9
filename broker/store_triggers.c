/* store_triggers.c - how far the events of each trigger are in batches: its mark. All are in
 * memory, sorted by id. */
#include "crash.h"
#include "mem.h"
#include "record.h"
#include "store_private.h"

#include <stdlib.h>

static size_t place_of(const struct store *s, const char *id)
{
    size_t low = 0, high = s->n_triggers;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(s->triggers[mid].id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Also one that is deleted in this transaction. */
static struct store_trigger *find_any(struct store *s, const char *id)
{
    size_t i = place_of(s, id);
    return i < s->n_triggers && strcmp(s->triggers[i].id, id) == 0 ? &s->triggers[i] : NULL;
}

struct store_trigger *store_trigger_find(struct store *s, const char *id)
{
    struct store_trigger *t = find_any(s, id);
    return t == NULL || t->gone ? NULL : t;
}

static void insert(struct store *s, const char *id, const struct store_trigger *like)
{
    size_t i = place_of(s, id);
    s->triggers = xrealloc(s->triggers, (s->n_triggers + 1) * sizeof(struct store_trigger));
    struct store_trigger *t = &s->triggers[i];
    memmove(t + 1, t, (s->n_triggers - i) * sizeof(*t));
    s->n_triggers++;
    *t = *like;
    t->id = xstrdup(id);
}

static void take_out(struct store *s, struct store_trigger *t)
{
    free(t->id);
    memmove(t, t + 1, (size_t) (s->triggers + s->n_triggers - t - 1) * sizeof(*t));
    s->n_triggers--;
}

void store_trigger_add(struct store *s, const char *id, uint64_t last_seq)
{
    struct store_trigger *t = find_any(s, id);
    s->triggers_dirty = true;
    if (t == NULL) {
        insert(s, id, &(struct store_trigger){.dirty = true, .made = true, .now = last_seq});
        return;
    }
    ASSERT(t->gone);
    t->gone = false;
    t->dirty = true;
    t->now = last_seq;
}

void store_trigger_set(struct store *s, struct store_trigger *t, uint64_t last_seq)
{
    if (last_seq <= t->now)
        return;
    t->now = last_seq;
    t->dirty = true;
    s->triggers_dirty = true;
}

int store_trigger_delete(struct store *s, const char *id)
{
    struct store_trigger *t = store_trigger_find(s, id);
    if (t == NULL)
        return 0;
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_TRIGGER_DELETE, &r);
    if (st == NULL)
        return r;
    CRASH_POINT("store.trigger.delete");
    store_bind_text(st, 1, t->id);
    r = store_run(st);
    t->gone = true;
    s->triggers_dirty = true;
    return r;
}

/* --- a start --- */

int store_triggers_load(struct store *s)
{
    sqlite3_stmt *st;
    int r = store_prepare(s->db, "SELECT id, last_seq, sum FROM triggers ORDER BY id", &st);
    if (r < 0)
        return r;
    while ((r = store_step(st)) == 1) {
        const char *id = store_column_text(st, 0);
        uint64_t last_seq = store_column(st, 1);
        if (store_column(st, 2) != record_checksum(last_seq, 0, slice_str(id)) ||
            find_any(s, id) != NULL) {
            r = -EBADMSG;
            break;
        }
        insert(s, id, &(struct store_trigger){.now = last_seq, .saved = last_seq});
    }
    (void) sqlite3_finalize(st);
    return r;
}

void store_triggers_free(struct store *s)
{
    for (size_t i = 0; i < s->n_triggers; i++)
        free(s->triggers[i].id);
    free(s->triggers);
    s->triggers = NULL;
    s->n_triggers = 0;
    s->triggers_dirty = false;
}

static bool is_named(const char *id, const char *const *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(ids[i], id) == 0)
            return true;
    }
    return false;
}

/* The rows of others would hold back events for ever, and a trigger that comes back after a long
 * time would get what was meant for it then. */
static int forget_others(struct store *s, const char *const *ids, size_t n)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->n_triggers; i++) {
        if (!is_named(s->triggers[i].id, ids, n))
            r = store_trigger_delete(s, s->triggers[i].id);
    }
    return r;
}

int store_triggers(struct store *s, const char *const *ids, size_t n, uint64_t *ret_last_seq)
{
    size_t known = 0;
    for (size_t i = 0; i < n; i++)
        known += store_trigger_find(s, ids[i]) != NULL;
    int r = 0;
    if (known < n || s->n_triggers > n) {
        r = store_begin(s);
        if (r < 0)
            return r;
        for (size_t i = 0; i < n; i++) {
            if (store_trigger_find(s, ids[i]) == NULL)
                store_trigger_add(s, ids[i], s->now.next_seq - 1);
        }
        (void) store_spoil(s, forget_others(s, ids, n)); /* the commit says it */
        CRASH_POINT("store.triggers");
        r = store_commit(s);
    }
    for (size_t i = 0; r == 0 && i < n; i++)
        ret_last_seq[i] = store_trigger_find(s, ids[i])->now;
    return r;
}

/* --- the end of a transaction --- */

int store_triggers_write(struct store *s)
{
    int r = 0;
    sqlite3_stmt *st = s->triggers_dirty ? store_sql(s, SQL_TRIGGER_PUT, &r) : NULL;
    if (st == NULL)
        return r;
    for (size_t i = 0; i < s->n_triggers && r == 0; i++) {
        const struct store_trigger *t = &s->triggers[i];
        if (!t->dirty || t->gone)
            continue;
        CRASH_POINT("store.trigger");
        store_bind_text(st, 1, t->id);
        store_bind(st, 2, t->now);
        store_bind(st, 3, record_checksum(t->now, 0, slice_str(t->id)));
        r = store_run(st);
    }
    return r;
}

void store_triggers_settle(struct store *s)
{
    for (size_t i = s->n_triggers; s->triggers_dirty && i-- > 0;) {
        struct store_trigger *t = &s->triggers[i];
        if (t->gone) {
            take_out(s, t);
            continue;
        }
        t->dirty = t->made = false;
        t->saved = t->now;
    }
    s->triggers_dirty = false;
}

void store_triggers_return(struct store *s)
{
    for (size_t i = s->n_triggers; s->triggers_dirty && i-- > 0;) {
        struct store_trigger *t = &s->triggers[i];
        if (t->made) {
            take_out(s, t);
            continue;
        }
        t->dirty = t->gone = false;
        t->now = t->saved;
    }
    s->triggers_dirty = false;
}
