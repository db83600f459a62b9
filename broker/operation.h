/* operation.h - the API's Operation: what was asked for, by whom, and what became of it. Ours are
 * done when they are first seen: a change is answered when it is durable. (pure) Any thread. */
#ifndef BROKER_OPERATION_H
#define BROKER_OPERATION_H

#include "buf.h"
#include "id.h"

enum operation_kind { /* metadata type and response type follow from it */
                      OPERATION_CREATE_TRIGGER = 1,
                      OPERATION_UPDATE_TRIGGER,
                      OPERATION_DELETE_TRIGGER, /* response: google.protobuf.Empty */
                      OPERATION_PAUSE_TRIGGER,
                      OPERATION_RESUME_TRIGGER
};

/* The version of the API that it was asked for by: its types stay of that one, whoever looks it up,
 * since clients refuse a result of another type than they have declared. */
enum operation_api { OPERATION_V1, OPERATION_V2 }; /* stored by these numbers */

#define OPERATION_ID_PREFIX "a1s"
#define OPERATION_KEY_SIZE  65    /* an idempotency key of 64 bytes and a NUL */
#define OPERATION_MAX_BYTES 65536 /* packed */
#define OPERATIONS_MAX      10000 /* kept; the oldest go first */

struct operation {
    char id[ID_SIZE]; /* a1s..., time-ordered like event ids */
    enum operation_kind kind;
    enum operation_api api;
    uint64_t created_ns, modified_ns; /* Unix time */
    char created_by[64];
    char trigger_id[ID_SIZE];                 /* metadata */
    char idempotency_key[OPERATION_KEY_SIZE]; /* "" when none was sent */
    uint8_t request_hash[32]; /* of what was asked: the same key with another request is refused */
    struct buf response; /* the packed trigger (trigger_spec_pack) as it was then; empty: Empty */
};

void operation_fini(struct operation *o);                       /* twice is fine */
const char *operation_description(enum operation_kind kind);    /* "Create trigger" */
const char *operation_metadata_type(const struct operation *o); /* "yandex.cloud....Metadata" */
const char *operation_response_type(const struct operation *o); /* "yandex.cloud....Trigger" */
/* As trigger_spec_pack() and _unpack() in tolerance and errors; -ENOMEM of both. */
MUST_CHECK int operation_pack(const struct operation *o, struct buf *out);
MUST_CHECK int operation_unpack(struct slice packed, struct operation *ret);

#endif
