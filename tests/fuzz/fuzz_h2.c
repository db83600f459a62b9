/* HTTP/2 connections: any bytes, fed whole and cut at places that the first byte picks, give the
 * same record, and gone() comes once for each head(). The second byte says whether the greeting is
 * put in front. */
#include "../cases_h2.h"
#include "../cuts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes and ticks between the pieces too, which is another order of things but must be safe. */
static void run_on(struct slice input, const struct cuts *cuts)
{
    struct h2_peer p;
    h2_peer_init(&p);
    size_t from = 0;
    uint64_t now_ms = 1000;
    int r = 0;
    for (size_t i = 0; i <= cuts->n && r == 0; i++) {
        size_t to = i < cuts->n ? cuts->at[i] : input.len;
        r = h2_receive(p.h, slice_sub(input, from, to), now_ms);
        h2_peer_take(&p);
        now_ms += to - from;
        if (r == 0 && i % 4 == 3)
            r = h2_tick(p.h, now_ms);
        if (i == 7)
            h2_drain(p.h);
        from = to;
    }
    h2_peer_take(&p);
    if (r < 0 && !h2_is_over(p.h))
        abort();
    h2_peer_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cuts cuts;
    if (size < 2)
        return 0;
    uint64_t seed = data[0] + 1u;
    struct buf input;
    buf_init(&input, SIZE_MAX);
    if ((data[1] & 1) == 0)
        put_greeting(&input);
    put(&input, slice_of(data + 2, size - 2));
    struct buf whole = h2_record(buf_slice(&input), NULL, 0);
    if ((data[0] & 1) != 0)
        cuts_each_byte(&cuts, input.len);
    else
        cuts_at_random(&cuts, input.len, 1 + data[0], &seed);
    struct buf cut = h2_record(buf_slice(&input), cuts.at, cuts.n);
    if (!slice_eq(buf_slice(&whole), buf_slice(&cut))) {
        (void) fprintf(stderr, "whole: %.*s\ncut:   %.*s\n", (int) whole.len,
                       (const char *) whole.data, (int) cut.len, (const char *) cut.data);
        abort();
    }
    buf_fini(&whole);
    buf_fini(&cut);
    run_on(buf_slice(&input), &cuts);
    buf_fini(&input);
    return 0;
}
