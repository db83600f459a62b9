/* member_entry.c - what a node says of itself, as JSON. */
#include "cluster/member_entry.h"

#include "config_value.h"
#include "json.h"
#include "utf8.h"

#include <inttypes.h>

#define NUMBER_SIZE 21 /* of 64 bits in decimal, with the NUL */

enum { NODE, NONCE, ADDRESS, VERSION, STARTED, CONNECTIONS, SHARDS, ABLE, READY, N_PLACES };
static const struct json_place PLACES[N_PLACES] = {
    [NODE] = {SLICE_INIT("node"), -1},       [NONCE] = {SLICE_INIT("nonce"), -1},
    [ADDRESS] = {SLICE_INIT("address"), -1}, [VERSION] = {SLICE_INIT("version"), -1},
    [STARTED] = {SLICE_INIT("started"), -1}, [CONNECTIONS] = {SLICE_INIT("connections"), -1},
    [SHARDS] = {SLICE_INIT("shards"), -1},   [ABLE] = {SLICE_INIT("able"), -1},
    [READY] = {SLICE_INIT("ready"), -1},
};

static int put_text(struct buf *out, const char *key, const char *value)
{
    int r = buf_printf(out, "\"%s\":", key);
    if (r == 0)
        r = json_append_string(out, slice_str(value));
    return r < 0 ? r : buf_append_str(out, ",");
}

int member_entry_write(struct buf *out, const struct member_entry *e)
{
    int r = buf_append_str(out, "{");
    if (r == 0)
        r = put_text(out, "node", e->peer.node);
    if (r == 0)
        r = put_text(out, "nonce", e->nonce);
    if (r == 0)
        r = put_text(out, "address", e->peer.address);
    if (r == 0)
        r = put_text(out, "version", e->peer.version);
    if (r < 0)
        return r;
    return buf_printf(out,
                      "\"started\":%" PRIu64 ",\"connections\":%" PRIu64
                      ",\"shards\":%u,\"able\":%s,\"ready\":%s}",
                      e->peer.started_ms, e->peer.connections, e->peer.shards,
                      e->able ? "true" : "false", e->peer.ready ? "true" : "false");
}

/* One that is missing or longer than we keep is no reason to refuse the node. */
static void read_text(struct slice value, char *ret, size_t cap)
{
    size_t len = 0;
    if (value.len > 0 && value.data[0] == '"')
        len = json_string_copy(value, ret, cap);
    while (len > 0 && !utf8_valid(slice_of(ret, len))) /* the copy ends inside a character */
        len--;
    ret[len] = '\0';
}

static uint64_t read_number(struct slice value)
{
    char digits[NUMBER_SIZE];
    uint64_t number = 0;
    if (value.len == 0 || value.len >= sizeof(digits))
        return 0;
    memcpy(digits, value.data, value.len);
    digits[value.len] = '\0';
    return value_count(digits, &number) ? number : 0;
}

int member_entry_read(struct slice json, struct member_entry *ret)
{
    struct slice values[N_PLACES];
    struct member_entry e = {.able = false};
    const char *why;
    if (json_check_places(json, PLACES, N_PLACES, values, &why) < 0)
        return -EBADMSG;
    read_text(values[NODE], e.peer.node, sizeof(e.peer.node));
    read_text(values[NONCE], e.nonce, sizeof(e.nonce));
    read_text(values[ADDRESS], e.peer.address, sizeof(e.peer.address));
    read_text(values[VERSION], e.peer.version, sizeof(e.peer.version));
    if (e.peer.node[0] == '\0' || e.nonce[0] == '\0')
        return -EBADMSG;
    e.peer.started_ms = read_number(values[STARTED]);
    e.peer.connections = read_number(values[CONNECTIONS]);
    uint64_t shards = read_number(values[SHARDS]);
    e.peer.shards = shards < UINT32_MAX ? (unsigned) shards : UINT32_MAX;
    e.able = slice_eq_str(values[ABLE], "true");
    e.peer.ready = slice_eq_str(values[READY], "true");
    *ret = e;
    return 0;
}

bool member_entry_newer(const struct member_entry *a, const struct member_entry *b)
{
    return a->peer.started_ms != b->peer.started_ms ? a->peer.started_ms > b->peer.started_ms
                                                    : strcmp(a->nonce, b->nonce) > 0;
}
