/* event_view.h - a message of the gateway as a client sees it: its events, each as the bytes that
 * came and as the fields that people and handlers ask for. (pure) One thread. */
#ifndef CLI_EVENT_VIEW_H
#define CLI_EVENT_VIEW_H

#include "buf.h"
#include "id.h"

#include <cjson/cJSON.h>

bool event_view_is_id(struct slice s);

/* Borrowed from `json`, "" where the event does not have it. */
struct event_view {
    cJSON *json;
    const char *id, *type; /* "CreateImage" */
    const char *created_at, *registry, *repository, *tag, *image_id, *digest;
    const char *replay; /* the caller's: the id of the replay that it came with */
};

/* 0, or -EBADMSG: it is no event with an id.
 * event_view_fini() in any case. */
MUST_CHECK int event_view_parse(struct slice text, struct event_view *ret);
void event_view_fini(struct event_view *v);

enum message_kind { MESSAGE_EVENTS, MESSAGE_CONTROL, MESSAGE_OTHER };
/* What a text message is; *ret_events is the array of EVENTS with its brackets. */
enum message_kind message_kind(struct slice text, struct slice *ret_events);

/* The mark of a message that an operator has sent again. */
struct message_replay {
    char id[ID_SIZE];     /* of the replay; "": the message is none */
    char resume[ID_SIZE]; /* the id to go on behind it; "": it was sent to this connection alone */
};
void message_replay(struct slice text, struct message_replay *ret);

/* One aligned line for people: time, type, repository:tag, short digest; with its newline. */
MUST_CHECK int event_view_line(const struct event_view *v, bool color, struct buf *out);
/* The text with what is not printable as "?". */
MUST_CHECK int event_view_clean(struct slice text, struct buf *out);

#endif
