/* letter_again.h - a dead letter on its way again: what nobody understood becomes a webhook once
 * its registry's adapter does, and an accepted event that could not be sent becomes a new one.
 * (pure) Any thread; with an ingest, that one's. */
#ifndef BROKER_LETTER_AGAIN_H
#define BROKER_LETTER_AGAIN_H

#include "event.h"
#include "letter_headers.h"
#include "source.h"

struct ingest;

/* What is to be posted of a letter; points into itself and into what it was read from. */
struct letter_again {
    struct source_request request;
    struct header headers[LETTER_HEADERS_N];
    struct buf body;
    struct ingest *in; /* of letter_again_read() */
    bool suspect;      /* a way of reading it has ended the process too often: no other is tried */
};

void letter_again_init(struct letter_again *a);
void letter_again_fini(struct letter_again *a);
/* Reads it for nothing: the letter's body as it is where that is an envelope, else the envelope of
 * this one event. `headers` are as letter_headers_put() wrote them, `registry` is its own, `in`
 * notes what is read, as ingest_try() does; NULL: nobody does. False: it is still not understood,
 * and *ret_why is a literal that says what is wrong. */
MUST_CHECK bool letter_again_read(struct letter_again *a, struct ingest *in,
                                  const struct config_registry *registry, struct slice headers,
                                  struct slice body, const char **ret_why);

/* The same event under another id, which stands in its JSON too: clients resume by ids, which must
 * follow the order of batches. NULL: the old one does not stand there, or there is no memory. */
struct event *letter_again_event(const struct event *e, const char id[ID_SIZE]);

#endif
