/* http_wall.c - llhttp as the second wall behind our own head and chunk checks. */
#include "http_wall.h"

#include "mem.h"

#include <llhttp.h>
#include <stdlib.h>

struct wall {
    llhttp_t parser;
    size_t data; /* body bytes seen in this call */
    bool head, complete;
};

static int on_headers_complete(llhttp_t *parser)
{
    struct wall *wall = parser->data;
    wall->head = true;
    /* Whether an upgrade happens is for the route to decide: a POST that also asks for one is read
     * like any other, and llhttp must not skip its body. */
    parser->upgrade = 0;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct wall *wall = parser->data;
    (void) at;
    wall->data += len;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct wall *wall = parser->data;
    wall->complete = true;
    return 0;
}

static const llhttp_settings_t SETTINGS = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

struct wall *wall_new(void)
{
    struct wall *wall = try_calloc(1, sizeof(*wall));
    if (wall == NULL)
        return NULL;
    llhttp_init(&wall->parser, HTTP_REQUEST, &SETTINGS);
    wall->parser.data = wall;
    return wall;
}

void wall_free(struct wall *wall)
{
    free(wall);
}

static llhttp_errno_t execute(struct wall *wall, struct slice in)
{
    return in.len == 0 ? HPE_OK : llhttp_execute(&wall->parser, (const char *) in.data, in.len);
}

static enum refuse reason_of(llhttp_errno_t err)
{
    switch (err) {
    case HPE_LF_EXPECTED:
    case HPE_CR_EXPECTED:
    case HPE_STRICT:
        return REFUSE_LINE_END;
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return REFUSE_BAD_CL;
    case HPE_INVALID_TRANSFER_ENCODING:
        return REFUSE_BAD_TE;
    case HPE_INVALID_VERSION:
        return REFUSE_VERSION;
    case HPE_INVALID_METHOD:
    case HPE_INVALID_CONSTANT:
        return REFUSE_REQUEST_LINE;
    default:
        return REFUSE_TOKEN;
    }
}

enum refuse wall_head(struct wall *wall, struct slice start, struct slice rest, bool chunked,
                      uint64_t content_length)
{
    llhttp_errno_t err = execute(wall, start);
    if (err == HPE_OK)
        err = execute(wall, rest);
    if (err != HPE_OK)
        return reason_of(err);
    if (!wall->head || wall->data != 0)
        return REFUSE_LINE_END;
    bool sees_chunked = (wall->parser.flags & F_CHUNKED) != 0;
    if (sees_chunked != chunked)
        return REFUSE_BAD_TE;
    if (wall->parser.content_length != content_length ||
        wall->complete != (!chunked && content_length == 0))
        return REFUSE_BAD_CL;
    return REFUSE_NONE;
}

bool wall_chunked(struct wall *wall, struct slice in, size_t data)
{
    wall->data = 0;
    return execute(wall, in) == HPE_OK && wall->data == data;
}

bool wall_complete(const struct wall *wall)
{
    return wall->complete;
}
