/* header.c - see header.h. */
#include "header.h"

struct slice headers_only(struct headers list, const char *name)
{
    const struct slice wanted = slice_str(name);
    struct slice value = {0};
    size_t found = 0;
    for (size_t i = 0; i < list.n; i++) {
        if (!slice_eq_nocase(list.at[i].name, wanted))
            continue;
        value = list.at[i].value;
        found++;
    }
    return found == 1 ? value : (struct slice){0};
}
