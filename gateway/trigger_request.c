/* trigger_request.c - what the spellings of a trigger's request have in common. */
#include "trigger_request.h"

static unsigned mask_bit(struct slice path)
{
    static const struct {
        const char *name;
        unsigned bit;
    } PATHS[] = {{"name", ADMIN_NAME},
                 {"description", ADMIN_DESCRIPTION},
                 {"labels", ADMIN_LABELS},
                 {"rule", ADMIN_RULE}};
    for (size_t i = 0; i < ARRAY_LEN(PATHS); i++)
        if (slice_eq_str(path, PATHS[i].name))
            return PATHS[i].bit;
    return 0;
}

bool trigger_request_mask(struct trigger_request *req, struct slice path, struct status *found)
{
    unsigned bit = mask_bit(path);
    if (bit == 0)
        status_violate(found, "update_mask", "%.*s is not one of name, description, labels, rule",
                       (int) (path.len < 60 ? path.len : 60), (const char *) path.data);
    req->mask |= bit;
    return bit != 0;
}

void trigger_request_other(const char *what, struct status *found)
{
    if (found->code == STATUS_OK || found->code == STATUS_INVALID_ARGUMENT)
        admin_other_rule(what, found);
}
