/* What a gRPC client sends (FZ-06): a stream of frames, or one message that is framed here, as it
 * is or compressed. The first byte says which, the second the type of the messages, the third how
 * the stream is cut. Cuts change nothing; a message that is read is packed, and that is read as the
 * same by us and by protobuf-c, which knows nothing of this reader. */
#include "../cuts.h"
#include "err.h"
#include "grpc_call.h"
#include "grpc_frame.h"
#include "mem.h"
#include "pb.h"

#include <google/protobuf/field_mask.pb-c.h>
#include <grpc/health/v1/health.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <grpc/reflection/v1alpha/reflection.pb-c.h>
#include <stdlib.h>
#include <yandex/cloud/endpoint/api_endpoint_service.pb-c.h>
#include <yandex/cloud/iam/v1/iam_token_service.pb-c.h>
#include <yandex/cloud/operation/operation_service.pb-c.h>
#include <yandex/cloud/serverless/apigateway/websocket/v1/connection_service.pb-c.h>
#include <yandex/cloud/serverless/triggers/v1/trigger_service.pb-c.h>
#include <yandex/cloud/serverless/triggers/v2/trigger_service.pb-c.h>
#include <zlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST        (32u << 10)
#define ARENA       (8u << 20)
#define WORST       80 /* bytes of arena from one that came */
#define WORST_FIRST 1024

#define TRIGGERS(name)    (&yandex__cloud__serverless__triggers__v1__##name##_request__descriptor)
#define TRIGGERS_V2(name) (&yandex__cloud__serverless__triggers__v2__##name##_request__descriptor)
#define CONNECTION(name)                                                                           \
    (&yandex__cloud__serverless__apigateway__websocket__v1__##name##_request__descriptor)

/* The corpus has them by their place: new ones go to the end. */
static const ProtobufCMessageDescriptor *const TYPES[] = {
    TRIGGERS(get_trigger),
    TRIGGERS(list_triggers),
    TRIGGERS(create_trigger),
    TRIGGERS(update_trigger),
    TRIGGERS(delete_trigger),
    TRIGGERS(pause_trigger),
    TRIGGERS(resume_trigger),
    TRIGGERS(list_trigger_operations),
    &yandex__cloud__operation__get_operation_request__descriptor,
    &yandex__cloud__operation__cancel_operation_request__descriptor,
    CONNECTION(get_connection),
    CONNECTION(send_to_connection),
    CONNECTION(disconnect),
    &yandex__cloud__endpoint__get_api_endpoint_request__descriptor,
    &yandex__cloud__endpoint__list_api_endpoints_request__descriptor,
    &yandex__cloud__iam__v1__create_iam_token_request__descriptor,
    &yandex__cloud__iam__v1__create_iam_token_for_service_account_request__descriptor,
    &yandex__cloud__iam__v1__revoke_iam_token_request__descriptor,
    &grpc__health__v1__health_check_request__descriptor,
    &grpc__health__v1__health_list_request__descriptor,
    &grpc__reflection__v1__server_reflection_request__descriptor,
    &grpc__reflection__v1alpha__server_reflection_request__descriptor,
    TRIGGERS_V2(get_trigger),
    TRIGGERS_V2(list_triggers),
    TRIGGERS_V2(create_trigger),
    TRIGGERS_V2(update_trigger),
    TRIGGERS_V2(delete_trigger),
    TRIGGERS_V2(pause_trigger),
    TRIGGERS_V2(resume_trigger),
    TRIGGERS_V2(list_trigger_operations),
};

/* No method's request is missing. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct grpc_method *method;
    (void) argc;
    (void) argv;
    for (size_t n = 0; (method = grpc_method_at(n)) != NULL; n++) {
        size_t i = 0;
        while (i < ARRAY_LEN(TYPES) && TYPES[i] != method->request)
            i++;
        ASSERT(i < ARRAY_LEN(TYPES));
    }
    return 0;
}

/* --- one message --- */

static struct buf repack(const ProtobufCMessageDescriptor *type, struct slice packed)
{
    struct pb_arena a;
    struct buf out;
    ProtobufCMessage *m = NULL;
    pb_arena_init(&a, ARENA);
    buf_init(&out, SIZE_MAX);
    ASSERT(pb_unpack(type, packed, &a, &m) == 0);
    ASSERT(pb_pack(m, &out) == 0);
    pb_arena_fini(&a);
    return out;
}

static void try_packed(const ProtobufCMessageDescriptor *type, struct slice packed)
{
    struct buf again = repack(type, packed), theirs;
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, packed.len, packed.data);
    ASSERT(slice_eq(buf_slice(&again), packed));
    ASSERT(m != NULL);
    buf_init(&theirs, SIZE_MAX);
    ASSERT(pb_pack(m, &theirs) == 0);
    ASSERT(slice_eq(buf_slice(&theirs), packed));
    protobuf_c_message_free_unpacked(m, NULL);
    buf_fini(&theirs);
    buf_fini(&again);
}

static void try_message(const ProtobufCMessageDescriptor *type, struct slice message)
{
    struct pb_arena a;
    struct buf packed;
    ProtobufCMessage *m = NULL;
    /* a copy of its size: the sanitizer sees each byte read past the end */
    uint8_t *copy = message.len == 0 ? NULL : xmalloc(message.len);
    if (copy != NULL)
        memcpy(copy, message.data, message.len);
    pb_arena_init(&a, ARENA);
    buf_init(&packed, SIZE_MAX);
    int r = pb_unpack(type, slice_of(copy, message.len), &a, &m);
    free(copy);
    ASSERT(r == 0 || r == -EBADMSG || r == -E2BIG);
    ASSERT(a.used <= WORST * message.len + WORST_FIRST);
    if (r == 0) {
        ASSERT(pb_pack(m, &packed) == 0);
        try_packed(type, buf_slice(&packed));
    }
    buf_fini(&packed);
    pb_arena_fini(&a);
}

/* --- a stream --- */

struct stream {
    struct grpc_frame frame;
    const ProtobufCMessageDescriptor *type; /* NULL: the messages are not looked at */
    struct buf record;                      /* of what came out */
};

static bool feed(struct stream *s, struct slice piece)
{
    for (int r = 1; r == 1;) {
        size_t used;
        struct slice message = {0};
        r = grpc_frame_feed(&s->frame, piece, &used, &message);
        ASSERT(used <= piece.len && (r != 0 || used == piece.len));
        piece = slice_from(piece, used);
        ASSERT(grpc_frame_held(&s->frame) <= 2 * MOST);
        if (r != 0)
            ASSERT(buf_printf(&s->record, "%d:%zu:", r, message.len) == 0);
        ASSERT(buf_append(&s->record, message) == 0);
        if (r == 1 && s->type != NULL)
            try_message(s->type, message);
        if (r < 0)
            return false;
    }
    return true;
}

static struct buf feed_all(struct slice input, const struct cuts *cuts, enum grpc_encoding encoding,
                           const ProtobufCMessageDescriptor *type)
{
    struct stream s = {.type = type};
    bool ok = true;
    grpc_frame_init(&s.frame, encoding, MOST);
    buf_init(&s.record, SIZE_MAX);
    for (size_t i = 0, start = 0; ok && i <= cuts->n; i++) {
        size_t end = i < cuts->n ? cuts->at[i] : input.len;
        ok = feed(&s, slice_sub(input, start, end));
        start = end;
    }
    grpc_frame_fini(&s.frame);
    return s.record;
}

/* One message with its prefix. */
static struct buf framed(struct slice message, enum grpc_encoding encoding)
{
    uint8_t prefix[GRPC_PREFIX], *room;
    struct buf out;
    size_t size = message.len;
    buf_init(&out, SIZE_MAX);
    ASSERT(buf_append(&out, slice_of("     ", GRPC_PREFIX)) == 0);
    if (encoding == GRPC_GZIP) {
        z_stream z = {.next_in = (z_const Bytef *) message.data, .avail_in = (uInt) message.len};
        ASSERT(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        size = deflateBound(&z, message.len);
        ASSERT(buf_reserve(&out, size, &room) == 0);
        z.next_out = room;
        z.avail_out = (uInt) size;
        ASSERT(deflate(&z, Z_FINISH) == Z_STREAM_END);
        buf_grew(&out, z.total_out);
        (void) deflateEnd(&z);
    } else {
        ASSERT(buf_append(&out, message) == 0);
    }
    grpc_frame_prefix(out.len - GRPC_PREFIX, prefix);
    prefix[0] = encoding == GRPC_GZIP;
    memcpy(out.data, prefix, GRPC_PREFIX);
    return out;
}

static void try_stream(struct slice input, enum grpc_encoding encoding, uint64_t seed,
                       const ProtobufCMessageDescriptor *type)
{
    static struct cuts cuts;
    cuts.n = 0;
    struct buf whole = feed_all(input, &cuts, encoding, type);
    cuts_at_random(&cuts, input.len, 1 + seed % 40, &seed);
    struct buf cut = feed_all(input, &cuts, encoding, NULL);
    ASSERT(slice_eq(buf_slice(&whole), buf_slice(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > MOST / 2)
        return 0;
    enum grpc_encoding encoding = (data[0] & 1) != 0 ? GRPC_GZIP : GRPC_IDENTITY;
    const ProtobufCMessageDescriptor *type = TYPES[data[1] % ARRAY_LEN(TYPES)];
    struct slice rest = slice_of(data + 3, size - 3);
    struct buf one = {0};
    if ((data[0] & 2) != 0) {
        one = framed(rest, encoding);
        rest = buf_slice(&one);
    }
    try_stream(rest, encoding, data[2] + 1u, type);
    buf_fini(&one);
    return 0;
}
