/* Client frames: any bytes, fed whole and cut at places that the first byte picks, give the same
 * record, with and without collecting. The frames are masked with the key they bring, so the corpus
 * uses the key 0. */
#include "../cases_ws.h"
#include "../cuts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    return 0;
}
