/* lookup.h - asks registries which digest a tag has, on threads of its own: a few questions at a
 * time, each over registry_client.h with the settings `registry_*` of its registry. Threads are
 * made when there is something to ask. Broker thread, but for the asking itself. */
#ifndef BROKER_LOOKUP_H
#define BROKER_LOOKUP_H

#include "config.h"
#include "mailbox.h"
#include "registry_client.h"
#include "registry_manifest.h"

#define LOOKUP_THREADS 4

enum lookup_outcome {
    LOOKUP_FOUND,
    LOOKUP_MISSING, /* the registry knows no such tag */
    LOOKUP_REFUSED, /* it answers something else */
    LOOKUP_AWAY     /* it does not answer, or to nobody with our credentials: others would be told
                       the same */
};

struct lookup_question {
    /* The question; borrowed until the answer, or lookup_free(). Checked by field.h. */
    const char *registry_id, *repository, *tag;
    void (*answered)(struct lookup_question *q); /* on the mailbox's thread */
    /* The answer. */
    enum lookup_outcome outcome;
    char digest[REGISTRY_DIGEST_SIZE]; /* LOOKUP_FOUND */
    char why[REGISTRY_WHY_SIZE];       /* else */
    /* private */
    struct mail mail;
    struct lookup_question *next;
};

struct lookup;

/* Never NULL. Borrows the mailbox, which need not be open before the first question. */
struct lookup *lookup_new(struct mailbox *mailbox);
/* Copies what it needs: counts for questions that nobody has begun to ask. */
void lookup_configure(struct lookup *l, const struct config *cfg);
void lookup_ask(struct lookup *l, struct lookup_question *q);
/* From here on nothing is asked or answered; what is under way is broken off. */
void lookup_end(struct lookup *l);
void lookup_free(struct lookup *l); /* waits for the threads, a second at most; NULL is fine */

#endif
