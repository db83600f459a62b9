/* letters_round.h - some dead letters held in memory at once, for the replay: their bodies are
 * strangers' bytes, and all of them together may be many. Main thread. */
#ifndef GATEWAY_LETTERS_ROUND_H
#define GATEWAY_LETTERS_ROUND_H

#include "store.h"

#define LETTERS_ROUND_BYTES ((size_t) 16 << 20)
#define LETTERS_ROUND_MAX   1000 /* letters, and thus rows in one transaction */

struct letter {
    uint64_t id, wall_ms;
    char *registry_id;
    uint8_t *body, *headers; /* of as many bytes: */
    size_t len, headers_len;
};

struct letters_round {
    bool events;           /* accepted events, else what nobody understood */
    uint64_t after, until; /* ids: the last one of the round before, and the last one wanted */
    uint64_t only;         /* 0: all */
    struct letter *letters;
    size_t n, bytes;
};

void letters_round_init(struct letters_round *round, bool events, uint64_t only, uint64_t until);
void letters_round_fini(struct letters_round *round);
/* Forgets this round's letters; the next one begins after them. */
void letters_round_next(struct letters_round *round);
/* For store_load_letters() and store_read_letters(), in the order of ids. -ECANCELED: there are
 * more, for the next round. */
int letters_round_add(void *ctx, const struct store_letter *l);

#endif
