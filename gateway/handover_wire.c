/* handover_wire.c - see handover_wire.h. */
#include "handover_wire.h"

#include "tagged.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { FIELD_NUMBER = 1, FIELD_OTHER, FIELD_TEXT, FIELD_BYTES };

#define RECORD_KIND    'O'
#define RECORD_VERSION 1

static int encode(struct buf *out, const struct handover_message *m)
{
    int r = tagged_begin(out, RECORD_KIND, RECORD_VERSION);
    if (r == 0)
        r = tagged_put_u64(out, FIELD_NUMBER, m->number);
    if (r == 0)
        r = tagged_put_u64(out, FIELD_OTHER, m->other);
    if (r == 0)
        r = tagged_put(out, FIELD_TEXT, m->text);
    return r == 0 ? tagged_put(out, FIELD_BYTES, m->bytes) : r;
}

int handover_put(struct courier *c, const struct handover_message *m)
{
    struct buf body;
    buf_init(&body, HANDOVER_MAX_BODY);
    int r = encode(&body, m);
    if (r == 0)
        r = courier_put(c, (uint16_t) m->kind, buf_slice(&body), m->file);
    buf_fini(&body);
    return r;
}

static int take_field(const struct tagged_field *f, struct handover_message *m)
{
    switch (f->tag) {
    case FIELD_NUMBER:
        return tagged_u64(f, &m->number) ? 0 : -EBADMSG;
    case FIELD_OTHER:
        return tagged_u64(f, &m->other) ? 0 : -EBADMSG;
    case FIELD_TEXT:
        m->text = f->value;
        return tagged_text(f, HANDOVER_MAX_BODY) ? 0 : -EBADMSG;
    case FIELD_BYTES:
        m->bytes = f->value;
        return 0;
    default:
        return 0; /* of a later version */
    }
}

static int decode(const struct courier_message *from, struct handover_message *ret)
{
    struct tagged body;
    struct tagged_field f;
    bool file = from->kind == WIRE_SOCKET || from->kind == WIRE_CONNECTION;
    if (from->kind == 0 || from->kind >= WIRE_N_KINDS || (from->file >= 0) != file ||
        !tagged_open(&body, from->body, RECORD_KIND, RECORD_VERSION))
        return -EBADMSG;
    *ret = (struct handover_message){.kind = (enum handover_kind) from->kind, .file = from->file};
    int r;
    while ((r = tagged_next(&body, &f)) == 1) {
        r = take_field(&f, ret);
        if (r < 0)
            break;
    }
    return r;
}

int handover_take(struct courier *c, struct handover_message *ret)
{
    struct courier_message got;
    int r = courier_take(c, &got);
    if (r != 1)
        return r;
    r = decode(&got, ret);
    if (r < 0 && got.file >= 0)
        (void) close(got.file);
    return r < 0 ? r : 1;
}

int handover_address(const char *dir, struct sockaddr_un *ret, int *ret_dir_fd)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = -1;
    int len = snprintf(at.sun_path, sizeof(at.sun_path), "%s/" HANDOVER_SOCKET, dir);
    if (len < 0 || (size_t) len >= sizeof(at.sun_path)) {
        fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        (void) snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/" HANDOVER_SOCKET, fd);
    }
    *ret = at;
    *ret_dir_fd = fd;
    return 0;
}
