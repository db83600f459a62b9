/* replayed.c - see replayed.h. */
#include "replayed.h"

#include "json.h"

#define HEAD "{\"replay\":{"

bool replayed_is(struct slice text)
{
    size_t len = strlen(HEAD);
    return text.len > len && memcmp(text.data, HEAD, len) == 0;
}

int replayed_events(struct slice text, struct slice *ret)
{
    int r = json_member(text, "messages", ret);
    return r < 0 || ret->len < 2 || ret->data[0] != '[' ? -EBADMSG : 0;
}

int replayed_event(struct slice array, size_t i, struct slice *ret)
{
    size_t at = 0;
    int r = 0;
    for (size_t k = 0; k <= i && r == 0; k++)
        r = json_next(array, &at, ret);
    return r == 1 ? -ENOENT : r;
}

int replayed_next(struct slice array, size_t max, size_t *at, size_t *first,
                  struct replayed_piece *ret)
{
    struct replayed_piece piece = {.first = *first};
    const uint8_t *end = NULL;
    for (size_t next = *at;; *at = next) {
        struct slice event;
        int r = json_next(array, &next, &event);
        if (r < 0)
            return r;
        if (r == 1)
            break;
        if (piece.n == 0)
            piece.events.data = event.data;
        end = event.data + event.len;
        if (!replayed_fits((size_t) (end - piece.events.data), max))
            break;
        piece.events.len = (size_t) (end - piece.events.data);
        piece.n++;
    }
    if (piece.n == 0)
        return end == NULL ? 1 : -EMSGSIZE;
    *first += piece.n;
    *ret = piece;
    return 0;
}

int replayed_write(const struct replayed_mark *mark, struct slice events, struct buf *out)
{
    int r = buf_printf(out, HEAD "\"id\":\"%s\",\"at\":\"%s\"", mark->id, mark->at);
    if (r == 0 && mark->resume != NULL)
        r = buf_printf(out, ",\"resume\":\"%s\"", mark->resume);
    if (r == 0)
        r = buf_append_str(out, "},\"messages\":[");
    if (r == 0)
        r = buf_append(out, events);
    return r == 0 ? buf_append_str(out, "]}") : r;
}
