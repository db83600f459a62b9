/* api_id.c - see api_id.h. */
#include "api_id.h"

void api_id_check(const char *field, struct slice id, struct status *found)
{
    if (id.len == 0)
        status_violate(found, field, "is required");
    else if (id.len > API_ID_MAX)
        status_violate(found, field, "must be at most %d characters", API_ID_MAX);
    else if (!slice_is_visible(id))
        status_violate(found, field, "is malformed");
}
