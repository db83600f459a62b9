/* store_private.h - the parts of a store, shared by the files store*.c of the writing side:
 *   store.c          transactions: begin, webhooks, batches, commit
 *   store_webhooks.c events and sender ids, several webhooks in a row
 *   store_open.c     opening, checking, closing
 *   store_files.c    the directory: db_files.h, ballast, mark
 *   store_check.c    looking for damage
 *   store_clock.c    the store's time
 *   store_epoch.c    noticing that the end of the journal is lost
 *   store_path.c     paths: registering, numbers, positions
 *   store_load.c     what a start reads
 *   store_triggers.c how far each trigger's events are in batches
 *   store_records.c  what is kept by name: triggers, operations
 *   store_retire.c   what is deleted, and the checkpoint
 *   store_catalog.c  images, tags and tombstones
 *   store_letters.c  dead letters
 *
 * What a transaction changes in memory is kept twice: `now`, and `saved` as it was at the
 * beginning, to which a rollback returns. */
#ifndef BROKER_STORE_PRIVATE_H
#define BROKER_STORE_PRIVATE_H

#include "buf.h"
#include "segment.h"
#include "store.h"
#include "store_schema.h"

#include <stddef.h>

/* --- statements, prepared when first used and kept --- */

enum store_statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_META_GET,
    SQL_META_PUT,
    SQL_PATH_PUT,
    SQL_GONE_GET,
    SQL_GONE_PUT,
    SQL_BATCH_PUT,
    SQL_BATCH_WALK,
    SQL_BATCH_DELETE,
    SQL_WEBHOOK_PUT,
    SQL_WEBHOOK_DELETE,
    SQL_SENDER_PUT,
    SQL_SENDER_WALK,
    SQL_SENDER_DELETE,
    SQL_IMAGE_PUT,
    SQL_IMAGE_TIME,
    SQL_IMAGE_DELETE,
    SQL_TAG_PUT,
    SQL_TAG_TIME,
    SQL_TAG_DELETE,
    SQL_TOMBSTONE_PUT,
    SQL_TOMBSTONE_DELETE,
    SQL_TRIGGER_PUT,
    SQL_TRIGGER_DELETE,
    SQL_ATTEMPT_FORGET,
    SQL_LETTER_PUT,
    SQL_LETTER_DELETE,
    SQL_LETTERS_TRIM,
    SQL_RECORD_PUT,
    SQL_RECORD_DELETE,
    SQL_RECORD_HAS,
    SQL_RECORD_WALK,
    SQL_RECORDS_TRIM,
    SQL_N
};

/* --- state --- */

struct store_path_live {
    struct segment_place place;
    uint64_t oldest, count, bytes;
    uint8_t high_id[ID_PACKED_SIZE];
    bool has_high;
};

struct store_path {
    uint64_t id;
    char *name;
    bool configured; /* else only its history is left, until it is too old */
    bool dirty;      /* changed in this transaction */
    bool forgotten;  /* deleted in this transaction */
    unsigned span_bits;
    struct store_limits limits;
    struct store_path_live now, saved;
};

struct store_trigger {
    char *id;
    bool dirty;          /* to be written by the next commit */
    bool made, gone;     /* in this transaction */
    uint64_t now, saved; /* the number of the last event covered */
};

/* Numbers that only go up. */
struct store_counters {
    uint64_t next_seq, next_sender_key, next_entry, next_letter, n_letters, n_operations;
    uint64_t commits;   /* that wrote something */
    uint64_t positions; /* that batches of all paths have taken, with those left out between */
    char last_event_id[ID_SIZE];
};

/* What webhooks of this transaction have brought and is not in rows yet. */
struct store_gathered {
    uint64_t first_seq;
    uint32_t n; /* events */
    char last_id[ID_SIZE];
    struct buf events, sender_ids;
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *sql[SQL_N];
    int dir_fd, lock_fd;
    struct store_options options; /* its dir and vfs are this store's own copies */
    int error;                    /* SQLite's, the last one */
    bool failed;                  /* nothing is written any more, not even by closing */

    bool in_transaction;
    int spoilt; /* an error of a put: the transaction can only be rolled back */

    struct store_gathered gathered;
    int64_t changes_before; /* rows changed on this connection before the transaction */
    bool writes;            /* the transaction that is being committed has changed some */
    struct store_counters now, saved;
    struct store_path **paths; /* configured ones and others */
    size_t n_paths;
    struct store_path **by_index; /* configured ones; NULL: a hole */
    size_t n_by_index;
    struct store_trigger *triggers; /* by id */
    size_t n_triggers;
    bool triggers_dirty, numbers_dirty; /* numbers_dirty: meta must get the counters */

    uint64_t clock_base_ms, clock_boot_ms;       /* the store's time at a time of the boot clock */
    uint64_t clock_written_ms, clock_writing_ms; /* the store's time in meta, after this commit */
    char boot_id[40];

    uint64_t instance;       /* tells stores apart; 0: not drawn yet */
    struct store_page *page; /* mapped; NULL: a lost end will not be noticed */
    bool watching;           /* commits are noted there */
    bool born;               /* in this start */

    uint64_t wal_frames, checkpoint_at; /* frames */
    bool has_ballast;
    uint64_t ballast_tried_ms;
};

/* Keeps SQLite's code of an error for store_errno(); returns `r`. */
int store_note(struct store *s, int r);
/* The statement, prepared; NULL with *ret_error set. */
sqlite3_stmt *store_sql(struct store *s, enum store_statement which, int *ret_error);
/* Makes the transaction one that can only be rolled back when r < 0; returns `r`. */
int store_spoil(struct store *s, int r);
MUST_CHECK int store_meta_put(struct store *s, const char *key, const char *value);

/* --- store_webhooks.c --- */

void store_webhooks_init(struct store *s);
void store_webhooks_fini(struct store *s);
/* In a transaction. They may be written only by store_webhooks_write(). */
MUST_CHECK int store_put_events(struct store *s, const struct store_webhook *w);
MUST_CHECK int store_put_sender_ids(struct store *s, struct slice ids);
MUST_CHECK int store_webhooks_write(struct store *s); /* by a commit, and before rows go */
void store_webhooks_forget(struct store *s);          /* by a rollback */

/* --- store_files.c --- */

MUST_CHECK int store_files_lock(struct store *s, int64_t *ret_pid);
MUST_CHECK int store_files_prepare(struct store *s, struct store_opened *opened);
MUST_CHECK int store_files_empty(struct store *s); /* the database and the mark go */
MUST_CHECK int store_files_set_aside(struct store *s, struct store_opened *opened);
bool store_files_marked(const struct store *s);
MUST_CHECK int store_files_unmark(struct store *s);
void store_ballast_make(struct store *s);

/* --- store_clock.c --- */

MUST_CHECK int store_clock_start(struct store *s); /* from meta, or anew */
MUST_CHECK int store_clock_write(struct store *s); /* in a transaction */
bool store_clock_due(const struct store *s);

/* --- store_epoch.c --- */

/* Maps the page; `s` works without it. */
MUST_CHECK int store_epoch_open(struct store *s);
void store_epoch_close(struct store *s);
MUST_CHECK int store_epoch_load(struct store *s); /* the count, from meta */
/* When all else is loaded: compares the page with the database, and begins a new epoch. */
MUST_CHECK int store_epoch_start(struct store *s, struct store_opened *opened);
/* A new id, above all that the store and the page know. */
void store_epoch_id(const struct store *s, struct id_gen *gen, char ret[ID_SIZE]);
MUST_CHECK int store_epoch_write(struct store *s); /* counts the transaction, in it */
void store_epoch_note(struct store *s);            /* after a commit, in the page */

/* --- store_path.c --- */

MUST_CHECK int store_paths_load(struct store *s);
void store_paths_free(struct store *s);
void store_path_touch(struct store *s, struct store_path *p); /* before `now` is changed */
MUST_CHECK int store_path_write(struct store *s, const struct store_path *p);
MUST_CHECK int store_path_write_gone(struct store *s, uint64_t path_id, struct slice high_id,
                                     struct slice ids);
MUST_CHECK int store_path_forget(struct store *s, struct store_path *p); /* its history is gone */

/* --- store_load.c --- */

MUST_CHECK int store_counters_load(struct store *s); /* after paths and triggers */
/* An event with this number and id is stored: later ones are above both. */
void store_note_event(struct store *s, uint64_t seq, const uint8_t id[ID_PACKED_SIZE]);

/* --- store_triggers.c --- */

MUST_CHECK int store_triggers_load(struct store *s);
void store_triggers_free(struct store *s);
struct store_trigger *store_trigger_find(struct store *s, const char *id); /* NULL: none */
/* There is none. It goes to disk with the transaction, or is forgotten with it. */
void store_trigger_add(struct store *s, const char *id, uint64_t last_seq);
void store_trigger_set(struct store *s, struct store_trigger *t, uint64_t last_seq);
MUST_CHECK int store_trigger_delete(struct store *s, const char *id); /* in a transaction */
MUST_CHECK int store_triggers_write(struct store *s);                 /* by a commit */
void store_triggers_settle(struct store *s); /* after it: what is in memory is on disk */
void store_triggers_return(struct store *s); /* after a rollback */

/* --- store_check.c --- */

/* -EBADMSG: damaged. `whole`: everything; else for half a second, and what is small first. */
MUST_CHECK int store_check(struct store *s, bool whole);

/* --- store_retire.c --- */

/* Deletes a path's batches up to and with `last_key`, in a transaction. */
MUST_CHECK int store_retire_through(struct store *s, struct store_path *p, int64_t last_key);
void store_checkpoint_start(struct store *s);

/* --- store_catalog.c, store_letters.c, store_records.c --- */

MUST_CHECK int store_put_notes(struct store *s, struct slice notes);
MUST_CHECK int store_put_records(struct store *s, const struct store_record *records, size_t n);
MUST_CHECK int store_put_letters(struct store *s, struct slice letters);
/* Operations over their number or age go, at most `*budget` of them. */
MUST_CHECK int store_retire_operations(struct store *s, uint64_t *budget);

#endif
