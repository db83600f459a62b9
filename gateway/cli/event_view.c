/* event_view.c - a message of the gateway as a client sees it. (pure) */
#include "event_view.h"

#include "json.h"
#include "utf8.h"

#include <stdio.h>

#define TYPE_WIDTH   14
#define NAME_WIDTH   40
#define DIGEST_SHORT 12

static const char *member(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

bool event_view_is_id(struct slice s)
{
    uint64_t hi, lo;
    return id_decode(EVENT_ID_PREFIX, s, &hi, &lo);
}

int event_view_parse(struct slice text, struct event_view *ret)
{
    const char *why;
    *ret = (struct event_view){.json = NULL, .replay = ""};
    if (json_check(text, &why) < 0)
        return -EBADMSG;
    ret->json = cJSON_ParseWithLength((const char *) text.data, text.len);
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(ret->json, "event_metadata");
    const cJSON *details = cJSON_GetObjectItemCaseSensitive(ret->json, "details");
    ret->id = member(meta, "event_id");
    const char *type = member(meta, "event_type"), *dot = strrchr(type, '.');
    ret->type = dot == NULL ? type : dot + 1;
    ret->created_at = member(meta, "created_at");
    ret->registry = member(details, "registry_id");
    ret->repository = member(details, "repository_name");
    ret->tag = member(details, "tag");
    ret->image_id = member(details, "image_id");
    ret->digest = member(details, "image_digest");
    return event_view_is_id(slice_str(ret->id)) ? 0 : -EBADMSG;
}

void event_view_fini(struct event_view *v)
{
    cJSON_Delete(v->json);
    v->json = NULL;
}

enum message_kind message_kind(struct slice text, struct slice *ret_events)
{
    struct slice value;
    size_t blank = 0;
    while (blank < text.len && strchr(" \t\r\n", text.data[blank]) != NULL)
        blank++;
    text = slice_from(text, blank);
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL)
        text.len--;
    if (text.len == 0 || text.data[0] != '{')
        return MESSAGE_OTHER;
    if (json_member(text, "messages", &value) == 0 && value.len > 0 && value.data[0] == '[') {
        *ret_events = value;
        return MESSAGE_EVENTS;
    }
    return json_member(text, "control", &value) == 0 ? MESSAGE_CONTROL : MESSAGE_OTHER;
}

static void copy_text(struct slice object, const char *name, char ret[ID_SIZE])
{
    struct slice value;
    if (json_member(object, name, &value) == 0 && value.data[0] == '"')
        (void) json_string_copy(value, ret, ID_SIZE);
}

void message_replay(struct slice text, struct message_replay *ret)
{
    struct slice mark;
    const char *why;
    *ret = (struct message_replay){.id = ""};
    if (json_member(text, "replay", &mark) < 0 || json_check(mark, &why) < 0)
        return;
    copy_text(mark, "id", ret->id);
    copy_text(mark, "resume", ret->resume);
    if (!event_view_is_id(slice_str(ret->resume)))
        ret->resume[0] = '\0';
}

/* --- for people --- */

int event_view_clean(struct slice text, struct buf *out)
{
    int r = 0;
    bool utf8 = utf8_valid(text);
    for (size_t i = 0; r == 0 && i < text.len; i++) {
        uint8_t c = text.data[i];
        /* C1 control characters are C2 80 - C2 9F. */
        bool c1 = c >= 0x80 && c < 0xa0 && i > 0 && text.data[i - 1] == 0xc2;
        bool fine = c >= ' ' && c != 0x7f && (c < 0x80 || utf8) && !c1;
        r = buf_append(out, fine ? slice_of(&c, 1) : SLICE_LIT("?"));
    }
    return r;
}

/* "2026-11-22T04:50:41.672663264Z" as "2026-11-22 04:50:41". */
static int put_time(const char *time, struct buf *out)
{
    char text[20];
    (void) snprintf(text, sizeof(text), "%-19.19s", time);
    if (text[10] == 'T')
        text[10] = ' ';
    return event_view_clean(slice_of(text, 19), out);
}

/* The registry's id in front of the repository says little on a terminal. */
static const char *short_repository(const struct event_view *v)
{
    size_t len = strlen(v->registry);
    bool prefixed =
        len > 0 && strncmp(v->repository, v->registry, len) == 0 && v->repository[len] == '/';
    return prefixed ? v->repository + len + 1 : v->repository;
}

static int put_name(const struct event_view *v, struct buf *out)
{
    char name[1024];
    int n = snprintf(name, sizeof(name), "%s%s%s", short_repository(v),
                     v->tag[0] == '\0' ? "" : ":", v->tag);
    size_t len = n < 0 ? 0 : (size_t) n < sizeof(name) ? (size_t) n : sizeof(name) - 1;
    int r = event_view_clean(slice_of(name, len), out);
    return r == 0 && len < NAME_WIDTH ? buf_printf(out, "%*s", (int) (NAME_WIDTH - len), "") : r;
}

static int put_type(const struct event_view *v, bool color, struct buf *out)
{
    const char *begin = "", *stop = "";
    if (color) {
        begin = strncmp(v->type, "Delete", 6) == 0 ? "\033[31m" : "\033[32m";
        stop = "\033[0m";
    }
    int r = buf_append_str(out, begin);
    if (r == 0)
        r = event_view_clean(slice_str(v->type), out);
    if (r == 0)
        r = buf_append_str(out, stop);
    size_t len = strlen(v->type);
    return r == 0 && len < TYPE_WIDTH ? buf_printf(out, "%*s", (int) (TYPE_WIDTH - len), "") : r;
}

static int put_digest(const struct event_view *v, bool color, struct buf *out)
{
    const char *colon = strchr(v->digest, ':');
    struct slice text = slice_str(v->digest);
    size_t most = (colon == NULL ? 0 : (size_t) (colon - v->digest) + 1) + DIGEST_SHORT;
    if (text.len > most)
        text.len = most;
    int r = buf_append_str(out, color ? "\033[2m" : "");
    if (r == 0)
        r = event_view_clean(text, out);
    return r == 0 ? buf_append_str(out, color ? "\033[0m\n" : "\n") : r;
}

int event_view_line(const struct event_view *v, bool color, struct buf *out)
{
    size_t before = out->len;
    int r = put_time(v->created_at, out);
    if (r == 0)
        r = buf_append_str(out, "  ");
    if (r == 0)
        r = put_type(v, color, out);
    if (r == 0)
        r = buf_append_str(out, "  ");
    if (r == 0)
        r = put_name(v, out);
    if (r == 0)
        r = buf_append_str(out, "  ");
    if (r == 0)
        r = put_digest(v, color, out);
    if (r < 0)
        out->len = before;
    return r;
}
