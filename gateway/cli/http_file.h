/* http_file.h - a webhook as a file has it: a body, or a whole HTTP/1.1 request as it was captured.
 * (pure) One thread. */
#ifndef CLI_HTTP_FILE_H
#define CLI_HTTP_FILE_H

#include "err.h"
#include "header.h"

#define HTTP_FILE_HEADERS 64

struct http_file {
    struct slice body;
    struct header
        headers[HTTP_FILE_HEADERS]; /* those of a webhook: none of the connection, and no
                                       credentials; a secret's value is HTTP_FILE_HIDDEN */
    size_t n_headers;
};
#define HTTP_FILE_HIDDEN "removed"

/* All slices point into `text`. A text whose first line is no request line is a body without header
 * fields. -EBADMSG: it is a request, but no webhook's; *ret_why is a literal. */
MUST_CHECK int http_file_read(struct slice text, struct http_file *ret, const char **ret_why);

#endif
