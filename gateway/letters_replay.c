/* letters_replay.c - the command --replay-dead-letters: what was set aside goes on its way again.
 *
 * Two ways, since letters are of two kinds. What nobody understood goes through the ingest like any
 * webhook, on a pipeline of its own (letters_post.c), first, so that an accepted event is still
 * without a batch when this ends. An accepted event is stored anew, as if it had just been
 * accepted: under the next number and a new event id, since clients resume by ids, which must
 * follow the order of batches. */
#include "letters.h"

#include "clock.h"
#include "letter_again.h"
#include "letters_post.h"
#include "letters_round.h"
#include "mem.h"
#include "offline.h"
#include "record.h"

#include <inttypes.h>
#include <stdlib.h>

struct replay {
    const struct config *cfg;
    struct store *store;
    struct id_gen ids;
    uint64_t next_seq;
    uint64_t n_done, n_left;
};

/* --- events --- */

/* Packs the event of a letter anew. -EBADMSG: it cannot be read. */
static int renew(struct replay *rp, const struct letter *l, char id[ID_SIZE], struct buf *out)
{
    struct event *e = NULL, *renewed = NULL;
    struct slice rest = slice_of(l->body, l->len);
    int r = record_next_event(&rest, &e);
    if (r < 0)
        return r;
    id_event(&rp->ids, clock_wall_ms(), id);
    renewed = letter_again_event(e, id);
    r = renewed == NULL ? -EBADMSG : record_put_event(out, renewed);
    event_unref(renewed);
    event_unref(e);
    return r;
}

/* In a transaction: one event in, its letter out. */
static int put(struct replay *rp, const struct letter *l, uint64_t *seq)
{
    char id[ID_SIZE];
    struct buf packed;
    buf_init(&packed, LETTERS_ROUND_BYTES);
    int r = renew(rp, l, id, &packed);
    if (r == -EBADMSG) {
        offline_say("letter %" PRIu64 ": the event cannot be read; it stays", l->id);
        buf_fini(&packed);
        return 1;
    }
    const struct store_webhook w = {
        .first_seq = *seq, .n_events = 1, .last_event_id = id, .events = buf_slice(&packed)};
    if (r == 0)
        r = store_put_webhook(rp->store, &w);
    if (r == 0)
        r = store_delete_letter(rp->store, l->id);
    if (r == 0)
        (*seq)++;
    buf_fini(&packed);
    return r;
}

static int put_round(struct replay *rp, const struct letters_round *round)
{
    uint64_t seq = rp->next_seq, left = 0;
    int r = store_begin(rp->store);
    if (r < 0)
        return r;
    for (size_t i = 0; r >= 0 && i < round->n; i++) {
        r = put(rp, &round->letters[i], &seq);
        left += r > 0 ? 1 : 0;
    }
    if (r < 0) {
        store_rollback(rp->store);
        return r;
    }
    r = store_commit(rp->store);
    if (r < 0)
        return r;
    rp->n_done += seq - rp->next_seq;
    rp->n_left += left;
    rp->next_seq = seq;
    return 0;
}

static int replay_events(struct replay *rp, uint64_t only)
{
    struct letters_round round;
    char last[ID_SIZE];
    int r;
    letters_round_init(&round, true, only, UINT64_MAX);
    store_last_event_id(rp->store, last);
    (void) id_gen_resume(&rp->ids, slice_str(last)); /* "" or malformed: from the clock */
    rp->next_seq = store_next_seq(rp->store);
    do {
        letters_round_next(&round);
        r = store_load_letters(rp->store, letters_round_add, &round);
        if (r == -ECANCELED || r == 0)
            r = round.n == 0 ? 0 : put_round(rp, &round);
    } while (r == 0 && round.n > 0);
    letters_round_fini(&round);
    return r;
}

/* --- the command --- */

struct finding {
    uint64_t id;
    bool found;
    uint64_t n_events, n_unread;
    uint64_t last; /* id */
};

static int find(void *ctx, const struct store_letter *l)
{
    struct finding *f = ctx;
    f->last = l->id;
    if (f->id != 0 && l->id != f->id)
        return 0;
    f->found = true;
    *(l->event_seq != 0 ? &f->n_events : &f->n_unread) += 1;
    return 0;
}

/* "all" is 0; false: neither that nor a number. */
static bool parse_id(const char *text, uint64_t *ret)
{
    if (strcmp(text, "all") == 0) {
        *ret = 0;
        return true;
    }
    char *end;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0')
        return false;
    *ret = strtoull(text, &end, 10);
    return *ret > 0;
}

/* Looks what there is to do, and does the part that needs the store alone. */
static int replay_from_store(struct replay *rp, uint64_t only, struct finding *f, bool events)
{
    int code = offline_open(rp->cfg, &rp->store);
    if (code != 0)
        return code;
    int r = store_load_letters(rp->store, find, f);
    if (r == 0 && events)
        r = replay_events(rp, only);
    if (r < 0)
        code = offline_failed(rp->cfg, "dead letters cannot be replayed", r);
    store_close(rp->store);
    rp->store = NULL;
    return code;
}

int letters_replay(const struct config *cfg, const char *id)
{
    struct replay rp = {.cfg = cfg};
    struct finding f = {0}, again = {0};
    if (!parse_id(id, &f.id)) {
        offline_say("--replay-dead-letters: expected the number of a letter or 'all', got '%s'",
                    id);
        return EXIT_ASKED_WRONG;
    }
    again.id = f.id;
    int code = replay_from_store(&rp, f.id, &f, false);
    if (code == 0 && f.id != 0 && !f.found) {
        offline_say("there is no dead letter %" PRIu64, f.id);
        return EXIT_LEFT_OVER;
    }
    if (code == 0 && f.n_unread > 0)
        code = letters_post(cfg, f.id, f.last, &rp.n_done, &rp.n_left);
    if (code == 0 && f.n_events > 0)
        code = replay_from_store(&rp, f.id, &again, true);
    if (code != 0)
        return code;
    offline_say("%" PRIu64 " replayed, %" PRIu64 " left", rp.n_done, rp.n_left);
    return rp.n_left > 0 ? EXIT_LEFT_OVER : 0;
}
