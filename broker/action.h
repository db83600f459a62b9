/* action.h - what a trigger does: gather a batch for a path; and when, from the number of an event
 * on, its batches are formed. (pure) Broker thread.
 *
 * A batch of one event can be formed *early*: when the event is submitted, so that both are made
 * safe together. All others are formed *late*, when the event has come back safe. Of each event
 * exactly one of the two must happen, whatever changes between; and a trigger's batches must be
 * stored in the order of its events, or its mark in the store would cover some that are in none. */
#ifndef BROKER_ACTION_H
#define BROKER_ACTION_H

#include "batch.h"
#include "path.h"
#include "trigger.h"

/* Since the start, or since the trigger is there; its changes go on with it. */
struct action_stats {
    uint64_t batches, events; /* safe, and on its path's log */
    uint64_t last_fired_ms;   /* Unix time; 0: never */
    const char *last_error;   /* a literal: why its last event did not go out; NULL: it did */
};

struct action {
    struct trigger *trigger; /* borrowed */
    void *owner;             /* for what is called on a flush, whose `ctx` is the action */
    struct path *path;       /* NULL: it is not in the configuration, so nothing matches */
    struct batch batch;
    uint64_t old_seq; /* events up to this number are in batches of an earlier run */
    uint64_t
        paused_seq; /* paused: events up to it were accepted before; as the spec says at first */
    unsigned shard; /* of its registry; the owner's to set */
    struct action_stats stats; /* the owner's to write */
    /* private */
    void (*flush)(void *ctx, const struct batch_message *m);
    bool may_be_early; /* the engine waits: submitted events become safe later */
    bool early;        /* for events above from_seq */
    bool late_before;  /* for the others: formed late; else early, or they are not its */
    uint64_t from_seq;
};

/* Of a trigger that is new since event number `seq`; becomes its ->action. Never NULL. */
struct action *action_new(struct trigger *t, struct path_table *paths, bool may_be_early,
                          uint64_t seq, void (*flush)(void *ctx, const struct batch_message *m),
                          void *owner);
void action_free(struct action *a); /* what is gathered is dropped. NULL is fine */

/* The trigger's spec has changed: with nothing gathered, for events above `seq`, the number of the
 * one submitted last. `resumed`: it was paused. `quiet`: all up to `seq` have come back. */
void action_changed(struct action *a, struct path_table *paths, uint64_t seq, bool resumed,
                    bool quiet);
/* All events up to `seq`, the one submitted last, have come back. */
void action_quiet(struct action *a, uint64_t seq);

/* From here on this node forms its batches, as another one has up to event number `batched_seq`.
 * Nothing is early, and nothing gathered. */
void action_taken_over(struct action *a, uint64_t batched_seq, uint64_t paused_seq);

bool action_awake(const struct action *a); /* neither paused nor without its path */
/* Whether a batch of what is being submitted is formed now. */
bool action_is_early(const struct action *a);
/* Whether an event that has come back goes into a batch now; `again`: it was accepted by an earlier
 * run. */
bool action_takes(const struct action *a, uint64_t seq, bool again);

#endif
