/* HTTP requests: any bytes, fed whole and cut at places that the first byte picks, give the same
 * record; what was accepted has the shape that callers rely on. */
#include "../cases_http.h"
#include "../cuts.h"
#include "../heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAP_FREE 4096 /* of a parser that has seen little, or nothing (LM-03) */

/* What one parser holds is in proportion to what it was fed. */
static void check_heap(struct slice input)
{
    size_t before = heap_bytes(), fed = 0, used;
    struct http *h = http_new();
    struct slice body;
    for (enum http_event event = HTTP_DONE; event != HTTP_MORE && event != HTTP_REFUSED;) {
        event = http_feed(h, slice_from(input, fed), &used, &body);
        fed += used;
        ASSERT(heap_bytes() <= before + HEAP_FREE + 4 * fed);
        if (event == HTTP_DONE)
            http_next(h);
    }
    http_free(h);
}

static void check_head(const struct http_head *head)
{
    char decoded[HTTP_MAX_REQUEST_LINE];
    size_t n_hosts;
    struct slice host = http_header(head, "Host", &n_hosts);
    bool routed = head->path.len > 0 && head->path.data[0] == '/';
    bool connect = head->method == HTTP_M_OTHER && head->path.len == 0;
    if (n_hosts != 1 || !slice_eq(host, head->host) || head->n_headers > HTTP_MAX_HEADERS ||
        !(routed || connect) || (head->chunked && head->content_length != 0) ||
        head->has_body != (head->chunked || head->content_length > 0))
        abort();
    if (http_percent_decode(head->target, decoded, sizeof(decoded)) > (int) head->target.len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cuts cuts;
    if (size == 0)
        return 0;
    uint64_t seed = data[0] + 1u;
    struct slice input = slice_of(data + 1, size - 1);
    struct http_record whole = record_http(input, NULL, 0);
    if ((data[0] & 1) != 0)
        cuts_each_byte(&cuts, input.len);
    else
        cuts_at_random(&cuts, input.len, 1 + data[0], &seed);
    struct http_record cut = record_http(input, cuts.at, cuts.n);
    if (!slice_eq(buf_slice(&whole.text), buf_slice(&cut.text)) || whole.used != cut.used)
        abort();
    record_fini(&whole);
    record_fini(&cut);

    struct http *h = http_new();
    struct slice body;
    size_t used;
    if (http_feed(h, input, &used, &body) == HTTP_HEAD)
        check_head(http_get_head(h));
    http_free(h);
    check_heap(input);
    return 0;
}
