/* Client frames: any bytes, fed whole and cut at places that the first byte picks, give the same
 * record, with and without collecting. The frames are masked with the key they bring, so the corpus
 * uses the key 0. */
#include "../cases_ws.h"
#include "../cuts.h"
#include "../heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAP_WORKER   (16u << 10) /* lent to one connection after the other, */
#define HEAP_MESSAGE  1024        /* a half-received message, */
#define HEAP_INFLATER (64u << 10) /* and what inflates it */

static bool take_message(void *ctx, enum frame_opcode opcode, struct slice payload, uint64_t len)
{
    (void) ctx, (void) opcode, (void) payload, (void) len;
    return true;
}

static bool take_control(void *ctx, struct slice payload)
{
    (void) ctx, (void) payload;
    return true;
}

static bool take_close(void *ctx, uint16_t code, struct slice reason)
{
    (void) code, (void) reason;
    *(bool *) ctx = true;
    return false;
}

/* What a connection holds between two reads is in proportion to what it sent, or within its
 * bounds: a deflated message may be longer than what it came as. */
static void check_heap(const struct ws_limits *limits, struct slice input)
{
    static const struct ws_events EVENTS = {take_message, take_control, take_control, take_close};
    struct ws_pool *pool = ws_pool_new();
    struct ws *ws = NULL;
    bool closed = false;
    size_t before = heap_bytes(), most = HEAP_WORKER + HEAP_MESSAGE + 4 * input.len;
    if (limits->inflate_bits > 0)
        most += HEAP_INFLATER + (limits->collect ? 2 * limits->max_message : 0);
    while (input.len > 0 && !closed) {
        size_t n = input.len < 7 ? input.len : 7;
        if (ws_feed(pool, &ws, limits, &EVENTS, &closed, slice_sub(input, 0, n), NULL) !=
            REFUSE_NONE)
            break;
        ASSERT(heap_bytes() <= before + most);
        input = slice_from(input, n);
    }
    ws_drop(pool, &ws);
    ws_pool_free(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cuts cuts;
    if (size == 0)
        return 0;
    uint64_t seed = data[0] + 1u;
    struct slice input = slice_of(data + 1, size - 1);
    struct ws_limits limits = WS_CASE_LIMITS;
    limits.collect = (data[0] & 2) != 0;
    if ((data[0] & 4) != 0)
        limits.max_frame = limits.max_message = 70000;
    if ((data[0] & 8) != 0)
        limits.inflate_bits = 15;
    struct ws_record whole = ws_record(&limits, input, NULL, 0);
    if ((data[0] & 1) != 0)
        cuts_each_byte(&cuts, input.len);
    else
        cuts_at_random(&cuts, input.len, 1 + data[0], &seed);
    struct ws_record cut = ws_record(&limits, input, cuts.at, cuts.n);
    if (!slice_eq(buf_slice(&whole.text), buf_slice(&cut.text)) || whole.n_control != cut.n_control)
        abort();
    ws_record_fini(&whole);
    ws_record_fini(&cut);
    check_heap(&limits, input);
    return 0;
}
