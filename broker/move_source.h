/* move_source.h - a data_dir that nobody uses, to be read and left as it is: what is read is a copy
 * of its journal, made elsewhere, which may be repaired, migrated and thrown away. A command's main
 * thread. */
#ifndef BROKER_MOVE_SOURCE_H
#define BROKER_MOVE_SOURCE_H

#include "sha256.h"
#include "store.h"

struct move_source {
    struct store *store; /* the copy's, of this version */
    struct store_reader *reader;
    uint64_t lost_commits;      /* store_opened.lost_commits */
    uint8_t state[SHA256_SIZE]; /* of what was copied: the same as long as nothing has changed */
    /* private */
    char scratch[512];
    int dir_fd, lock_fd;
};

/* Takes the lock of `dir` until move_source_close(), and copies its journal into `scratch`, which
 * is made (0700), emptied before and removed afterwards; it needs as much room. Both directories
 * may be links. -EALREADY: a process, *ret_pid, has the lock. -ENOENT: there is no journal. Else
 * store.h's: -EBADMSG also of a journal that a start would set aside. After an error nothing is
 * left to close. */
MUST_CHECK int move_source_open(const char *dir, const char *scratch, struct move_source *ret,
                                int64_t *ret_pid);
void move_source_close(struct move_source *s); /* fine for a zeroed one, and twice */

#endif
