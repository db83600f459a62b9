/* webhook_record.h - a webhook on its way from the node that took it to the one that reads it: all
 * that its adapter looks at and all that was proved by it, and no secret. (pure) Any thread.
 *
 * Tagged fields (tagged.h): a later version may add some. */
#ifndef BROKER_WEBHOOK_RECORD_H
#define BROKER_WEBHOOK_RECORD_H

#include "letter_headers.h"
#include "verify.h"

#define WEBHOOK_RECORD_HEADERS LETTER_HEADERS_N
#define WEBHOOK_RECORD_ID_MAX  63  /* of a registry's id, and of the peer */
#define WEBHOOK_RECORD_TEXT    255 /* of content type and traceparent; longer ones are left out */

struct webhook_record {
    struct slice registry_id; /* whose it has proved to be */
    uint64_t received_ms;     /* Unix time */
    bool own, suspect;        /* ingest_request.own; it has ended a process too often */
    uint64_t letter;          /* ingest_request.letter */
    struct slice peer;        /* for the log; may be empty */
    struct slice content_type, traceparent, body;
    struct slice delivery_id; /* verify_delivery_id() */
    struct headers headers;
    struct slice event; /* not empty: no webhook, but an accepted event that was set aside
                           (record_put_event()) and goes on its way again */
};

/* Appends it. Of fields that may hold a secret (letter_headers_secret()) only that they were there
 * is kept. -EINVAL: a registry id that is none, or too long; -EMSGSIZE: too many headers;
 * buf_append()'s errors, after all of which nothing was appended. */
MUST_CHECK int webhook_record_pack(const struct webhook_record *r,
                                   const struct config_registry *registry, struct buf *out);
/* Points into `packed` and `fields`. -EBADMSG: webhook_record_pack() has not written it, or that of
 * a later version that says the same otherwise. */
MUST_CHECK int webhook_record_unpack(struct slice packed,
                                     struct header fields[WEBHOOK_RECORD_HEADERS],
                                     struct webhook_record *ret);

#endif
