/* position.c - the file that says how far a listener has come. */
#include "position.h"

#include "files.h"

void position_init(struct position *p)
{
    *p = (struct position){.id = ""};
    buf_init(&p->rest, POSITION_MAX_BYTES);
}

void position_fini(struct position *p)
{
    buf_fini(&p->rest);
}

bool position_next(struct slice *rest, struct slice *ret)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);
    if (end == NULL)
        return false;
    size_t len = (size_t) (end - rest->data);
    *ret = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, len + 1);
    return true;
}

/* Takes the id off what was read; what stays must be events. */
static int check(struct position *p)
{
    struct slice rest = buf_slice(&p->rest), line;
    if (rest.len == 0)
        return 0;
    if (!position_next(&rest, &line) || !event_view_is_id(line))
        return -EBADMSG;
    memcpy(p->id, line.data, ID_LEN);
    p->id[ID_LEN] = '\0';
    buf_consume(&p->rest, line.len + 1);
    rest = buf_slice(&p->rest);
    int r = 0;
    while (r == 0 && position_next(&rest, &line)) {
        struct event_view event;
        r = event_view_parse(line, &event);
        event_view_fini(&event);
    }
    return r == 0 && rest.len > 0 ? -EBADMSG : r;
}

int position_load(const char *file, struct position *ret)
{
    FILE *f = fopen(file, "re");
    if (f == NULL)
        return errno == ENOENT ? 0 : -errno;
    int r = files_read(f, &ret->rest);
    (void) fclose(f);
    return r == 0 ? check(ret) : r;
}

int position_save(const char *file, const char *id, struct slice rest)
{
    struct buf text;
    buf_init(&text, POSITION_MAX_BYTES);
    int r = buf_printf(&text, "%s\n", id);
    if (r == 0)
        r = buf_append(&text, rest);
    if (r == 0)
        r = files_replace(file, buf_slice(&text));
    buf_fini(&text);
    return r;
}
