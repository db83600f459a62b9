/* Deflated messages. Any bytes as deflate data, in one frame and in fragments that are cut again as
 * they are fed, give the same record; and any bytes as a message, deflated as we send it and fed as
 * a client would, come back as they were. */
#include "../cases_ws.h"
#include "../cuts.h"
#include "deflater.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 70000

static const uint8_t MASK[4] = {0x12, 0x34, 0x00, 0xff};

static struct buf fragments(struct slice packed, uint8_t opcode, const struct cuts *cuts)
{
    struct buf out;
    size_t start = 0;
    buf_init(&out, 1 << 24);
    for (size_t i = 0; i <= cuts->n; i++) {
        size_t end = i < cuts->n ? cuts->at[i] : packed.len;
        ws_put_frame(&out, i == cuts->n, i == 0 ? FRAME_RSV1 | opcode : 0,
                     slice_sub(packed, start, end), end - start, MASK);
        start = end;
    }
    return out;
}

static void any_data(struct slice packed, uint8_t opcode, const struct ws_limits *limits,
                     uint64_t *seed)
{
    static struct cuts cuts;
    cuts.n = 0;
    struct buf input = fragments(packed, opcode, &cuts);
    struct ws_record whole = ws_record(limits, buf_slice(&input), NULL, 0);
    buf_fini(&input);
    cuts_at_random(&cuts, packed.len, 1 + *seed % 100, seed);
    input = fragments(packed, opcode, &cuts);
    cuts_at_random(&cuts, input.len, 1 + *seed % 50, seed);
    struct ws_record cut = ws_record(limits, buf_slice(&input), cuts.at, cuts.n);
    if (!slice_eq(buf_slice(&whole.text), buf_slice(&cut.text)))
        abort();
    ws_record_fini(&whole);
    ws_record_fini(&cut);
    buf_fini(&input);
}

static void there_and_back(struct slice message, int level, struct ws_limits limits)
{
    struct deflater *d = deflater_new(level);
    struct buf plain, packed, payload, expect_frames;
    buf_init(&plain, 1 << 24);
    buf_init(&packed, 1 << 24);
    buf_init(&payload, 1 << 24);
    buf_init(&expect_frames, 1 << 24);
    if (d == NULL || frame_message(&plain, FRAME_BINARY, message, 100) < 0)
        abort();
    if (deflater_message(d, buf_slice(&plain), 1000, &packed) == 0) {
        struct slice rest = buf_slice(&packed), part;
        for (uint8_t first; frame_next(&rest, &first, &part);)
            if (buf_append(&payload, part) < 0)
                abort();
        const struct cuts none = {.n = 0};
        struct buf input = fragments(buf_slice(&payload), FRAME_BINARY, &none);
        struct ws_record got = ws_record(&limits, buf_slice(&input), NULL, 0);
        ws_put_frame(&expect_frames, true, FRAME_BINARY, message, message.len, MASK);
        struct ws_record want = ws_record(&limits, buf_slice(&expect_frames), NULL, 0);
        if (rest.len > 0 || !slice_eq(buf_slice(&got.text), buf_slice(&want.text)))
            abort();
        ws_record_fini(&got);
        ws_record_fini(&want);
        buf_fini(&input);
    }
    buf_fini(&plain);
    buf_fini(&packed);
    buf_fini(&payload);
    buf_fini(&expect_frames);
    deflater_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > MOST)
        return 0;
    uint64_t seed = data[0] + 1u;
    struct slice rest = slice_of(data + 1, size - 1);
    struct ws_limits limits = {.max_frame = MOST,
                               .max_message = MOST,
                               .max_fragments = UINT32_MAX,
                               .inflate_bits = 15,
                               .collect = (data[0] & 1) != 0};
    any_data(rest, (data[0] & 2) != 0 ? FRAME_TEXT : FRAME_BINARY, &limits, &seed);
    there_and_back(rest, 1 + (data[0] >> 2) % 9, limits);
    return 0;
}
