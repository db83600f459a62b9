/* fetch.c - one plain HTTP request. */
#include "fetch.h"

#include <curl/curl.h>
#include <stdio.h>

#define CONNECT_LIMIT_MS 10000
#define CALL_LIMIT_MS    60000

void fetch_answer_init(struct fetch_answer *a)
{
    *a = (struct fetch_answer){.status = 0};
    buf_init(&a->body, FETCH_MAX_ANSWER);
}

void fetch_answer_fini(struct fetch_answer *a)
{
    buf_fini(&a->body);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct fetch_answer *a = arg;
    return buf_append(&a->body, slice_of(data, size * n)) == 0 ? size * n : 0;
}

void fetch_trust(void *curl, const struct trust *trust)
{
    if (trust == NULL)
        return;
    if (trust->ca_file != NULL)
        (void) curl_easy_setopt(curl, CURLOPT_CAINFO, trust->ca_file);
    if (trust->certificate_file == NULL)
        return;
    const char *key = trust->key_file != NULL ? trust->key_file : trust->certificate_file;
    (void) curl_easy_setopt(curl, CURLOPT_SSLCERT, trust->certificate_file);
    (void) curl_easy_setopt(curl, CURLOPT_SSLKEY, key);
}

static void set_options(CURL *curl, const struct fetch_request *q, struct fetch_answer *ret,
                        const struct curl_slist *headers, char *reason)
{
    (void) curl_easy_setopt(curl, CURLOPT_URL, q->url);
    (void) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void) curl_easy_setopt(curl, CURLOPT_USERAGENT, "regcast/" REGCAST_VERSION);
    (void) curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void) curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long) CONNECT_LIMIT_MS);
    (void) curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) CALL_LIMIT_MS);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
    (void) curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    fetch_trust(curl, q->trust);
    if (q->body == NULL)
        return;
    (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) q->body->len);
    (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                            q->body->len == 0 ? "" : (const char *) q->body->data);
}

static struct curl_slist *make_headers(const struct fetch_request *q)
{
    char line[4200];
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no 100-continue */
    if (q->content_type != NULL) {
        (void) snprintf(line, sizeof(line), "Content-Type: %s", q->content_type);
        list = curl_slist_append(list, line);
    }
    if (q->token != NULL) {
        (void) snprintf(line, sizeof(line), "Authorization: Bearer %s", q->token);
        list = curl_slist_append(list, line);
    }
    return list;
}

int fetch(const struct fetch_request *q, struct fetch_answer *ret)
{
    char reason[CURL_ERROR_SIZE] = "";
    curl_off_t seconds = 0;
    long status = 0;
    CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL;
    ASSERT(curl != NULL);
    struct curl_slist *headers = make_headers(q);
    buf_clear(&ret->body);
    set_options(curl, q, ret, headers, reason);
    CURLcode r = curl_easy_perform(curl);
    (void) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void) curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
    ret->status = (unsigned) status;
    ret->retry_after_ms = seconds > 0 ? (uint64_t) seconds * 1000 : 0;
    (void) snprintf(ret->error, sizeof(ret->error), "%s",
                    reason[0] != '\0' ? reason : curl_easy_strerror(r));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    return r == CURLE_OK ? 0 : -EIO;
}

int fetch_url(const char *base, const char *path, struct buf *ret)
{
    bool url = strncmp(base, "http://", 7) == 0 || strncmp(base, "https://", 8) == 0;
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    if (len == 0 || (!url && strstr(base, "://") != NULL) ||
        strcspn(base, " \t\r\n?#@") != strlen(base))
        return -EINVAL;
    int r = buf_printf(ret, "%s%.*s%s", url ? "" : "http://", (int) len, base, path);
    return r == 0 ? buf_append(ret, SLICE_LIT("\0")) : r;
}
