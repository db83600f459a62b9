/* Offers of extensions, lines ended by \n: what is agreed is within its bounds and answered in the
 * fixed shape, and it is the same when the lines are one list (RFC 9110 section 5.3). */
#include "deflate_offer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_line(struct http_head *head, struct slice line)
{
    head->headers[head->n_headers++] = (struct header){SLICE_LIT("Sec-WebSocket-Extensions"), line};
}

static void check_answer(const struct deflate_terms *terms)
{
    struct buf out;
    buf_init(&out, 200);
    bool bits = terms->client_bits == 0 || (terms->client_bits >= 8 && terms->client_bits <= 12);
    if (!bits || deflate_offer_answer(&out, terms) < 0 || out.len < 2 ||
        memcmp(out.data + out.len - 2, "\r\n", 2) != 0)
        abort();
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head lines, one;
    struct slice rest = slice_of(data, size);
    struct buf joined;
    buf_init(&joined, SIZE_MAX / 2);
    lines.n_headers = one.n_headers = 0;
    for (bool more = true; more && lines.n_headers < HTTP_MAX_HEADERS;) {
        const uint8_t *end = rest.len == 0 ? NULL : memchr(rest.data, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t) (end - rest.data);
        struct slice line = slice_sub(rest, 0, len);
        if ((lines.n_headers > 0 && buf_append_str(&joined, " ,\t") < 0) ||
            buf_append(&joined, line) < 0)
            abort();
        add_line(&lines, line);
        more = end != NULL;
        rest = slice_from(rest, more ? len + 1 : len);
    }
    add_line(&one, buf_slice(&joined));
    struct deflate_terms a = deflate_offer_choose(&lines), b = deflate_offer_choose(&one);
    if (a.agreed != b.agreed || a.server_bits != b.server_bits || a.client_bits != b.client_bits)
        abort();
    if (a.agreed)
        check_answer(&a);
    buf_fini(&joined);
    return 0;
}
