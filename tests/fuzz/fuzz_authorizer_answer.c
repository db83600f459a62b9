/* What authorizers are answered and what they tell: the first byte says whether the rest is a
 * function's answer, an OpenID document, or a request (path, query and headers, a line each) that a
 * function is told of. */
#include "authorizer_private.h"
#include "json.h"
#include "mem.h"

#include <cJSON.h>
#include <stdlib.h>

#define MAX_HEADERS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_answer(struct slice text)
{
    char *context = NULL;
    const char *why;
    unsigned status = authorizer_function_read(text, &context);
    ASSERT(status == 0 || status == 403 || status == 500);
    ASSERT(context == NULL || status == 0);
    ASSERT(status == 500 || json_check(text, &why) == 0);
    if (context != NULL)
        ASSERT(context[0] == '{' && json_check(slice_str(context), &why) == 0);
    free(context);
}

static void fuzz_document(struct slice text)
{
    char *uri = authorizer_keys_uri(text);
    ASSERT(uri == NULL || (uri[0] != '\0' && strlen(uri) <= 2048));
    free(uri);
}

static struct slice take_line(struct slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t) (end - rest->data);
    struct slice line = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, end == NULL ? len : len + 1);
    return line;
}

/* Whatever it is made of: strict JSON, in which no name is there twice. */
static void fuzz_request(struct slice rest)
{
    static char template[] = "/rooms/{room}/{rest+}";
    const struct spec_route route = {.path = template};
    struct header headers[MAX_HEADERS];
    struct integration_request r = {.method = "GET", .route = &route, .headers = headers};
    r.path = take_line(&rest);
    r.query = take_line(&rest);
    while (rest.len > 0 && r.n_headers < MAX_HEADERS) {
        struct slice line = take_line(&rest);
        const uint8_t *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
        size_t len = colon == NULL ? line.len : (size_t) (colon - line.data);
        headers[r.n_headers++] = (struct header){slice_sub(line, 0, len),
                                                 slice_from(line, colon == NULL ? len : len + 1)};
    }
    r.n_own = r.n_headers / 4;
    char *text = authorizer_event(&r, "192.0.2.1", rest.len);
    if (text == NULL)
        return;
    const char *why = "";
    int err = json_check(slice_str(text), &why);
    ASSERT(err == 0 || strcmp(why, "nul") == 0 || strcmp(why, "tokens") == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] == 'F')
        fuzz_answer(rest);
    else if (data[0] == 'D')
        fuzz_document(rest);
    else
        fuzz_request(rest);
    return 0;
}
