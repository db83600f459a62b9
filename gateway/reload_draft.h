/* reload_draft.h - what a changed configuration takes, made before anything goes by it: what can
 * fail fails here. Front's thread. */
#ifndef GATEWAY_RELOAD_DRAFT_H
#define GATEWAY_RELOAD_DRAFT_H

#include "buf.h"
#include "config_diff.h"

struct access;
struct door_rules;
struct iam;
struct path_table;
struct route_rates;
struct shared;

struct reload_draft {
    struct config *cfg;
    struct path_table *paths;
    struct route_rates *rates;
    struct access *access;
    struct iam *iam;
};

/* What counted before, and may still be looked at. */
struct reload_former {
    struct config *cfg; /* NULL: of the start */
    struct path_table *paths;
    struct route_rates *rates;
    struct access *access;
    struct door_rules *rules;
};

/* Reads and checks the file. 0: *ret is for reload_draft_commit() or reload_draft_drop(), *changes
 * says how it differs from what counts now. Else the error as reload_report has it, with lines in
 * `error`. What needs a restart is as it was. */
MUST_CHECK int reload_draft_make(struct shared *s, const char *file, struct reload_draft *ret,
                                 struct config_changes *changes, struct buf *error);
/* Nothing goes by it. Zeroed is fine. */
void reload_draft_drop(struct shared *s, struct reload_draft *d);
/* Everything goes by it from now on; nothing fails. `in_force` is the configuration that does now,
 * when it is the reload's to free. */
void reload_draft_commit(struct shared *s, struct reload_draft *d, struct config *in_force,
                         struct reload_former *ret);
/* Nobody looks at it any more. */
void reload_former_free(struct reload_former *f);

#endif
