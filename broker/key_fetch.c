/* key_fetch.c - see key_fetch.h. In the order things happen:
 *   key_fetch_new > (its thread) run > fetch > take ... | wait ... key_fetch_free */
#include "key_fetch.h"

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "thread.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct source {
    const struct config_issuer *cfg;
    uint64_t pause_ms;
    uint64_t next_ms; /* monotonic; UINT64_MAX: it has neither URL nor file */
    uint64_t last_ms; /* when the last fetch ended */
    bool failing;     /* so that it is logged once */
};

struct key_fetch {
    struct access *access;
    CURL *curl;
    struct source *sources; /* one per issuer */
    size_t n;
    uv_mutex_t lock; /* of what follows, and of each next_ms and last_ms */
    uv_cond_t changed;
    _Atomic bool ending; /* read while a fetch runs, too */
    uv_thread_t thread;
};

/* --- one fetch --- */

struct answer {
    struct key_fetch *owner;
    struct buf body;
};

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;
    return buf_append(&a->body, slice_of(bytes, size * n)) < 0 ? 0 : size * n;
}

/* Not 0 ends it. */
static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct key_fetch *f = ((struct answer *) arg)->owner;
    (void) a, (void) b, (void) c, (void) d;
    return atomic_load(&f->ending) ? 1 : 0;
}

static CURLcode set_options(CURL *curl, const char *url, struct answer *a)
{
    CURLcode r = CURLE_OK;
#define SET(option, value) r = r == CURLE_OK ? curl_easy_setopt(curl, option, value) : r
    curl_easy_reset(curl);
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_USERAGENT, "regcast/" REGCAST_VERSION);
    SET(CURLOPT_TIMEOUT_MS, (long) KEY_FETCH_LIMIT_MS);
    SET(CURLOPT_MAXFILESIZE, (long) JWK_SET_MAX_BYTES);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, a);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, a);
#undef SET
    return r;
}

/* NULL, or what went wrong. */
static const char *fetch(struct key_fetch *f, const char *url, struct jwk_set **ret)
{
    long status = 0;
    struct answer a = {.owner = f};
    buf_init(&a.body, JWK_SET_MAX_BYTES);
    CURLcode code = set_options(f->curl, url, &a);
    if (code == CURLE_OK)
        code = curl_easy_perform(f->curl);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    const char *why = code != CURLE_OK                             ? curl_easy_strerror(code)
                      : status != 200                              ? "the status is not 200"
                      : jwk_set_parse(buf_slice(&a.body), ret) < 0 ? "no JWK set that can be used"
                                                                   : NULL;
    buf_fini(&a.body);
    return why;
}

static int read_file(const char *name, struct buf *out)
{
    uint8_t chunk[4096];
    FILE *f = fopen(name, "re");
    if (f == NULL)
        return -errno;
    int r = 0;
    for (size_t n = sizeof(chunk); r == 0 && n == sizeof(chunk);) {
        n = fread(chunk, 1, sizeof(chunk), f);
        r = ferror(f) ? -EIO : buf_append(out, slice_of(chunk, n));
    }
    (void) fclose(f);
    return r;
}

int key_fetch_file(const char *file, struct jwk_set **ret)
{
    struct buf json;
    buf_init(&json, JWK_SET_MAX_BYTES);
    int r = read_file(file, &json);
    if (r == 0)
        r = jwk_set_parse(buf_slice(&json), ret);
    buf_fini(&json);
    return r;
}

static const char *read_again(const char *file, struct jwk_set **ret)
{
    int r = key_fetch_file(file, ret);
    return r == 0 ? NULL : r == -EBADMSG ? "no JWK set that can be used" : err_str(r);
}

static void log_outcome(struct source *s, const char *why, size_t n)
{
    struct log_line l;
    bool failed = why != NULL;
    if (failed && s->failing)
        return;
    log_open(&l,
             failed                          ? LOG_ERROR
             : s->failing || s->last_ms == 0 ? LOG_INFO
                                             : LOG_DEBUG,
             "keys",
             failed ? "an issuer's keys cannot be fetched: those that are there stay"
                    : "an issuer's keys were fetched");
    log_str(&l, "issuer", s->cfg->issuer);
    if (failed)
        log_str(&l, "error", why);
    else
        log_u64(&l, "keys", n);
    log_close(&l);
    log_flush();
    s->failing = failed;
}

static void update(struct key_fetch *f, size_t i)
{
    struct source *s = &f->sources[i];
    struct jwk_set *keys = NULL;
    const char *why = s->cfg->jwks_url != NULL ? fetch(f, s->cfg->jwks_url, &keys)
                                               : read_again(s->cfg->jwks_file, &keys);
    if (atomic_load(&f->ending)) {
        jwk_set_unref(keys);
        return;
    }
    log_outcome(s, why, why == NULL ? jwk_set_n(keys) : 0);
    if (why == NULL)
        access_set_keys(f->access, i, keys);
}

/* --- the thread --- */

static size_t next_source(const struct key_fetch *f)
{
    size_t next = 0;
    for (size_t i = 1; i < f->n; i++)
        if (f->sources[i].next_ms < f->sources[next].next_ms)
            next = i;
    return next;
}

static void run(void *arg)
{
    struct key_fetch *f = arg;
    thread_name("keys");
    uv_mutex_lock(&f->lock);
    while (!atomic_load(&f->ending)) {
        struct source *s = &f->sources[next_source(f)];
        uint64_t now = clock_mono_ms();
        if (s->next_ms > now) {
            (void) uv_cond_timedwait(&f->changed, &f->lock, (s->next_ms - now) * 1000000);
            continue;
        }
        uv_mutex_unlock(&f->lock);
        update(f, (size_t) (s - f->sources));
        uv_mutex_lock(&f->lock);
        s->last_ms = clock_mono_ms();
        s->next_ms = s->last_ms + (s->failing ? s->pause_ms : s->cfg->jwks_refresh_ms);
    }
    uv_mutex_unlock(&f->lock);
}

bool key_fetch_want(struct key_fetch *f, size_t i)
{
    if (f == NULL || f->sources[i].cfg->jwks_url == NULL)
        return false;
    struct source *s = &f->sources[i];
    uv_mutex_lock(&f->lock);
    if (s->last_ms + s->pause_ms < s->next_ms) {
        s->next_ms = s->last_ms + s->pause_ms;
        uv_cond_signal(&f->changed);
    }
    uv_mutex_unlock(&f->lock);
    return true;
}

/* --- making and ending --- */

static void free_all(struct key_fetch *f)
{
    curl_easy_cleanup(f->curl);
    uv_cond_destroy(&f->changed);
    uv_mutex_destroy(&f->lock);
    free(f->sources);
    free(f);
}

static struct key_fetch *make(const struct config *cfg, struct access *access)
{
    struct key_fetch *f = xcalloc(1, sizeof(*f));
    f->access = access;
    f->n = cfg->gateway.auth.n_issuers;
    f->sources = xcalloc(f->n, sizeof(f->sources[0]));
    for (size_t i = 0; i < f->n; i++) {
        const struct config_issuer *issuer = &cfg->gateway.auth.issuers[i];
        f->sources[i] = (struct source){
            .cfg = issuer,
            .pause_ms = issuer->jwks_refresh_ms < KEY_FETCH_PAUSE_MS ? issuer->jwks_refresh_ms
                                                                     : KEY_FETCH_PAUSE_MS,
            .next_ms = issuer->jwks_url != NULL    ? 0
                       : issuer->jwks_file != NULL ? clock_mono_ms() + issuer->jwks_refresh_ms
                                                   : UINT64_MAX};
    }
    int r = uv_mutex_init(&f->lock);
    if (r == 0)
        r = uv_cond_init(&f->changed);
    ASSERT(r == 0);
    return f;
}

static bool has_keys(const struct config *cfg)
{
    for (size_t i = 0; i < cfg->gateway.auth.n_issuers; i++)
        if (cfg->gateway.auth.issuers[i].secret == NULL)
            return true;
    return false;
}

int key_fetch_new(const struct config *cfg, struct access *access, struct key_fetch **ret)
{
    *ret = NULL;
    if (!has_keys(cfg))
        return 0;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    struct key_fetch *f = make(cfg, access);
    f->curl = curl_easy_init();
    int r = f->curl == NULL ? -ENOMEM : uv_thread_create(&f->thread, run, f);
    if (r < 0)
        free_all(f);
    else
        *ret = f;
    return r;
}

void key_fetch_free(struct key_fetch *f)
{
    if (f == NULL)
        return;
    uv_mutex_lock(&f->lock);
    atomic_store(&f->ending, true);
    uv_cond_signal(&f->changed);
    uv_mutex_unlock(&f->lock);
    (void) uv_thread_join(&f->thread);
    free_all(f);
}
