/* select.h - which trigger a command means: by name or id, as an argument or a flag. One thread. */
#ifndef CLI_SELECT_H
#define CLI_SELECT_H

#include "call.h"

#define SELECT_FLAGS                                                                               \
    {"id", '\0', NULL, FLAG_TEXT, "ID", NULL, "Trigger by its id."},                               \
    {                                                                                              \
        "name", '\0', NULL, FLAG_TEXT, "NAME", NULL, "Trigger by its name."                        \
    }
#define ASYNC_FLAG                                                                                 \
    {                                                                                              \
        "async", '\0', NULL, FLAG_SWITCH, NULL, NULL,                                              \
            "Print the operation and do not wait for it."                                          \
    }

/* EXIT_FINE: *ret is the trigger as REST answers it, the caller's. Else the exit code; why has been
 * printed. `which` counts arguments. */
MUST_CHECK int select_trigger(struct call *c, size_t which, cJSON **ret);
/* "/triggers/v1/triggers/ID" of it, and what comes behind. */
void select_path(const cJSON *trigger, const char *behind, struct buf *ret);

#endif
