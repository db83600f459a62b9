/* record.h - the bytes in which events, catalog notes and dead letters cross to the journal thread
 * and lie in the store: length-prefixed fields, little endian. (pure) Reading never trusts them:
 * -EBADMSG for anything that record_put_*() would not have written. */
#ifndef BROKER_RECORD_H
#define BROKER_RECORD_H

#include "catalog.h"
#include "event.h"

MUST_CHECK int record_put_event(struct buf *out, const struct event *e);
/* The first event of `in`, which moves past it. *ret is a new reference; its seq is 0. */
MUST_CHECK int record_next_event(struct slice *in, struct event **ret);

MUST_CHECK int record_put_note(struct buf *out, const struct catalog_note *n);
/* Strings point into `in`, NUL-terminated there. */
MUST_CHECK int record_next_note(struct slice *in, struct catalog_note *ret);

#define RECORD_HEADERS_MAX 4096 /* bytes of a letter's headers */
/* Something a registry sent that is set aside. */
struct record_letter {
    uint64_t wall_ms;
    const char *registry_id, *reason;
    struct slice body;
    struct slice headers; /* those it came with that matter: "name: value\r\n" each; may be empty */
};
MUST_CHECK int record_put_letter(struct buf *out, const struct record_letter *l);
MUST_CHECK int record_next_letter(struct slice *in, struct record_letter *ret); /* as above */

/* CRC-32 of a row's key and bytes: a row that moved or changed on disk is found out. */
uint32_t record_checksum(uint64_t key_a, uint64_t key_b, struct slice bytes);

#endif
