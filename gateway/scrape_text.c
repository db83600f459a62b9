/* scrape_text.c - see scrape_text.h. */
#include "scrape_text.h"

#include <inttypes.h>

int scrape_head(struct buf *out, const char *family, const char *type, const char *help)
{
    return buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

int scrape_number(struct buf *out, const char *family, const char *type, const char *help,
                  uint64_t value)
{
    int r = scrape_head(out, family, type, help);
    return r < 0 ? r : buf_printf(out, "%s %" PRIu64 "\n", family, value);
}

int scrape_label(struct buf *out, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        int r = *at == '\\' || *at == '"' ? buf_printf(out, "\\%c", *at)
                : *at == '\n'             ? buf_append_str(out, "\\n")
                                          : buf_append(out, slice_of(at, 1));
        if (r < 0)
            return r;
    }
    return 0;
}
