/* client.c - calls of the management API over REST. */
#include "client.h"

#include "fetch.h"
#include "mem.h"
#include "pause.h"
#include "uuid.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define ID_TEXT          128
#define CONNECT_LIMIT_MS 10000
#define CALL_LIMIT_MS    60000
#define RETRY_FIRST_MS   100
#define RETRY_MOST_MS    5000
#define RETRY_LIMIT_MS   120000
#define WAIT_LIMIT_S     600

struct client {
    CURL *curl;
    struct client_options options;
    char *base; /* "http://127.0.0.1:8082" */
    struct buf answer;
    long status;
    char client_request[UUID_SIZE], client_trace[UUID_SIZE];
    char server_request[ID_TEXT], server_trace[ID_TEXT];
    char code[32], error[2048];
};

/* google.rpc.Code, as clients print it. */
static const char *const CODES[] = {
    "OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated",
};
#define UNKNOWN         2
#define UNAVAILABLE     14
#define UNAUTHENTICATED 16

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct client *c = arg;
    return buf_append(&c->answer, slice_of(data, size * n)) == 0 ? size * n : 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct client *c = arg;
    const struct {
        const char *name;
        char *place;
    } HEADERS[] = {{"x-request-id:", c->server_request},
                   {"x-server-request-id:", c->server_request},
                   {"x-server-trace-id:", c->server_trace}};
    for (size_t i = 0; i < ARRAY_LEN(HEADERS); i++) {
        size_t at = strlen(HEADERS[i].name), end = size * n;
        if (end < at || strncasecmp(data, HEADERS[i].name, at) != 0)
            continue;
        while (at < end && data[at] == ' ')
            at++;
        while (end > at && isspace((unsigned char) data[end - 1]))
            end--;
        (void) snprintf(HEADERS[i].place, ID_TEXT, "%.*s", (int) (end - at), data + at);
    }
    return size * n;
}

int client_new(const struct client_options *options, struct client **ret)
{
    const char *endpoint = options->endpoint;
    bool url = strncmp(endpoint, "http://", 7) == 0 || strncmp(endpoint, "https://", 8) == 0;
    if (endpoint[0] == '\0' || (!url && strstr(endpoint, "://") != NULL) ||
        endpoint[strcspn(endpoint, " \t\r\n?#@")] != '\0')
        return -EINVAL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    struct client *c = xcalloc(1, sizeof(*c));
    c->options = *options;
    c->curl = curl_easy_init();
    buf_init(&c->answer, CLIENT_MAX_ANSWER);
    size_t size = strlen(endpoint) + sizeof("http://");
    c->base = xmalloc(size);
    (void) snprintf(c->base, size, "%s%s", url ? "" : "http://", endpoint);
    for (size_t len = strlen(c->base); len > 0 && c->base[len - 1] == '/'; len--)
        c->base[len - 1] = '\0';
    if (c->curl == NULL) {
        client_free(c);
        return -ENOMEM;
    }
    *ret = c;
    return 0;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    curl_easy_cleanup(c->curl);
    buf_fini(&c->answer);
    free(c->base);
    free(c);
    curl_global_cleanup();
}

/* --- errors --- */

static void make_line(char *text) /* whatever the server sends */
{
    for (; *text != '\0'; text++)
        if ((unsigned char) *text < ' ' || *text == 0x7f)
            *text = ' ';
}

static void set_error(struct client *c, int code, const char *text)
{
    if (code < 0 || (size_t) code >= ARRAY_LEN(CODES))
        code = UNKNOWN;
    (void) snprintf(c->code, sizeof(c->code), "%s", CODES[code]);
    (void) snprintf(c->error, sizeof(c->error), "%s", text);
    make_line(c->error);
}

static int code_of_status(long status)
{
    static const struct {
        long status;
        int code;
    } MAP[] = {{400, 3}, {401, 16}, {403, 7},  {404, 5},  {409, 6}, {429, 8},
               {499, 1}, {500, 13}, {501, 12}, {503, 14}, {504, 4}};
    for (size_t i = 0; i < ARRAY_LEN(MAP); i++)
        if (MAP[i].status == status)
            return MAP[i].code;
    return UNKNOWN;
}

/* The body is a google.rpc.Status, or another of regcastd's listeners said it, or something that
 * stands between us and it. */
static int set_answered_error(struct client *c, const cJSON *body)
{
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(body, "code");
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(body, "message");
    const cJSON *reason = cJSON_GetObjectItemCaseSensitive(body, "error");
    int number = cJSON_IsNumber(code) ? code->valueint : code_of_status(c->status);
    char text[sizeof(c->error)];
    if (!cJSON_IsString(message))
        (void) snprintf(text, sizeof(text), "HTTP status %ld%s%.200s%s", c->status,
                        cJSON_IsString(reason) ? ": " : "",
                        cJSON_IsString(reason) ? reason->valuestring : "",
                        c->status == 404 ? "; is this regcastd's management port?" : "");
    else
        (void) snprintf(
            text, sizeof(text), "%.1900s%s", message->valuestring,
            number == UNAUTHENTICATED && c->options.token == NULL
                ? " None was sent: --token, REGCAST_TOKEN or `regcast config set token`."
                : "");
    set_error(c, number, text);
    return number;
}

const char *client_error(const struct client *c)
{
    return c->error;
}

const char *client_error_code(const struct client *c)
{
    return c->code;
}

int client_print_violations(const struct client *c, struct buf *out)
{
    cJSON *body = cJSON_ParseWithLength((const char *) c->answer.data, c->answer.len);
    const cJSON *detail, *violation;
    int r = 0;
    bool first = true;
    cJSON_ArrayForEach(detail, cJSON_GetObjectItemCaseSensitive(body, "details"))
    {
        cJSON_ArrayForEach(violation, cJSON_GetObjectItemCaseSensitive(detail, "fieldViolations"))
        {
            cJSON *text = cJSON_GetObjectItemCaseSensitive(violation, "description");
            if (!first && r == 0 && cJSON_IsString(text)) {
                make_line(text->valuestring);
                r = buf_printf(out, "%s\n", text->valuestring);
            }
            first = false;
        }
    }
    cJSON_Delete(body);
    return r;
}

int client_print_ids(const struct client *c, struct buf *out)
{
    return buf_printf(out,
                      "server-request-id: %s\nclient-request-id: %s\nserver-trace-id: %s\n"
                      "client-trace-id: %s\n",
                      c->server_request, c->client_request, c->server_trace, c->client_trace);
}

/* --- one call --- */

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + sizeof(": ");
    char *line = xmalloc(size);
    (void) snprintf(line, size, "%s: %s", name, value);
    struct curl_slist *more = curl_slist_append(list, line);
    ASSERT(more != NULL);
    free(line);
    return more;
}

/* The content's own; a colon and no value would take a field away, so one without has a semicolon
 * (CURLOPT_HTTPHEADER). */
static struct curl_slist *add_content(struct curl_slist *list, const struct client_content *content)
{
    for (size_t i = 0; i < content->n_headers; i++) {
        const struct header *h = &content->headers[i];
        char *name = xslicedup(h->name), *value = xslicedup(h->value);
        if (h->value.len > 0) {
            list = add_header(list, name, value);
        } else {
            char *line = xmalloc(h->name.len + 2);
            (void) snprintf(line, h->name.len + 2, "%s;", name);
            list = curl_slist_append(list, line);
            ASSERT(list != NULL);
            free(line);
        }
        free(name);
        free(value);
    }
    return list;
}

static bool has_type(const struct client_content *content)
{
    const struct headers all = {content->headers, content->n_headers};
    return headers_only(all, "content-type").len > 0;
}

static struct curl_slist *headers_of(struct client *c, const char *idempotency_key,
                                     const struct client_content *content)
{
    struct curl_slist *list = add_header(NULL, "Accept", "application/json");
    if (!has_type(content))
        list = add_header(list, "Content-Type", "application/json");
    list = add_content(list, content);
    list = add_header(list, "Expect", ""); /* no 100-continue: bodies are small */
    list = add_header(list, "x-client-request-id", c->client_request);
    list = add_header(list, "x-request-id", c->client_request);
    list = add_header(list, "x-client-trace-id", c->client_trace);
    if (idempotency_key != NULL)
        list = add_header(list, "idempotency-key", idempotency_key);
    const char *token = c->options.token;
    if (token == NULL)
        return list;
    char value[4096];
    (void) snprintf(value, sizeof(value), "%s %s",
                    strncmp(token, "AQVN", 4) == 0 ? "Api-Key" : "Bearer", token);
    return add_header(list, "Authorization", value);
}

static void debug_call(const struct client *c, const char *method, const char *url,
                       struct slice body)
{
    if (!c->options.debug)
        return;
    (void) fprintf(stderr, "> %s %s\n", method, url);
    if (body.len > 0)
        (void) fprintf(stderr, "> %.*s\n", (int) body.len, (const char *) body.data);
    (void) fprintf(stderr, "< %ld %.*s\n", c->status, (int) c->answer.len,
                   (const char *) c->answer.data);
}

/* 0: an answer of whatever status came. */
static CURLcode perform(struct client *c, const char *method, const char *url, struct slice body,
                        const struct curl_slist *headers)
{
    char reason[CURL_ERROR_SIZE] = "";
    buf_clear(&c->answer);
    c->status = 0;
    c->server_request[0] = c->server_trace[0] = '\0';
    curl_easy_reset(c->curl);
    (void) curl_easy_setopt(c->curl, CURLOPT_URL, url);
    (void) curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    (void) curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    (void) curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "regcast/" REGCAST_VERSION);
    (void) curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void) curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long) CONNECT_LIMIT_MS);
    (void) curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long) CALL_LIMIT_MS);
    (void) curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    (void) curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, on_header);
    (void) curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, c);
    (void) curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, reason);
    fetch_trust(c->curl, c->options.trust);
    if (body.data != NULL) {
        (void) curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) body.len);
        (void) curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body.data);
    }
    CURLcode r = curl_easy_perform(c->curl);
    (void) curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->status);
    if (r != CURLE_OK) {
        char text[CURL_ERROR_SIZE + 320];
        (void) snprintf(text, sizeof(text), "cannot reach %.200s: %s%s", c->base,
                        reason[0] != '\0' ? reason : curl_easy_strerror(r),
                        r == CURLE_COULDNT_CONNECT
                            ? "; does regcastd run, with this as its management.listen?"
                            : "");
        set_error(c, UNAVAILABLE, text);
    }
    (void) curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
    debug_call(c, method, url, body);
    return r;
}

/* 0, -EIO, or -EAGAIN: it is not available now. */
static int attempt(struct client *c, const char *method, const char *url, struct slice body,
                   const struct curl_slist *headers, cJSON **ret)
{
    CURLcode r = perform(c, method, url, body, headers);
    if (r != CURLE_OK) /* nothing else helps against these: not sent, or not answered */
        return r == CURLE_COULDNT_CONNECT || r == CURLE_GOT_NOTHING || r == CURLE_RECV_ERROR ||
                       r == CURLE_SEND_ERROR
                   ? -EAGAIN
                   : -EIO;
    cJSON *answer = c->answer.len == 0
                        ? cJSON_CreateObject()
                        : cJSON_ParseWithLength((const char *) c->answer.data, c->answer.len);
    if (c->status >= 200 && c->status < 300) {
        if (cJSON_IsObject(answer)) {
            *ret = answer;
            return 0;
        }
        set_error(c, UNKNOWN, "the answer is no JSON object: is this regcastd's management port?");
        cJSON_Delete(answer);
        return -EIO;
    }
    int code = set_answered_error(c, answer);
    cJSON_Delete(answer);
    return code == UNAVAILABLE ? -EAGAIN : -EIO;
}

/* Doubles from RETRY_FIRST_MS, and a random part of that, so that many callers spread. */
static uint64_t backoff_ms(unsigned tries)
{
    uint64_t most = (uint64_t) RETRY_FIRST_MS << (tries < 6 ? tries : 6);
    if (most > RETRY_MOST_MS)
        most = RETRY_MOST_MS;
    return most / 2 + uuid_random() % (most / 2 + 1);
}

/* Without a body where content->body.data is NULL. */
static int call(struct client *c, const char *method, const char *path,
                const struct client_content *content, cJSON **ret)
{
    char key[UUID_SIZE];
    bool changes = strcmp(method, "GET") != 0;
    uuid_make(key);
    uuid_make(c->client_request);
    uuid_make(c->client_trace);
    size_t size = strlen(c->base) + strlen(path) + 1;
    char *url = xmalloc(size);
    (void) snprintf(url, size, "%s%s", c->base, path);
    struct curl_slist *headers =
        headers_of(c, changes ? key : NULL, content); /* one key for all attempts */

    uint64_t waited = 0;
    int r = -EAGAIN;
    for (unsigned tries = 0; r == -EAGAIN; tries++) {
        int64_t most = c->options.attempts;
        if (tries > 0) {
            if ((most >= 0 && tries >= (most == 0 ? 1 : most)) || waited >= RETRY_LIMIT_MS)
                break;
            uint64_t ms = backoff_ms(tries - 1);
            pause_ms(ms);
            waited += ms;
        }
        r = attempt(c, method, url, content->body, headers, ret);
    }
    curl_slist_free_all(headers);
    free(url);
    return r == -EAGAIN ? -EIO : r;
}

int client_call(struct client *c, const char *method, const char *path, const cJSON *body,
                cJSON **ret)
{
    bool expected = strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0;
    char *text = body == NULL ? NULL : cJSON_PrintUnformatted(body);
    const struct client_content content = {.body =
                                               slice_str(text == NULL && expected ? "{}" : text)};
    int r = call(c, method, path, &content, ret);
    cJSON_free(text);
    return r;
}

int client_send(struct client *c, const char *path, const struct client_content *content,
                cJSON **ret)
{
    struct client_content sent = *content;
    if (sent.body.len == 0)
        sent.body = SLICE_LIT(""); /* which is a body, too */
    return call(c, "POST", path, &sent, ret);
}

int client_wait(struct client *c, cJSON **operation)
{
    for (unsigned i = 0; !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(*operation, "done")); i++) {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(*operation, "id");
        if (!cJSON_IsString(id) || i == WAIT_LIMIT_S) {
            set_error(c, UNKNOWN,
                      i == WAIT_LIMIT_S ? "the operation takes more than ten minutes"
                                        : "the answer is no operation");
            return -EIO;
        }
        struct buf path;
        buf_init(&path, 4096);
        cJSON *next = NULL;
        int r = buf_append_str(&path, "/operations/");
        if (r == 0)
            r = client_segment(&path, id->valuestring);
        if (r == 0)
            r = buf_append(&path, SLICE_LIT("\0"));
        if (i > 0)
            pause_ms(1000);
        if (r == 0)
            r = client_call(c, "GET", (const char *) path.data, NULL, &next);
        buf_fini(&path);
        if (r < 0)
            return -EIO;
        cJSON_Delete(*operation);
        *operation = next;
    }
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(*operation, "error");
    if (!cJSON_IsObject(error))
        return 0;
    (void) set_answered_error(c, error);
    return -EIO;
}

/* --- paths --- */

static int append_escaped(struct buf *path, const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    ASSERT(escaped != NULL);
    int r = buf_append_str(path, escaped);
    curl_free(escaped);
    return r;
}

int client_query(struct buf *path, bool first, const char *key, const char *value)
{
    int r = buf_printf(path, "%s%s=", first ? "?" : "&", key);
    return r == 0 ? append_escaped(path, value) : r;
}

int client_segment(struct buf *path, const char *text)
{
    return append_escaped(path, text);
}
