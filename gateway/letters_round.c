/* letters_round.c - some dead letters held in memory at once. */
#include "letters_round.h"

#include "mem.h"

#include <stdlib.h>

void letters_round_init(struct letters_round *round, bool events, uint64_t only, uint64_t until)
{
    *round = (struct letters_round){.events = events, .only = only, .until = until};
    round->letters = xcalloc(LETTERS_ROUND_MAX, sizeof(*round->letters));
}

void letters_round_next(struct letters_round *round)
{
    for (size_t i = 0; i < round->n; i++) {
        round->after = round->letters[i].id;
        free(round->letters[i].registry_id);
        free(round->letters[i].body);
        free(round->letters[i].headers);
    }
    round->n = round->bytes = 0;
}

void letters_round_fini(struct letters_round *round)
{
    letters_round_next(round);
    free(round->letters);
    round->letters = NULL;
}

static bool is_wanted(const struct letters_round *round, const struct store_letter *l)
{
    return (l->event_seq != 0) == round->events && l->id > round->after && l->id <= round->until &&
           (round->only == 0 || l->id == round->only);
}

static uint8_t *copy(struct slice s)
{
    uint8_t *to = xmalloc(s.len + 1);
    if (s.len > 0)
        memcpy(to, s.data, s.len);
    return to;
}

int letters_round_add(void *ctx, const struct store_letter *l)
{
    struct letters_round *round = ctx;
    if (!is_wanted(round, l))
        return 0;
    if (round->n == LETTERS_ROUND_MAX ||
        (round->n > 0 && round->bytes + l->body.len > LETTERS_ROUND_BYTES))
        return -ECANCELED;
    struct letter *to = &round->letters[round->n++];
    *to = (struct letter){.id = l->id,
                          .wall_ms = l->wall_ms,
                          .registry_id = xstrdup(l->registry_id),
                          .body = copy(l->body),
                          .headers = copy(l->headers),
                          .len = l->body.len,
                          .headers_len = l->headers.len};
    round->bytes += l->body.len;
    return 0;
}
