/* registry_client.c - asks a registry's HTTP interface one thing at a time over libcurl.
 *
 * Redirects are followed here and not by libcurl: it would let them leave the origin, and
 * credentials are for the origin that the operator named. */
#include "registry_client.h"

#include "clock.h"
#include "json.h"
#include "mem.h"
#include "registry_header.h"
#include "registry_url.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_HEADER_BYTES ((size_t) 64 << 10)
#define MAX_TOKEN_BYTES  ((size_t) 16 << 10)
#define SHOWN_BYTES      200 /* of a stranger's text, in messages */

struct registry_client {
    CURL *curl;
    CURLU *base;  /* what the operator named, without credentials */
    char *prefix; /* its path without the slash at the end: "" or "/registry" */
    char *user, *password;
    char *token; /* NULL: none yet */
    bool basic;  /* the registry wants user and password with every request */
    char *ca_file;
    const char *where;
    bool (*ended)(void *ctx);
    void *ctx;
    uint64_t limit_ms, deadline_ms; /* of the question that is being asked */
    char why[REGISTRY_WHY_SIZE];
};

/* What goes along with one request. */
enum credentials { NOTHING, USER_AND_PASSWORD, TOKEN };

/* --- messages --- */

static int fail(struct registry_client *c, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct registry_client *c, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(c->why, sizeof(c->why), fmt, args);
    va_end(args);
    return err;
}

const char *registry_client_why(const struct registry_client *c)
{
    return c->why;
}

/* --- making --- */

/* Takes user and password out of the URL. */
static int take_user(struct registry_client *c, const struct registry_client_options *options)
{
    char *user = NULL, *password = NULL;
    CURLUcode r = curl_url_get(c->base, CURLUPART_USER, &user, CURLU_URLDECODE);
    if (r == CURLUE_NO_USER) {
        c->user = xstrdup(options->user);
        c->password = xstrdup(options->password == NULL ? "" : options->password);
        return 0;
    }
    if (r == CURLUE_OK)
        r = curl_url_get(c->base, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
    if (r == CURLUE_OK || r == CURLUE_NO_PASSWORD) {
        c->user = xstrdup(user);
        c->password = xstrdup(password == NULL ? "" : password);
        r = curl_url_set(c->base, CURLUPART_USER, NULL, 0);
        if (r == CURLUE_OK)
            r = curl_url_set(c->base, CURLUPART_PASSWORD, NULL, 0);
    }
    curl_free(user);
    curl_free(password);
    return r == CURLUE_OK ? 0 : -EINVAL;
}

static int read_url(struct registry_client *c, const struct registry_client_options *options)
{
    char text[REGISTRY_URL_SIZE];
    c->base = curl_url();
    if (c->base == NULL)
        return -ENOMEM;
    if (curl_url_set(c->base, CURLUPART_URL, options->url, 0) != CURLUE_OK ||
        !(registry_url_has_scheme(c->base, "http") || registry_url_has_scheme(c->base, "https")) ||
        take_user(c, options) < 0)
        return fail(c, -EINVAL,
                    "the registry's URL: expected http://host[:port] or https://host[:port], maybe "
                    "with user:password@ before the host (percent-encoded)");
    if (registry_url_has_part(c->base, CURLUPART_QUERY) ||
        registry_url_has_part(c->base, CURLUPART_FRAGMENT))
        return fail(c, -EINVAL, "the registry's URL: expected neither a query nor a fragment");
    if (!registry_url_text(c->base, text))
        return fail(c, -EINVAL, "the registry's URL is longer than %d characters",
                    REGISTRY_URL_SIZE - 1);
    c->prefix = registry_url_part(c->base, CURLUPART_PATH, 0);
    for (size_t n = strlen(c->prefix); n > 0 && c->prefix[n - 1] == '/'; n--)
        c->prefix[n - 1] = '\0';
    return 0;
}

int registry_client_new(const struct registry_client_options *options, struct registry_client **ret,
                        char why[REGISTRY_WHY_SIZE])
{
    struct registry_client *c = xcalloc(1, sizeof(*c));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(c);
        (void) snprintf(why, REGISTRY_WHY_SIZE, "libcurl cannot be set up");
        return -ENOMEM;
    }
    c->limit_ms = options->limit_ms == 0 ? REGISTRY_LIMIT_MS : options->limit_ms;
    c->ca_file = xstrdup(options->ca_file);
    c->where = options->where != NULL
                   ? options->where
                   : "REGCAST_REGISTRY_USER and REGCAST_REGISTRY_PASSWORD, or in the URL";
    c->ended = options->ended;
    c->ctx = options->ctx;
    c->curl = curl_easy_init();
    int r = c->curl == NULL ? fail(c, -ENOMEM, "libcurl cannot be set up") : read_url(c, options);
    if (r < 0) {
        memcpy(why, c->why, REGISTRY_WHY_SIZE);
        registry_client_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

static void free_secret(char *s)
{
    if (s != NULL)
        explicit_bzero(s, strlen(s));
    free(s);
}

void registry_client_free(struct registry_client *c)
{
    if (c == NULL)
        return;
    curl_easy_cleanup(c->curl);
    curl_url_cleanup(c->base);
    curl_global_cleanup();
    free(c->prefix);
    free(c->ca_file);
    free_secret(c->user);
    free_secret(c->password);
    free_secret(c->token);
    free(c);
}

bool registry_client_forget(struct registry_client *c)
{
    bool had = c->token != NULL;
    free_secret(c->token);
    c->token = NULL;
    return had;
}

void registry_answer_init(struct registry_answer *a)
{
    *a = (struct registry_answer){0};
    buf_init(&a->body, REGISTRY_MAX_BODY);
}

void registry_answer_fini(struct registry_answer *a)
{
    buf_fini(&a->body);
}

/* --- one request, one answer --- */

struct receiving {
    struct registry_answer *answer;
    size_t header_bytes;
    int err; /* why it was broken off */
};

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct receiving *rx = ctx;
    rx->err = buf_append(&rx->answer->body, slice_of(data, size * n));
    return rx->err == 0 ? n : CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct receiving *rx = ctx;
    (void) data;
    rx->header_bytes += size * n;
    if (rx->header_bytes <= MAX_HEADER_BYTES)
        return n;
    rx->err = -EMSGSIZE;
    return 0; /* ends the transfer */
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t x, curl_off_t y)
{
    const struct registry_client *c = ctx;
    (void) a, (void) b, (void) x, (void) y;
    return c->ended(c->ctx);
}

#define SET(option, value) (bad |= curl_easy_setopt(c->curl, option, value) != CURLE_OK)

static int set_options(struct registry_client *c, CURLU *url, enum registry_method method,
                       enum credentials with, struct receiving *rx)
{
    bool bad = false;
    curl_easy_reset(c->curl); /* keeps connections */
    uint64_t now = clock_mono_ms();
    uint64_t left = c->deadline_ms > now ? c->deadline_ms - now : 1;
    SET(CURLOPT_CURLU, url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "regcast/" REGCAST_VERSION);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long) REGISTRY_CONNECT_LIMIT_MS);
    SET(CURLOPT_TIMEOUT_MS, (long) left);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, rx);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, rx);
    if (c->ended != NULL) {
        SET(CURLOPT_NOPROGRESS, 0L);
        SET(CURLOPT_XFERINFOFUNCTION, on_progress);
        SET(CURLOPT_XFERINFODATA, c);
    }
    if (c->ca_file != NULL)
        SET(CURLOPT_CAINFO, c->ca_file);
    if (method == REGISTRY_HEAD)
        SET(CURLOPT_NOBODY, 1L);
    if (with == USER_AND_PASSWORD) {
        SET(CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, c->user);
        SET(CURLOPT_PASSWORD, c->password);
    } else if (with == TOKEN) {
        SET(CURLOPT_HTTPAUTH, (long) CURLAUTH_BEARER);
        SET(CURLOPT_XOAUTH2_BEARER, c->token);
    }
    return bad ? fail(c, -ENOMEM, "libcurl refuses a setting") : 0;
}

/* The `i`-th header of that name in the last answer; NULL: there are no more. */
static const char *header(struct registry_client *c, const char *name, size_t i)
{
    struct curl_header *h;
    return curl_easy_header(c->curl, name, i, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

static void copy_header(struct registry_client *c, const char *name, char *to, size_t size)
{
    const char *value = header(c, name, 0);
    size_t n = value == NULL ? 0 : strlen(value);
    if (n >= size)
        n = 0;
    if (n > 0)
        memcpy(to, value, n);
    to[n] = '\0';
}

static int no_answer(struct registry_client *c, const struct receiving *rx, CURLcode code)
{
    const char *url = rx->answer->url;
    if (rx->header_bytes > MAX_HEADER_BYTES)
        return fail(c, -EMSGSIZE, "%s: the headers are over %zu KiB", url, MAX_HEADER_BYTES >> 10);
    if (rx->err == -EMSGSIZE)
        return fail(c, -EMSGSIZE, "%s: the answer is over %zu MiB", url, REGISTRY_MAX_BODY >> 20);
    if (rx->err < 0)
        return fail(c, rx->err, "%s: %s", url, err_str(rx->err));
    return fail(c, -EIO, "%s: %s", url, curl_easy_strerror(code));
}

static int request(struct registry_client *c, CURLU *url, enum registry_method method,
                   const char *accept, enum credentials with, struct registry_answer *ret)
{
    struct receiving rx = {.answer = ret};
    buf_clear(&ret->body);
    if (!registry_url_text(url, ret->url))
        return fail(c, -EMSGSIZE, "%.*s...: a URL over %d characters", SHOWN_BYTES, ret->url,
                    REGISTRY_URL_SIZE - 1);
    int r = set_options(c, url, method, with, &rx);
    if (r < 0)
        return r;
    struct curl_slist *headers = NULL;
    if (accept != NULL) {
        char line[512] = "Accept: ";
        size_t n = strlen(line), len = strlen(accept);
        ASSERT(n + len < sizeof(line));
        memcpy(line + n, accept, len + 1);
        headers = curl_slist_append(NULL, line);
        (void) curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode code = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK)
        return no_answer(c, &rx, code);
    long status = 0;
    (void) curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    ret->status = (unsigned) status;
    copy_header(c, "Content-Type", ret->media_type, sizeof(ret->media_type));
    ret->media_type[strcspn(ret->media_type, "; \t")] = '\0';
    copy_header(c, "Docker-Content-Digest", ret->digest, sizeof(ret->digest));
    return 0;
}

/* Where the answer sends us. NULL with *ret_err 0: nowhere. For curl_url_cleanup(). Reckoned from
 * the header, as the URL that libcurl offers would have the user and password in it. */
static CURLU *redirect_of(struct registry_client *c, CURLU *from, const struct registry_answer *a,
                          int *ret_err)
{
    char shown[SHOWN_BYTES];
    const char *to = a->status < 300 || a->status > 399 ? NULL : header(c, "Location", 0);
    *ret_err = 0;
    if (to == NULL)
        return NULL;
    CURLU *url = registry_url_resolve(from, to);
    if (url != NULL && registry_url_same_origin(from, url))
        return url;
    curl_url_cleanup(url);
    bool secret = strchr(to, '@') != NULL; /* somebody's user and password */
    registry_url_printable(shown, sizeof(shown), slice_str(secret ? "one with an @" : to));
    *ret_err = fail(c, -EBADMSG,
                    "%s: redirects to another origin (%s), which is not followed; if it is the "
                    "registry, name its URL",
                    a->url, shown);
    return NULL;
}

/* Like request(), over redirects inside the origin. `url` is used up; *ret_at is the URL that
 * answered, for curl_url_cleanup(). */
static int request_through(struct registry_client *c, CURLU *url, enum registry_method method,
                           const char *accept, enum credentials with, struct registry_answer *ret,
                           CURLU **ret_at)
{
    for (unsigned hops = 0;; hops++) {
        int r = request(c, url, method, accept, with, ret);
        CURLU *to = r < 0 ? NULL : redirect_of(c, url, ret, &r);
        if (r == 0 && to == NULL) {
            *ret_at = url;
            return 0;
        }
        curl_url_cleanup(url);
        url = to;
        if (r == 0 && hops == REGISTRY_MAX_REDIRECTS)
            r = fail(c, -EMSGSIZE, "%s: more than %d redirects", ret->url, REGISTRY_MAX_REDIRECTS);
        if (r < 0) {
            curl_url_cleanup(url);
            return r;
        }
    }
}

/* --- 401 --- */

static void read_challenge(struct registry_client *c, struct registry_challenge *ret)
{
    const char *value;
    *ret = (struct registry_challenge){0};
    for (size_t i = 0; i < 16 && (value = header(c, "WWW-Authenticate", i)) != NULL; i++)
        registry_header_challenge(slice_str(value), ret);
}

static int refused(struct registry_client *c, const char *url, const struct registry_challenge *ch)
{
    char realm[SHOWN_BYTES];
    registry_url_printable(realm, sizeof(realm), slice_str(ch->basic_realm));
    if (ch->schemes[0] == '\0')
        return fail(c, -EACCES, "%s: answers 401 and does not say which authentication it wants",
                    url);
    if (!ch->basic && !ch->bearer)
        return fail(c, -EACCES,
                    "%s: answers 401, it wants the authentication %s; regcastd can do Basic and "
                    "Bearer",
                    url, ch->schemes);
    if (c->user != NULL)
        return fail(c, -EACCES, "%s: answers 401, the user or the password is not accepted (%s)",
                    url, ch->schemes);
    return fail(c, -EACCES,
                "%s: answers 401, it wants the authentication %s%s%s; give a user and a password "
                "in %s",
                url, ch->schemes, realm[0] == '\0' ? "" : " for ", realm, c->where);
}

/* The token server's URL with what is asked for. NULL: it will not be asked, the message is there.
 */
static CURLU *token_url(struct registry_client *c, const char *from,
                        const struct registry_challenge *ch)
{
    char shown[SHOWN_BYTES];
    registry_url_printable(shown, sizeof(shown), slice_str(ch->realm));
    CURLU *url = registry_url_resolve(NULL, ch->realm);
    bool good = url != NULL && (ch->service[0] == '\0' ||
                                registry_url_add_query(url, "service", slice_str(ch->service)));
    for (const char *at = ch->scope; good && *at != '\0';) {
        size_t n = strcspn(at, " ");
        good = n == 0 || registry_url_add_query(url, "scope", slice_of(at, n));
        at += n + (at[n] == ' ' ? 1 : 0);
    }
    if (good && registry_url_has_scheme(c->base, "https") && !registry_url_has_scheme(url, "https"))
        good = false; /* the password would travel in the clear */
    if (good)
        return url;
    curl_url_cleanup(url);
    (void) fail(c, -EBADMSG, "%s: answers 401 with a token server that is not used: %s", from,
                shown);
    return NULL;
}

/* The text of the member, for free_secret(); NULL: it is not there or no token. */
static char *token_member(struct slice object, const char *key)
{
    struct slice text;
    const char *why;
    char *token = NULL;
    if (json_member(object, key, &text) < 0 || text.len > MAX_TOKEN_BYTES ||
        json_check(text, &why) < 0)
        return NULL;
    cJSON *value = cJSON_ParseWithLength((const char *) text.data, text.len);
    const char *s = cJSON_GetStringValue(value);
    bool good = s != NULL && s[0] != '\0';
    for (size_t i = 0; good && s[i] != '\0'; i++)
        good = s[i] > 0x20 && s[i] < 0x7f; /* it becomes part of a header */
    if (good)
        token = xstrdup(s);
    cJSON_Delete(value);
    return token;
}

static int fetch_token(struct registry_client *c, const char *from,
                       const struct registry_challenge *ch)
{
    struct registry_answer a;
    CURLU *at = NULL, *url = token_url(c, from, ch);
    if (url == NULL)
        return -EBADMSG;
    registry_answer_init(&a);
    int r = request_through(c, url, REGISTRY_GET, NULL,
                            c->user == NULL ? NOTHING : USER_AND_PASSWORD, &a, &at);
    if (r == 0 && (a.status == 401 || a.status == 403)) {
        struct registry_challenge wants;
        read_challenge(c, &wants);
        wants.basic = true; /* what token servers take, whatever they say */
        if (wants.schemes[0] == '\0')
            memcpy(wants.schemes, "Basic", sizeof("Basic"));
        r = refused(c, a.url, &wants);
    } else if (r == 0 && a.status != 200) {
        r = fail(c, -EBADMSG, "%s: the token server answers %u", a.url, a.status);
    }
    if (r == 0) {
        free_secret(c->token);
        c->token = token_member(buf_slice(&a.body), "token");
        if (c->token == NULL)
            c->token = token_member(buf_slice(&a.body), "access_token");
        if (c->token == NULL)
            r = fail(c, -EBADMSG, "%s: the token server's answer has no token in it", a.url);
    }
    curl_url_cleanup(at);
    if (a.body.len > 0)
        explicit_bzero(a.body.data, a.body.len);
    registry_answer_fini(&a);
    return r;
}

/* After a 401: gets what it takes to ask again. */
static int authenticate(struct registry_client *c, const char *url)
{
    struct registry_challenge ch;
    read_challenge(c, &ch);
    if (ch.bearer && ch.realm[0] != '\0')
        return fetch_token(c, url, &ch);
    if (!ch.basic || c->user == NULL || c->basic)
        return refused(c, url, &ch);
    c->basic = true;
    return 0;
}

/* --- asking --- */

/* Where the list goes on, as a whole URL. */
static int read_next(struct registry_client *c, CURLU *at, struct registry_answer *a)
{
    struct slice target;
    const char *value;
    char shown[SHOWN_BYTES];
    a->next[0] = '\0';
    for (size_t i = 0; i < 16 && (value = header(c, "Link", i)) != NULL; i++) {
        if (!registry_header_next(slice_str(value), &target))
            continue;
        char *text = xslicedup(target);
        CURLU *url = registry_url_resolve(at, text);
        free(text);
        bool good =
            url != NULL && registry_url_same_origin(at, url) && registry_url_text(url, a->next);
        curl_url_cleanup(url);
        if (good)
            return 0;
        a->next[0] = '\0';
        registry_url_printable(shown, sizeof(shown), target);
        return fail(c, -EBADMSG, "%s: the next page is elsewhere and not asked for: %s", a->url,
                    shown);
    }
    return 0;
}

static CURLU *url_of(struct registry_client *c, const char *what)
{
    if (what[0] != '/')
        return registry_url_resolve(NULL, what);
    size_t prefix = strlen(c->prefix), n = strlen(what);
    char *path = xmalloc(prefix + n + 1);
    memcpy(path, c->prefix, prefix);
    memcpy(path + prefix, what, n + 1);
    CURLU *url = registry_url_resolve(c->base, path);
    free(path);
    return url;
}

int registry_client_ask(struct registry_client *c, enum registry_method method, const char *what,
                        const char *accept, struct registry_answer *ret)
{
    c->deadline_ms = clock_mono_ms() + c->limit_ms;
    for (bool again = false;; again = true) {
        CURLU *at = NULL, *url = url_of(c, what);
        if (url == NULL)
            return fail(c, -EINVAL, "a URL that cannot be asked for");
        enum credentials with = c->token != NULL ? TOKEN : c->basic ? USER_AND_PASSWORD : NOTHING;
        int r = request_through(c, url, method, accept, with, ret, &at);
        if (r == 0 && ret->status == 401) {
            struct registry_challenge ch;
            read_challenge(c, &ch);
            r = again ? refused(c, ret->url, &ch) : authenticate(c, ret->url);
            curl_url_cleanup(at);
            if (r < 0)
                return r;
            continue;
        }
        if (r == 0)
            r = read_next(c, at, ret);
        curl_url_cleanup(at);
        return r;
    }
}
