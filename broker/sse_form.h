/* sse_form.h - messages as server-sent events (WHATWG HTML, "Server-sent events": parsing an event
 * stream). (pure) Any thread.
 *
 *   id: <the last event id in the message>      without one, the field is left out
 *   data: <its text>                            a line more for each line end in it
 *                                               an empty line ends the event
 *
 * Concatenated they are an event stream. Errors: buf_append()'s, and then nothing was appended. */
#ifndef BROKER_SSE_FORM_H
#define BROKER_SSE_FORM_H

#include "buf.h"

/* Takes one whole message off the front of `frames`, which are ours (frame.h), and appends its
 * event. -EINVAL: there is no whole text message; `frames` is then of no use. */
MUST_CHECK int sse_form_message(struct buf *out, struct slice *frames);
/* Appends an event of that name (NULL: a message) without an id. */
MUST_CHECK int sse_form_event(struct buf *out, const char *name, struct slice text);
/* What a client counts as its last event once it has the message with this text: the last event's
 * id, or what a message that was sent again says instead (replay.resume). Empty: there is none. */
struct slice sse_form_id(struct slice text);

/* A comment: nothing for the page, but a sign of life on the way to it. */
#define SSE_FORM_BEAT ":\n\n"

#endif
