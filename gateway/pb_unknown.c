/* pb_unknown.c - fields of a message that our types do not have. */
#include "pb_unknown.h"

#include <stdio.h>

static const char *name_of(uint32_t number, const struct pb_unknown_name *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (names[i].number == number)
            return names[i].name;
    return NULL;
}

static void violate(const char *where, uint32_t number, struct status *found)
{
    char field[sizeof(found->violations[0].field)];
    size_t len = strlen(where);
    (void) snprintf(field, sizeof(field), "%.*s", (int) (where[len - 1] == '.' ? len - 1 : len),
                    where);
    status_violate(found, field, "has a field %u, which is not a field of this request", number);
}

void pb_unknown_refuse(const ProtobufCMessage *message, const char *where,
                       const struct pb_unknown_name *names, size_t n,
                       void (*other)(const char *name, struct status *found), struct status *found)
{
    bool stranger = false;
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        uint32_t number = message->unknown_fields[i].tag;
        const char *name = name_of(number, names, n);
        if (name != NULL) {
            other(name, found);
            return;
        }
        if (!stranger)
            violate(where, number, found);
        stranger = true;
    }
}

bool pb_unknown_differ(const ProtobufCMessage *message)
{
    for (unsigned i = 1; i < message->n_unknown_fields; i++)
        if (message->unknown_fields[i].tag != message->unknown_fields[0].tag)
            return true;
    return false;
}
