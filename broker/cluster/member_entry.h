/* member_entry.h - what a node says of itself in the bucket P_nodes, as JSON. (pure) Members that
 * are not known are left out, so that nodes of different versions read each other. */
#ifndef BROKER_CLUSTER_MEMBER_ENTRY_H
#define BROKER_CLUSTER_MEMBER_ENTRY_H

#include "engine.h"

#define MEMBER_NONCE_SIZE 17

struct member_entry {
    struct engine_peer peer; /* .seen_ms and .self are the reader's */
    char nonce[MEMBER_NONCE_SIZE];
    bool able; /* shards should be its */
};

/* -EMSGSIZE, -ENOMEM. */
MUST_CHECK int member_entry_write(struct buf *out, const struct member_entry *e);
/* -EBADMSG: not one of these. */
MUST_CHECK int member_entry_read(struct slice json, struct member_entry *ret);
/* Of two processes of one name: whether `a` was started after `b`. */
bool member_entry_newer(const struct member_entry *a, const struct member_entry *b);

#endif
