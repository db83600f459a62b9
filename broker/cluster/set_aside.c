/* set_aside.c - accepted events that no trigger can send, among the dead letters of all nodes. */
#include "cluster/set_aside.h"

#include "clock.h"

#define MARK          SLICE_LIT("Regcast-Event: 1\r\n") /* a header that no sender's letter has */
#define SEQUENCE_BITS 37                                /* id.h */
#define OWN_SLOTS     64

static uint64_t letter_id(const struct event *event)
{
    uint64_t hi, lo;
    if (!id_decode(EVENT_ID_PREFIX, slice_str(event->id), &hi, &lo))
        return 1;
    uint64_t ms = hi << (64 - SEQUENCE_BITS) | lo >> SEQUENCE_BITS;
    return ms * SET_ASIDE_SLOTS + SET_ASIDE_SLOTS - 1 - lo % OWN_SLOTS;
}

void set_aside_event(struct records *r, struct event *event, const char *why)
{
    struct buf body;
    buf_init(&body, SIZE_MAX / 2);
    if (record_put_event(&body, event) == 0)
        records_put_letter(r, letter_id(event),
                           &(struct record_letter){.wall_ms = clock_wall_ms(),
                                                   .registry_id = event->registry_id,
                                                   .reason = why,
                                                   .body = buf_slice(&body),
                                                   .headers = MARK});
    buf_fini(&body);
}

int set_aside_put(struct buf *out, struct event *event, const char *why, uint64_t *ret_id)
{
    struct buf body;
    buf_init(&body, SIZE_MAX / 2);
    int r = record_put_event(&body, event);
    if (r == 0)
        r = record_put_letter(out, &(struct record_letter){.wall_ms = clock_wall_ms(),
                                                           .registry_id = event->registry_id,
                                                           .reason = why,
                                                           .body = buf_slice(&body),
                                                           .headers = MARK});
    buf_fini(&body);
    *ret_id = letter_id(event);
    return r;
}

struct record_letter set_aside_shared(const struct store_letter *l)
{
    return (struct record_letter){.wall_ms = l->wall_ms,
                                  .registry_id = l->registry_id,
                                  .reason = l->reason,
                                  .body = l->body,
                                  .headers = l->event_seq == 0 ? l->headers : MARK};
}

struct store_letter set_aside_kept(uint64_t id, const struct record_letter *letter)
{
    if (letter == NULL)
        return (struct store_letter){.id = id};
    bool event = slice_eq(letter->headers, MARK);
    return (struct store_letter){.id = id,
                                 .wall_ms = letter->wall_ms,
                                 .registry_id = letter->registry_id,
                                 .reason = letter->reason,
                                 .event_seq = event ? 1 : 0,
                                 .body = letter->body,
                                 .headers = event ? (struct slice){0} : letter->headers};
}
