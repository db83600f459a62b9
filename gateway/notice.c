/* notice.c - see notice.h. All that goes into them is ids and numbers of ours, so nothing is
 * escaped. */
#include "notice.h"

#include "frame.h"
#include "sse_form.h"

#define TEXT_MAX 160 /* the longest has two ids */

static int message(struct buf *out, const char *name, struct buf *text, int r, size_t max_frame)
{
    if (r == 0 && max_frame == NOTICE_EVENT)
        r = sse_form_event(out, name, buf_slice(text));
    else if (r == 0)
        r = frame_message(out, FRAME_TEXT, buf_slice(text), max_frame);
    buf_fini(text);
    return r;
}

int notice_recovered(struct buf *out, const char *since, size_t max_frame)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    int r = buf_printf(&text, "{\"control\":\"recovered\",\"since\":\"%s\"}", since);
    return message(out, "recovered", &text, r, max_frame);
}

int notice_gap(struct buf *out, const char *reason, const char *since, const char *oldest,
               size_t max_frame)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    int r = buf_printf(&text, "{\"control\":\"gap\",\"reason\":\"%s\"", reason);
    if (r == 0 && since != NULL)
        r = buf_printf(&text, ",\"since\":\"%s\"", since);
    if (r == 0 && oldest != NULL && oldest[0] != '\0')
        r = buf_printf(&text, ",\"oldest\":\"%s\"}", oldest);
    else if (r == 0)
        r = buf_append_str(&text, ",\"oldest\":null}");
    return message(out, "gap", &text, r, max_frame);
}

int notice_draining(struct buf *out, unsigned code, uint64_t close_in_ms, size_t max_frame)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    int r = buf_printf(&text, "{\"control\":\"draining\",\"code\":%u,\"close_in_ms\":%llu}", code,
                       (unsigned long long) close_in_ms);
    return message(out, "draining", &text, r, max_frame);
}

int notice_token_expiring(struct buf *out, uint64_t expires_in_ms, size_t max_frame)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    int r =
        buf_printf(&text, "{\"control\":\"token_expiring\",\"code\":4001,\"expires_in_ms\":%llu}",
                   (unsigned long long) expires_in_ms);
    return message(out, "token_expiring", &text, r, max_frame);
}
