/* store.h - the SQLite file of the embedded engine: events, batches per path (history), the
 * catalog, senders' event ids, dead letters, triggers and operations. Synchronous and without
 * threads of its own: a `struct store` (the only connection that writes and checkpoints) belongs to
 * the thread that opened it until it is handed to the journal thread; a `struct store_reader` to
 * the history thread.
 *
 * Errors: -ENOSPC (disk full: rolled back, works again after space), -EBUSY (another process holds
 * the lock longer than the busy time), -EIO (a failed write or sync: nothing may be acknowledged
 * any more), -EBADMSG (damaged), -ENOTSUP (a newer schema), -EALREADY (the directory is in use),
 * -ENOMEM, or the errno of making files.
 *
 * Time is the store's own: milliseconds that only go on while the machine does (CLOCK_BOOTTIME, and
 * over a reboot the wall clock's difference when it is positive), so a step of the wall clock
 * deletes nothing early. */
#ifndef BROKER_STORE_H
#define BROKER_STORE_H

#include "err.h"
#include "id.h"
#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_SENDER_ID_SIZE 16 /* a sender's event id is kept as a hash */

struct store;

struct store_options {
    const char *dir; /* made with mode 0700 when it is not there; files are 0600 */
    const char *vfs; /* NULL: the system's; tests bring their own */
    bool no_sync;    /* tests: synchronous=OFF, the negative control of the power cuts */
    bool copy; /* of what is safe elsewhere: emptied when opened, not synced, and nobody notices
                  when its end is lost */
    uint64_t busy_timeout_ms;  /* how long another process's lock is waited for */
    uint64_t ballast_bytes;    /* a file given up when the disk is full; 0: none */
    uint64_t max_dead_letters; /* the oldest go first */
};

/* What opening found. */
struct store_opened {
    bool made;            /* no store was there */
    bool checked;         /* the last run ended in a failure: the whole file was checked */
    char quarantine[256]; /* "" or where a damaged store was moved to; the store is new then */
    /* The last so many commits are not there any more, though they were durable: a new epoch has
     * begun, every id given out before is gone. */
    uint64_t lost_commits;
    int unwatched; /* 0, or why the next start would not notice such a loss */
};

/* Takes the directory's lock (flock on "lock", holding our pid), opens or makes the file,
 * migrates an older schema in one transaction, and checks: all of it after a run that ended with
 * store_mark_failed(), otherwise for half a second at most. A damaged file is renamed aside and a
 * new one begun; one whose last commits are lost begins a new epoch. -EALREADY: *ret_pid is the
 * process that has it. */
MUST_CHECK int store_open(const struct store_options *options, struct store **ret,
                          struct store_opened *ret_opened, int64_t *ret_pid);
/* Checkpoints, closes, gives up the lock. NULL is fine. */
void store_close(struct store *s);
/* After -EIO or -EBADMSG: notes beside the database that the next start must check all of it. */
void store_mark_failed(struct store *s);
uint64_t store_now_ms(const struct store *s); /* the store's clock */
int store_errno(const struct store *s);       /* SQLite's extended code of the last error */

/* --- paths --- */

struct store_limits {
    uint64_t max_count, max_bytes, max_age_ms;
    uint64_t count_grace_ms; /* max_count deletes nothing younger */
};

struct store_path_state {
    uint64_t oldest; /* the end of the newest batch deleted, or where the path began */
    uint64_t tail;   /* the position after the newest batch */
    uint64_t count, bytes;
};

/* Registers a path of the configuration, before anything else is done with it; `index` is the
 * number it has from here on (path->index). Its positions go on at the next segment. A span other
 * than the one its batches were placed with renumbers them. In a transaction of its own, or as part
 * of the caller's, which an error has rolled back. */
MUST_CHECK int store_path(struct store *s, uint32_t index, const char *name, unsigned span_bits,
                          const struct store_limits *limits);
/* Other limits for a path that is registered, from the next store_retire() on. */
void store_path_limit(struct store *s, uint32_t index, const struct store_limits *limits);
void store_path_state(const struct store *s, uint32_t index, struct store_path_state *ret);

/* --- what a start needs; before the first store_begin() --- */

uint64_t store_next_seq(const struct store *s); /* above the number of every event stored */
/* The highest event id ever stored, or made when the store was: new ids are above it. */
void store_last_event_id(const struct store *s, char ret[ID_SIZE]);

struct store_image {
    uint64_t id;
    const char *registry_id, *repository, *digest;
    uint64_t at_ns; /* catalog_note.at_ns; 0: nobody knows */
};
struct store_tag {
    uint64_t id, image_id;
    const char *name;
    uint64_t at_ns; /* the same */
};
/* What is not in the catalog any more, for changes that come late; catalog.h. */
struct store_tombstone {
    uint64_t id;
    const char *registry_id, *repository, *tag, *digest;
    bool pushed;
    uint64_t at_ns, made_ms;
};
/* Images in the order of their ids, then tags in the order of theirs. */
MUST_CHECK int store_load_catalog(struct store *s,
                                  void (*image)(void *, const struct store_image *),
                                  void (*tag)(void *, const struct store_tag *), void *ctx);
/* In the order of their ids. */
MUST_CHECK int store_load_tombstones(struct store *s,
                                     void (*one)(void *, const struct store_tombstone *),
                                     void *ctx);
/* Sender ids of webhooks, oldest first: `ids` is STORE_SENDER_ID_SIZE bytes each. */
MUST_CHECK int store_load_sender_ids(struct store *s,
                                     void (*ids)(void *, uint64_t at_ms, struct slice ids),
                                     void *ctx);
/* What is kept by name, small: its meaning is its owner's. Ids of operations sort by their age. */
enum store_record_kind {
    STORE_TRIGGER = 1,
    STORE_OPERATION = 2,
    STORE_REVOCATION = 3,
    STORE_LOOKUP = 4
};
struct store_record {
    enum store_record_kind kind;
    const char *id;
    struct slice value; /* never empty */
};
/* By kind, and then by id. */
MUST_CHECK int store_load_records(struct store *s, void (*one)(void *, const struct store_record *),
                                  void *ctx);
/* All triggers there are: of each the number of the last event that its batches cover, durably. New
 * ones are entered as if their batches covered everything so far, those that are not named are
 * forgotten. */
MUST_CHECK int store_triggers(struct store *s, const char *const *ids, size_t n,
                              uint64_t *ret_last_seq);
/* Stored events with numbers above `after`, by webhook: `events` as record.h packs them, the first
 * of them has the number `first_seq`. A negative value of `webhook` ends the walk and is returned.
 */
MUST_CHECK int store_load_events(struct store *s, uint64_t after,
                                 int (*webhook)(void *, uint64_t first_seq, uint32_t n,
                                                struct slice events),
                                 void *ctx);
/* Counts one more attempt at what the process died over (trial.h), durably; returns how many there
 * were by now, or a negative error. */
enum store_attempt { STORE_ATTEMPT_WEBHOOK, STORE_ATTEMPT_EVENT };
MUST_CHECK int store_count_attempt(struct store *s, enum store_attempt kind, uint64_t key);
MUST_CHECK int store_load_attempts(struct store *s, enum store_attempt kind,
                                   void (*one)(void *, uint64_t key, unsigned attempts), void *ctx);

/* --- one transaction: begin, any number of puts, commit --- */

MUST_CHECK int store_begin(struct store *s);
/* Durable when it returns 0. On an error everything since store_begin() is undone. */
MUST_CHECK int store_commit(struct store *s);
void store_rollback(struct store *s);
/* Makes the transaction one that writes, whatever else is in it: whether there is room again. */
void store_touch(struct store *s);

struct store_webhook {
    uint64_t first_seq;                 /* of its events, which are numbered one after the other */
    uint32_t n_events;                  /* may be 0 */
    const char *last_event_id;          /* of the last of them; NULL when there is none */
    struct slice events;                /* as record.h packs them */
    struct slice sender_ids;            /* STORE_SENDER_ID_SIZE bytes each */
    struct slice notes;                 /* catalog changes as record.h packs them */
    struct slice letters;               /* dead letters as record.h packs them */
    const struct store_record *records; /* with an empty value: it goes */
    size_t n_records;
    uint64_t letter; /* a dead letter that goes; 0: none */
};
MUST_CHECK int store_put_webhook(struct store *s, const struct store_webhook *w);

struct store_batch {
    uint32_t path;          /* index */
    const char *trigger_id; /* one without a mark was deleted */
    uint64_t last_seq;      /* the trigger's events up to this number are in batches now */
    struct slice ids;       /* of its events in order, ID_PACKED_SIZE bytes each */
    struct slice frames;    /* the encoded message */
};
/* Places the batch on its path; *ret_position as segment_place() reckons. */
MUST_CHECK int store_put_batch(struct store *s, const struct store_batch *b,
                               uint64_t *ret_position);

#define STORE_MAX_OPERATIONS   10000 /* newer ones let the oldest go */
#define STORE_OPERATION_AGE_MS (UINT64_C(30) * 24 * 3600 * 1000)

struct store_change {
    const struct store_record *records; /* with an empty value: it goes, a trigger's mark with it */
    size_t n;
    const char *trigger_id; /* NULL, or whose batches cover the events up to batched_seq from now */
    uint64_t batched_seq;   /* it has no mark: it gets one. Its mark is higher: that stays */
    uint64_t next_seq;      /* events numbered below it may have been numbered */
    uint64_t letter;        /* a dead letter that goes; 0: none */
};
MUST_CHECK int store_put_change(struct store *s, const struct store_change *c);

/* In a transaction: a path's batches go, and whoever has last seen an event up to the id `floor` is
 * told that what followed is gone; ids above it are this history's from here on. *ret_position: of
 * what comes next. */
MUST_CHECK int store_cut_path(struct store *s, uint32_t index, const uint8_t floor[ID_PACKED_SIZE],
                              uint64_t *ret_position);

/* No trigger needs events up to `seq` any more: each trigger's mark is moved there, and the events
 * go. */
MUST_CHECK int store_settle_events(struct store *s, uint64_t seq);
/* Deletes history over its limits, sender ids older than `window_ms`, and old operations; at most a
 * few thousand rows a call. *ret_more: call again soon. In a transaction it is part of it, else one
 * itself. */
MUST_CHECK int store_retire(struct store *s, uint64_t window_ms, bool *ret_more);
/* Outside a transaction: writes the WAL back when it is long. Errors as above; -EBUSY is none. */
MUST_CHECK int store_checkpoint(struct store *s);
/* The same however long the WAL is: where the disk is full, so that the WAL can begin anew. */
MUST_CHECK int store_checkpoint_now(struct store *s);
/* The disk is full: gives up the ballast. It is made again by store_checkpoint() once there is
 * room. */
void store_drop_ballast(struct store *s);
/* Whether the disk has room for a usual transaction. A small one may still find some where a larger
 * one has failed: that a commit went well does not tell. */
bool store_has_room(const struct store *s);

/* Replaces the catalog of one registry, in one transaction of its own: of no entry is known when it
 * changed, and nothing of what has been deleted. */
struct store_catalog_source {
    void *ctx;
    /* The next image and its tags: 1, 0 at the end, or a negative error, which is returned. */
    int (*next)(void *ctx, const char **ret_repository, const char **ret_digest,
                const char *const **ret_tags, size_t *ret_n_tags);
};
MUST_CHECK int store_replace_catalog(struct store *s, const char *registry_id,
                                     const struct store_catalog_source *source);

/* --- dead letters --- */

struct store_letter {
    uint64_t id;      /* given by the store, unless it is one of a copy (engine_embedded.h) */
    uint64_t wall_ms; /* when it was set aside */
    const char *registry_id, *reason;
    uint64_t event_seq; /* 0: what a registry sent and nobody understood; else an accepted event */
    struct slice body;  /* what was sent, or the event as record.h packs it */
    struct slice headers; /* record_letter.headers */
};
MUST_CHECK int store_put_letter(struct store *s,
                                const struct store_letter *l); /* in a transaction */
MUST_CHECK int store_load_letters(struct store *s, int (*one)(void *, const struct store_letter *),
                                  void *ctx);
MUST_CHECK int store_delete_letter(struct store *s, uint64_t id); /* in a transaction */
uint64_t store_n_letters(const struct store *s);
/* Opens the letters of a directory for reading only, also while another process runs on it. */
MUST_CHECK int store_read_letters(const char *dir, int (*one)(void *, const struct store_letter *),
                                  void *ctx);

/* --- reading beside the writer --- */

struct store_reader;

MUST_CHECK int store_reader_open(const struct store_options *options, struct store_reader **ret);
void store_reader_close(struct store_reader *r); /* NULL is fine */

/* What is asked until store_reader_end() is answered as of one moment; without it each question has
 * a moment of its own. Keep it short: the write-ahead log cannot begin anew meanwhile. */
MUST_CHECK int store_reader_begin(struct store_reader *r);
void store_reader_end(struct store_reader *r);

enum store_found {
    STORE_FOUND,   /* in a batch that is kept: *position is after it */
    STORE_BETWEEN, /* in none, but nothing after it was deleted: *position is where later ones begin
                    */
    STORE_GONE     /* what came after it is perhaps not all kept any more, or it was never here */
};
/* Where a client that has seen the event `id` goes on reading; with STORE_GONE where what is kept
 * begins. When triggers share a path an event
 * may be in two batches: the earlier one counts. */
MUST_CHECK int store_reader_find(struct store_reader *r, const char *path_name, struct slice id,
                                 enum store_found *ret, uint64_t *ret_position);
/* The oldest position kept, and the id of the first event there ("" when the path is empty). */
MUST_CHECK int store_reader_oldest(struct store_reader *r, const char *path_name,
                                   uint64_t *ret_position, char ret_first_id[ID_SIZE]);
/* The batches that begin in [from, to), in order, checksums compared; first their number and bytes.
 * -EOVERFLOW: what begins at `from` has been deleted. */
struct store_range {
    uint32_t n;
    size_t bytes;
    uint64_t first; /* position of the first of them */
};
MUST_CHECK int store_reader_range(struct store_reader *r, const char *path_name, uint64_t from,
                                  uint64_t to, struct store_range *ret);
MUST_CHECK int store_reader_load(struct store_reader *r, const char *path_name, uint64_t from,
                                 uint64_t to,
                                 int (*batch)(void *, uint64_t position, struct slice frames),
                                 void *ctx);

/* Every path that is known, in the order in which they became so. `one` returns 0, or an error or
 * anything else, which ends it and is returned. */
struct store_seen_path {
    const char *name;
    uint64_t count, bytes; /* of its batches that are kept */
    /* Who has last seen an event with an id above it has missed nothing that is not kept. Of others
     * that is not known. */
    uint8_t floor[ID_PACKED_SIZE];
};
MUST_CHECK int store_reader_paths(struct store_reader *r,
                                  int (*one)(void *, const struct store_seen_path *), void *ctx);

/* Dead letters with ids below `before` (0: all of them), the newest first; of one registry, or with
 * "" of all. `one` returns 0, 1 to hear of no more, or an error, which is returned. */
MUST_CHECK int store_reader_letters(struct store_reader *r, uint64_t before,
                                    const char *registry_id,
                                    int (*one)(void *, const struct store_letter *), void *ctx);
/* -ENOENT: there is none of that id. */
MUST_CHECK int store_reader_letter(struct store_reader *r, uint64_t id,
                                   int (*one)(void *, const struct store_letter *), void *ctx);
/* How many are kept of each registry that has some, by registry as strcmp() orders them. */
MUST_CHECK int store_reader_count_letters(struct store_reader *r,
                                          int (*one)(void *, const char *registry_id, uint64_t n),
                                          void *ctx);

/* Stored batches by the events in them: those that begin in [from, to) and have an event with an id
 * from `low` to `high`, packed as in id.h. */
struct store_pick {
    uint64_t from, to;
    uint8_t low[ID_PACKED_SIZE], high[ID_PACKED_SIZE];
};
struct store_picked { /* borrowed for the call */
    uint64_t position;
    struct slice ids, frames;
};
/* Calls `batch` for each, in order, until it returns something else than 0, which is then returned;
 * 0 at the end. An event that waited for longer than any batch does is perhaps not found. */
MUST_CHECK int store_reader_pick(struct store_reader *r, const char *path_name,
                                 const struct store_pick *pick,
                                 int (*batch)(void *, const struct store_picked *), void *ctx);

#endif
