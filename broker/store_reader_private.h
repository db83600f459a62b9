/* store_reader_private.h - what the files of the store's reader share:
 *   store_reader.c  opening, where a client goes on, stored batches by position
 *   store_pick.c    stored batches by the events in them
 *   store_reader_paths.c  which paths there are, and where their histories begin
 * Errors: as in store.h. */
#ifndef BROKER_STORE_READER_PRIVATE_H
#define BROKER_STORE_READER_PRIVATE_H

#include "store.h"
#include "store_schema.h"

/* How far a search goes on behind the first batch that may contain the id. Triggers that share a
 * path flush at their own times: an event may wait for its batch up to the longest cutoff (60 s)
 * while another trigger's batches of one go by, so neither "the first id is later" nor a small
 * number of batches ends the search. It ends when at least FEW batches began later than the id and
 * this one began more than LATE_MS later by the ids' own clock; that clock may have been set
 * forward, which is why FEW is looked at in any case. MANY bounds the time an id that is in no
 * batch can cost (some 15 ms). Ending too early costs the client messages it knows, never one it
 * does not: it goes on at the first batch that may have later events. */
#define STORE_SCAN_FEW     1000
#define STORE_SCAN_LATE_MS 120000
#define STORE_SCAN_MANY    16384

enum store_reader_statement { ST_PATH, ST_GONE, ST_BATCHES, ST_SIZES, ST_FRAMES, ST_WHOLE, ST_N };

struct store_reader {
    sqlite3 *db;
    sqlite3_stmt *statements[ST_N];
};

/* What a search needs of the path's row. */
struct store_known_path {
    uint64_t id, oldest, tail;
};
/* -ENOENT: the store does not know it. */
MUST_CHECK int store_reader_path(struct store_reader *r, const char *name,
                                 struct store_known_path *ret);

/* Begins a transaction unless the caller did; *ret_mine is for store_reader_leave(). */
MUST_CHECK int store_reader_enter(struct store_reader *r, bool *ret_mine);
void store_reader_leave(struct store_reader *r, bool mine);

/* Sets the statement on the path's batches that begin in [from, to), from < to. */
sqlite3_stmt *store_reader_batches(struct store_reader *r, enum store_reader_statement which,
                                   uint64_t path_id, uint64_t from, uint64_t to);
/* The position up to which no batch can contain the id (packed) or a later one. */
MUST_CHECK int store_reader_bisect(struct store_reader *r, const struct store_known_path *path,
                                   const uint8_t *id, uint64_t *ret);
uint64_t store_reader_id_ms(const uint8_t *id); /* when it was made; Unix time */

#endif
