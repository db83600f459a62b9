/* What a NATS server says, and what is read of it: INFO, messages with headers, where a message of
 * a consumer is. The first byte says how the rest is cut: however that is, the same comes out, and
 * no byte is looked at that has not come. */
#include "nats/consumer_private.h"
#include "nats/nats_info.h"

#include <stdlib.h>

#define LIMIT  ((size_t) 4096)
#define FNV    UINT64_C(0xcbf29ce484222325)
#define STEP_1 16 /* single bytes for so many of them: every one would take a square's time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t mix(uint64_t sum, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
    return (sum ^ len) * UINT64_C(0x100000001b3);
}

static uint64_t mix_message(uint64_t sum, const struct nats_msg *m)
{
    struct consumer_place at = {0};
    ASSERT(m->headers.len + m->data.len <= LIMIT && m->status <= 999);
    ASSERT(strlen(m->subject) > 0 && strlen(m->subject) < NATS_LINE_MAX);
    if (consumer_place_read(m->reply, &at))
        ASSERT(strncmp(m->reply, "$JS.ACK.", 8) == 0);
    struct slice value = nats_header(m->headers, "Nats-Last-Consumer");
    ASSERT(value.len <= m->headers.len);
    sum = mix(sum, m->subject, strlen(m->subject));
    sum = mix(sum, m->reply, strlen(m->reply));
    sum = mix(sum, m->headers.data, m->headers.len);
    sum = mix(sum, m->data.data, m->data.len);
    return mix(sum, &at, sizeof(at));
}

static uint64_t mix_op(uint64_t sum, const struct nats_op *op)
{
    struct nats_info info;
    sum = mix(sum, &op->kind, sizeof(op->kind));
    if (op->kind == NATS_OP_MSG)
        return mix_message(mix(sum, &op->sid, sizeof(op->sid)), &op->msg);
    if (op->kind == NATS_OP_INFO && nats_info_read(op->text, &info) == 0) {
        ASSERT(info.server.max_payload > 0 && info.n_named <= NATS_MAX_SERVERS);
        struct nats_servers servers = {.at[0] = {.host = "a"}, .n = 1, .n_given = 1};
        nats_servers_name(&servers, (const char *const *) info.named, info.n_named);
        ASSERT(servers.n >= 1 && servers.n <= NATS_MAX_SERVERS);
        nats_info_fini(&info);
    }
    return mix(sum, op->text.data, op->text.len);
}

/* Each piece in memory of its own. Returns what came out, and in *ret_err how it ended. */
static uint64_t parse(struct slice in, size_t step, int *ret_err)
{
    struct nats_parse p = {.limit = LIMIT};
    uint64_t sum = FNV;
    size_t here = 0;
    *ret_err = 0;
    while (in.len > here) {
        here = in.len - here < step ? in.len : here + step;
        for (;;) {
            struct nats_op op;
            size_t used = 0;
            uint8_t *bytes = malloc(here > 0 ? here : 1);
            ASSERT(bytes != NULL);
            if (here > 0)
                memcpy(bytes, in.data, here);
            int r = nats_parse(&p, bytes, here, &used, &op);
            ASSERT(r >= 0 || r == -EBADMSG || r == -EMSGSIZE);
            ASSERT(r != 0 || nats_parse_wants(&p) > here);
            ASSERT(nats_parse_wants(&p) <= NATS_INFO_MAX + LIMIT + NATS_LINE_MAX);
            if (r == 1)
                sum = mix_op(sum, &op);
            free(bytes);
            *ret_err = r < 0 ? r : 0;
            if (r < 0)
                return sum;
            if (r == 0)
                break;
            ASSERT(used > 0 && used <= here);
            in = slice_from(in, used);
            here -= used;
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice in = slice_of(data + 1, size - 1);
    size_t step = (size_t) data[0] + 1;
    int whole_err, cut_err;
    if (step < STEP_1 && in.len > (size_t) STEP_1 * 64)
        step = STEP_1;
    uint64_t whole = parse(in, in.len, &whole_err), cut = parse(in, step, &cut_err);
    ASSERT(whole == cut && whole_err == cut_err);
    return 0;
}
