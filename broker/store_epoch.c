/* store_epoch.c - noticing that the end of the journal is lost. SQLite takes a WAL that was cut or
 * damaged for one that ends there, and goes on at an earlier commit without a word; a client whose
 * last event came after it would go live over a gap. So commits are counted, in the database and,
 * once they are there, in a mapped page beside it. When the page has seen more than the database
 * holds, a new epoch begins: ids given out so far are gone.
 *
 * A kill keeps the page. After a power cut it is older, never newer, since it is written when the
 * commit has been synced: what it says too little of is not noticed, but there is no false alarm.
 */
#include "clock.h"
#include "crash.h"
#include "page.h"
#include "record.h"
#include "siphash.h"
#include "store_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME "commits"
#define MAGIC     0x3174696d6d6f6372u /* "rcommit1" */
#define META_KEY  "commits"
#define SEQ_STEP  1000000 /* of event numbers: the page may be some commits late */

/* What the store had come to with a commit. */
struct mark {
    uint64_t magic, instance, commits, positions, next_seq;
    char last_event_id[ID_SIZE + 3];
    uint64_t sum;
};
_Static_assert(sizeof(struct mark) == 72, "it is a file format");

/* Written in turn, so that one is whole at any moment; in sectors of their own. */
union slot {
    struct mark mark;
    uint8_t sector[512];
};
struct store_page {
    union slot slots[2];
};
_Static_assert(sizeof(struct store_page) <= PAGE_BYTES, "it is in one page");

static uint64_t sum_of(const struct mark *m)
{
    return record_checksum(0, 0, slice_of((const uint8_t *) m, offsetof(struct mark, sum)));
}

static bool is_whole(const struct mark *m)
{
    uint8_t packed[ID_PACKED_SIZE];
    return m->magic == MAGIC && m->sum == sum_of(m) && m->commits > 0 && m->next_seq > 0 &&
           m->last_event_id[ID_LEN] == '\0' &&
           id_pack(EVENT_ID_PREFIX, slice_str(m->last_event_id), packed);
}

static bool page_find(const struct store_page *page, struct mark *ret)
{
    bool found = false;
    for (size_t i = 0; page != NULL && i < ARRAY_LEN(page->slots); i++) {
        struct mark m = page->slots[i].mark;
        if (!is_whole(&m) || (found && m.commits <= ret->commits))
            continue;
        *ret = m;
        found = true;
    }
    return found;
}

/* --- in a run --- */

int store_epoch_write(struct store *s)
{
    char text[STORE_META_MAX];
    if (s->instance == 0)
        s->instance = siphash_random_seed().k0 | 1;
    s->now.commits++;
    (void) snprintf(text, sizeof(text), "%016" PRIx64 " %" PRIu64 " %" PRIu64, s->instance,
                    s->now.commits, s->now.positions);
    return store_meta_put(s, META_KEY, text);
}

void store_epoch_note(struct store *s)
{
    if (!s->watching)
        return;
    struct mark m = {
        .magic = MAGIC,
        .instance = s->instance,
        .commits = s->now.commits,
        .positions = s->now.positions,
        .next_seq = s->now.next_seq,
    };
    memcpy(m.last_event_id, s->now.last_event_id, ID_SIZE);
    m.sum = sum_of(&m);
    s->page->slots[m.commits % ARRAY_LEN(s->page->slots)].mark = m;
}

/* --- a start --- */

int store_epoch_open(struct store *s)
{
    void *page;
    if (s->page != NULL)
        return 0;
    int r = page_open(s->options.dir, FILE_NAME, &page);
    if (r == 0)
        s->page = page;
    return r;
}

void store_epoch_close(struct store *s)
{
    page_close(s->page);
    s->page = NULL;
    s->watching = false;
}

/* A number with `after` behind it; *at moves past both. */
static bool take_number(const char **at, int base, char after, uint64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoull(*at, &end, base);
    bool good = end != *at && errno == 0 && *end == after;
    *at = end + 1;
    return good;
}

int store_epoch_load(struct store *s)
{
    char text[STORE_META_MAX];
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_META_GET, &r);
    if (st == NULL)
        return r;
    r = store_meta_get(st, META_KEY, text);
    if (r < 0)
        return r == -ENOENT ? 0 : r; /* written before there was a count: it begins now */
    const char *at = text;
    bool good = take_number(&at, 16, ' ', &s->instance) && s->instance != 0 &&
                take_number(&at, 10, ' ', &s->now.commits) &&
                take_number(&at, 10, '\0', &s->now.positions);
    return good ? 0 : -EBADMSG;
}

void store_epoch_id(const struct store *s, struct id_gen *gen, char ret[ID_SIZE])
{
    struct mark seen;
    bool late = page_find(s->page, &seen) && (s->now.last_event_id[0] == '\0' ||
                                              strcmp(seen.last_event_id, s->now.last_event_id) > 0);
    const char *last = late ? seen.last_event_id : s->now.last_event_id;
    if (!id_gen_resume(gen, slice_str(last)))
        *gen = (struct id_gen){.last_ms = 0};
    id_event(gen, clock_wall_ms(), ret);
}

/* What is kept stays for who asks for the earliest; nobody's id leads there. */
static int give_up_ids(struct store *s, uint64_t positions)
{
    uint8_t last[ID_PACKED_SIZE];
    if (!id_pack(EVENT_ID_PREFIX, slice_str(s->now.last_event_id), last))
        return -EBADMSG;
    for (size_t i = 0; i < s->n_paths; i++) {
        struct store_path *p = s->paths[i];
        store_path_touch(s, p);
        if (positions <= STORE_MAX_POSITION - p->now.place.tail) {
            p->now.place.tail += positions;
            segment_place_skip(p->span_bits, &p->now.place);
        }
        CRASH_POINT("store.epoch.path");
        int r = store_path_write_gone(s, p->id, slice_of(last, sizeof(last)), slice_of(NULL, 0));
        if (r < 0)
            return r;
    }
    return 0;
}

/* Numbers, ids and positions of what was lost are not given out again. */
static int begin_epoch(struct store *s, const struct mark *seen)
{
    struct id_gen gen = {0};
    char id[ID_SIZE];
    store_epoch_id(s, &gen, id);
    int r = store_begin(s);
    if (r < 0)
        return r;
    uint64_t positions =
        seen->positions > s->now.positions ? seen->positions - s->now.positions : 0;
    memcpy(s->now.last_event_id, id, ID_SIZE);
    if (seen->next_seq > s->now.next_seq)
        s->now.next_seq = seen->next_seq;
    s->now.next_seq += SEQ_STEP;
    s->now.commits = seen->commits; /* this one is above: were it lost too, that would be noticed */
    s->now.positions += positions;
    store_touch(s);
    (void) store_spoil(s, give_up_ids(s, positions));
    return store_commit(s); /* says what went wrong */
}

int store_epoch_start(struct store *s, struct store_opened *opened)
{
    struct mark seen;
    bool found = page_find(s->page, &seen), mine = found && seen.instance == s->instance;
    int r = 0;
    if (mine && seen.commits > s->now.commits) {
        opened->lost_commits = seen.commits - s->now.commits;
        r = begin_epoch(s, &seen);
    } else if (found && !mine && s->born && opened->quarantine[0] == '\0') {
        opened->lost_commits = seen.commits; /* all of them; its birth is the new epoch */
    }
    if (r < 0 || s->page == NULL)
        return r;
    if (!mine)
        memset(s->page, 0, sizeof(*s->page));
    s->watching = true; /* until now the page told of the last run */
    if (s->now.commits > 0)
        store_epoch_note(s);
    return 0;
}
