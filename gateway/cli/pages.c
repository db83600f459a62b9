/* pages.c - lists of the API, page by page. */
#include "pages.h"

#include <inttypes.h>

#define PAGE_SIZE 1000 /* the API's most */

bool pages_limit(const struct call *c, int64_t otherwise, int64_t *ret)
{
    *ret = otherwise;
    if (!args_count(&c->args, "limit", ret) || *ret >= 1)
        return true;
    (void) call_usage(c, "--limit: expected a number from 1 on");
    return false;
}

static int read_page(struct call *c, const struct buf *base, bool first, const char *token,
                     int64_t size, cJSON **ret)
{
    char number[24];
    struct buf path;
    path_begin(&path, "");
    int r = buf_append(&path, buf_slice(base));
    ASSERT(r == 0); /* the same limit as its own */
    (void) snprintf(number, sizeof(number), "%" PRId64, size);
    path_query(&path, first, "pageSize", number);
    if (token[0] != '\0')
        path_query(&path, false, "pageToken", token);
    r = call_rest(c, "GET", &path, NULL, ret);
    buf_fini(&path);
    return r < 0 ? EXIT_FAILED : EXIT_FINE;
}

int pages_read(struct call *c, const struct buf *path, bool first, const char *list, int64_t limit,
               cJSON **ret)
{
    cJSON *all = cJSON_CreateArray(), *page = NULL;
    ASSERT(all != NULL);
    int64_t n = 0;
    int code = EXIT_FINE;
    for (bool more = true; more && code == EXIT_FINE && n < limit;) {
        cJSON *last = page;
        page = NULL;
        code = read_page(c, path, first, last == NULL ? "" : call_member(last, "nextPageToken"),
                         limit - n < PAGE_SIZE ? limit - n : PAGE_SIZE, &page);
        cJSON_Delete(last);
        if (code != EXIT_FINE)
            break;
        cJSON *items = cJSON_GetObjectItemCaseSensitive(page, list);
        bool any = false;
        for (; cJSON_IsArray(items) && items->child != NULL && n < limit; n++, any = true)
            (void) cJSON_AddItemToArray(all, cJSON_DetachItemViaPointer(items, items->child));
        more =
            any && call_member(page, "nextPageToken")[0] != '\0'; /* no page is empty in between */
    }
    cJSON_Delete(page);
    if (code == EXIT_FINE)
        *ret = all;
    else
        cJSON_Delete(all);
    return code;
}
