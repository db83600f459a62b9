/* courier.c - see courier.h. */
#include "courier.h"

#include "mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEAD_BYTES 8
#define READ_BYTES 65536

struct courier_parcel {
    struct courier_parcel *next;
    size_t len, sent;
    int file; /* -1: none, or it has left */
    uint8_t bytes[];
};

void courier_init(struct courier *c, int fd, size_t max_body)
{
    *c = (struct courier){.fd = fd, .max_body = max_body};
    c->tail = &c->head;
    buf_init(&c->in, SIZE_MAX / 2);
    (void) fcntl(fd, F_SETFL, O_NONBLOCK); /* our own socket: always 0 */
}

/* --- sending --- */

static void drop_first(struct courier *c)
{
    struct courier_parcel *p = c->head;
    c->head = p->next;
    if (c->head == NULL)
        c->tail = &c->head;
    c->waiting -= p->len;
    if (p->file >= 0)
        (void) close(p->file);
    free(p);
}

static void put_u32(uint8_t *to, uint64_t value)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t) (value >> (8 * i));
}

int courier_put(struct courier *c, uint16_t kind, struct slice body, int file)
{
    size_t len = HEAD_BYTES + body.len;
    struct courier_parcel *p = try_malloc(sizeof(*p) + len);
    if (p == NULL)
        return -ENOMEM;
    *p = (struct courier_parcel){.len = len, .file = -1};
    if (file >= 0) {
        p->file = fcntl(file, F_DUPFD_CLOEXEC, 0);
        if (p->file < 0) {
            int err = -errno;
            free(p);
            return err;
        }
    }
    put_u32(p->bytes, body.len);
    put_u32(p->bytes + 4, kind | (file >= 0 ? 1u << 16 : 0));
    if (body.len > 0)
        memcpy(p->bytes + HEAD_BYTES, body.data, body.len);
    *c->tail = p;
    c->tail = &p->next;
    c->waiting += len;
    return 0;
}

static ssize_t send_some(const struct courier *c, struct courier_parcel *p)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec bytes = {p->bytes + p->sent, p->len - p->sent};
    struct msghdr m = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (p->file >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *head = CMSG_FIRSTHDR(&m);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &p->file, sizeof(int));
    }
    return sendmsg(c->fd, &m, MSG_NOSIGNAL);
}

int courier_send(struct courier *c)
{
    while (c->head != NULL) {
        struct courier_parcel *p = c->head;
        ssize_t n = send_some(c, p);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == ETOOMANYREFS ? -EAGAIN : -errno;
        if (p->file >= 0) /* it goes with the first byte */
            (void) close(p->file);
        p->file = -1;
        p->sent += (size_t) n;
        if (p->sent == p->len)
            drop_first(c);
    }
    return 0;
}

/* --- receiving --- */

static int keep_files(struct courier *c, struct msghdr *m)
{
    int r = (m->msg_flags & MSG_CTRUNC) != 0 ? -EBADMSG : 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(m); head != NULL; head = CMSG_NXTHDR(m, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int file;
            memcpy(&file, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
            if (c->n_files < COURIER_MAX_FILES) {
                c->files[c->n_files++] = file;
                continue;
            }
            (void) close(file);
            r = -EBADMSG;
        }
    }
    return r;
}

static int read_some(struct courier *c)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(COURIER_MAX_FILES * sizeof(int))];
    } control;
    uint8_t *room;
    int r = buf_reserve(&c->in, READ_BYTES, &room);
    if (r < 0)
        return r;
    struct iovec bytes = {room, READ_BYTES};
    struct msghdr m = {.msg_iov = &bytes,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    if (n == 0)
        return -EPIPE;
    buf_grew(&c->in, (size_t) n);
    return keep_files(c, &m);
}

static uint32_t get_u32(const uint8_t *from)
{
    uint32_t value = 0;
    for (size_t i = 4; i > 0; i--)
        value = value << 8 | from[i - 1];
    return value;
}

/* There is something to take, if only that it is too long: a peer that sends without end fills no
 * memory. */
static bool has_message(const struct courier *c)
{
    size_t there = c->in.len - c->taken;
    if (there < HEAD_BYTES)
        return false;
    size_t len = get_u32(c->in.data + c->taken);
    return len > c->max_body || there - HEAD_BYTES >= len;
}

int courier_read(struct courier *c)
{
    int r = 0;
    while (r == 0 && !has_message(c)) {
        r = c->n_files < COURIER_MAX_FILES ? read_some(c) : -EBADMSG;
        if (r == -EINTR)
            r = 0;
    }
    return r;
}

int courier_take(struct courier *c, struct courier_message *ret)
{
    if (c->taken > 0)
        buf_consume(&c->in, c->taken);
    c->taken = 0;
    if (c->in.len < HEAD_BYTES)
        return 0;
    size_t len = get_u32(c->in.data);
    uint32_t kind = get_u32(c->in.data + 4);
    if (len > c->max_body || kind >> 17 != 0)
        return -EBADMSG;
    if (c->in.len - HEAD_BYTES < len)
        return 0;
    bool file = kind >> 16 != 0;
    if (file && c->n_files == 0)
        return -EBADMSG;
    *ret = (struct courier_message){
        .kind = (uint16_t) kind, .body = slice_of(c->in.data + HEAD_BYTES, len), .file = -1};
    c->taken = HEAD_BYTES + len;
    if (file) {
        ret->file = c->files[0];
        c->n_files--;
        memmove(c->files, c->files + 1, c->n_files * sizeof(c->files[0]));
    }
    return 1;
}

void courier_fini(struct courier *c)
{
    if (c->fd < 0)
        return;
    (void) close(c->fd);
    c->fd = -1;
    while (c->head != NULL)
        drop_first(c);
    for (size_t i = 0; i < c->n_files; i++)
        (void) close(c->files[i]);
    c->n_files = 0;
    buf_fini(&c->in);
}
