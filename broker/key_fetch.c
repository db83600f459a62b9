/* key_fetch.c - see key_fetch.h. In the order things happen:
 *   key_fetch_new > key_fetch_follow > (its thread) run > update > fetch ... | key_fetch_free */
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

struct source { /* its texts are its own */
    char *issuer, *url, *file;
    uint64_t refresh_ms, pause_ms;
    uint64_t next_ms; /* monotonic; UINT64_MAX: it has neither URL nor file */
    uint64_t last_ms; /* when the last fetch ended */
    bool failing;     /* so that it is logged once */
};

struct key_fetch {
    CURL *curl;
    uv_mutex_t lock; /* of what follows */
    struct issuer_keys *keys;
    struct source *sources; /* one per issuer */
    size_t n;
    uv_cond_t changed;
    _Atomic bool ending;         /* read while a fetch runs, too, */
    _Atomic unsigned generation; /* and so is this: which sources these are */
    uv_thread_t thread;
};

/* --- one fetch --- */

struct answer {
    struct key_fetch *owner;
    unsigned generation;
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
    const struct answer *answer = arg;
    const struct key_fetch *f = answer->owner;
    (void) a, (void) b, (void) c, (void) d;
    return atomic_load(&f->ending) || atomic_load(&f->generation) != answer->generation;
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
static const char *fetch(struct key_fetch *f, unsigned generation, const char *url,
                         struct jwk_set **ret)
{
    long status = 0;
    struct answer a = {.owner = f, .generation = generation};
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

static const char *why_no_keys(int err)
{
    return err == 0          ? NULL
           : err == -EBADMSG ? "no JWK set, or no key in it can be used"
                             : err_str(err);
}

int key_fetch_files(struct issuer_keys *keys, struct key_fetch_problem *ret)
{
    for (size_t i = 0; i < issuer_keys_n(keys); i++) {
        const struct issuer_source *source = issuer_keys_source(keys, i);
        struct jwk_set *set = NULL;
        if (source->file == NULL)
            continue;
        int r = key_fetch_file(source->file, &set);
        if (r < 0) {
            *ret = (struct key_fetch_problem){source, why_no_keys(r)};
            return r;
        }
        issuer_keys_set(keys, i, set);
    }
    return 0;
}

static void log_outcome(const struct source *s, bool was_failing, const char *why, size_t n)
{
    struct log_line l;
    bool failed = why != NULL;
    if (failed && was_failing)
        return;
    log_open(&l,
             failed                           ? LOG_ERROR
             : was_failing || s->last_ms == 0 ? LOG_INFO
                                              : LOG_DEBUG,
             "keys",
             failed ? "an issuer's keys cannot be fetched: those that are there stay"
                    : "an issuer's keys were fetched");
    log_str(&l, "issuer", s->issuer);
    if (failed)
        log_str(&l, "error", why);
    else
        log_u64(&l, "keys", n);
    log_close(&l);
    log_flush();
}

/* --- sources --- */

static char *dup_or_null(const char *text)
{
    return text == NULL ? NULL : xstrdup(text);
}

static struct source source_copy(const struct source *s)
{
    struct source copy = *s;
    copy.issuer = xstrdup(s->issuer);
    copy.url = dup_or_null(s->url);
    copy.file = dup_or_null(s->file);
    return copy;
}

static void source_fini(struct source *s)
{
    free(s->issuer);
    free(s->url);
    free(s->file);
}

static void sources_free(struct source *sources, size_t n)
{
    for (size_t i = 0; i < n; i++)
        source_fini(&sources[i]);
    free(sources);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* NULL: there is none like it. */
static struct source *same_source(const struct key_fetch *f, const char *issuer, const char *url,
                                  const char *file)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->sources[i].issuer, issuer) == 0 && same_text(f->sources[i].url, url) &&
            same_text(f->sources[i].file, file))
            return &f->sources[i];
    return NULL;
}

static struct source source_of(const struct key_fetch *f, const struct issuer_source *from)
{
    struct source s = {.issuer = xstrdup(from->issuer),
                       .url = dup_or_null(from->url),
                       .file = dup_or_null(from->file),
                       .refresh_ms = from->refresh_ms,
                       .pause_ms = from->refresh_ms < KEY_FETCH_PAUSE_MS ? from->refresh_ms
                                                                         : KEY_FETCH_PAUSE_MS,
                       .next_ms = from->url != NULL    ? 0
                                  : from->file != NULL ? clock_mono_ms() + from->refresh_ms
                                                       : UINT64_MAX};
    const struct source *before = same_source(f, s.issuer, s.url, s.file);
    if (before == NULL)
        return s;
    s.last_ms = before->last_ms;
    s.failing = before->failing;
    uint64_t due = s.last_ms + s.refresh_ms;
    if (s.url != NULL)
        s.next_ms = before->next_ms < due ? before->next_ms : due;
    return s;
}

void key_fetch_follow(struct key_fetch *f, struct issuer_keys *keys)
{
    if (f == NULL)
        return;
    size_t n = issuer_keys_n(keys);
    struct source *sources = xcalloc(n, sizeof(sources[0]));
    uv_mutex_lock(&f->lock);
    for (size_t i = 0; i < n; i++)
        sources[i] = source_of(f, issuer_keys_source(keys, i));
    struct source *old = f->sources;
    size_t n_old = f->n;
    f->sources = sources;
    f->n = n;
    f->keys = keys;
    atomic_fetch_add(&f->generation, 1);
    uv_cond_signal(&f->changed);
    uv_mutex_unlock(&f->lock);
    sources_free(old, n_old);
}

/* --- the thread --- */

static struct source *next_source(const struct key_fetch *f) /* NULL: none ever */
{
    struct source *next = NULL;
    for (size_t i = 0; i < f->n; i++)
        if (f->sources[i].next_ms != UINT64_MAX &&
            (next == NULL || f->sources[i].next_ms < next->next_ms))
            next = &f->sources[i];
    return next;
}

/* Under the lock, which is not held while keys are on their way. */
static void update(struct key_fetch *f, struct source *s)
{
    struct source copy = source_copy(s);
    struct jwk_set *keys = NULL;
    unsigned generation = atomic_load(&f->generation);
    uv_mutex_unlock(&f->lock);
    const char *why = copy.url != NULL ? fetch(f, generation, copy.url, &keys)
                                       : why_no_keys(key_fetch_file(copy.file, &keys));
    uv_mutex_lock(&f->lock);
    if (atomic_load(&f->ending) || generation != atomic_load(&f->generation)) {
        jwk_set_unref(keys); /* nobody waits for them, or it is looked at anew what is due */
    } else {
        log_outcome(&copy, copy.failing, why, why == NULL ? jwk_set_n(keys) : 0);
        s->failing = why != NULL;
        s->last_ms = clock_mono_ms();
        s->next_ms = s->last_ms + (s->failing ? s->pause_ms : s->refresh_ms);
        if (why == NULL)
            issuer_keys_set(f->keys, (size_t) (s - f->sources), keys);
    }
    source_fini(&copy);
}

static void run(void *arg)
{
    struct key_fetch *f = arg;
    thread_name("keys");
    uv_mutex_lock(&f->lock);
    while (!atomic_load(&f->ending)) {
        struct source *s = next_source(f);
        uint64_t now = clock_mono_ms();
        if (s == NULL)
            uv_cond_wait(&f->changed, &f->lock);
        else if (s->next_ms > now)
            (void) uv_cond_timedwait(&f->changed, &f->lock, (s->next_ms - now) * 1000000);
        else
            update(f, s);
    }
    uv_mutex_unlock(&f->lock);
}

bool key_fetch_want(struct key_fetch *f, const struct issuer_source *source)
{
    if (f == NULL)
        return false;
    uv_mutex_lock(&f->lock);
    struct source *s = same_source(f, source->issuer, source->url, source->file);
    bool can = s != NULL && s->url != NULL;
    if (can && s->last_ms + s->pause_ms < s->next_ms) {
        s->next_ms = s->last_ms + s->pause_ms;
        uv_cond_signal(&f->changed);
    }
    uv_mutex_unlock(&f->lock);
    return can;
}

/* --- making and ending --- */

static void free_all(struct key_fetch *f)
{
    curl_easy_cleanup(f->curl);
    uv_cond_destroy(&f->changed);
    uv_mutex_destroy(&f->lock);
    sources_free(f->sources, f->n);
    free(f);
}

bool key_fetch_is_needed(const struct issuer_keys *keys)
{
    for (size_t i = 0; i < issuer_keys_n(keys); i++) {
        const struct issuer_source *source = issuer_keys_source(keys, i);
        if (source->url != NULL || source->file != NULL)
            return true;
    }
    return false;
}

int key_fetch_new(struct key_fetch **ret)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    struct key_fetch *f = xcalloc(1, sizeof(*f));
    int r = uv_mutex_init(&f->lock);
    if (r == 0)
        r = uv_cond_init(&f->changed);
    ASSERT(r == 0);
    f->curl = curl_easy_init();
    r = f->curl == NULL ? -ENOMEM : uv_thread_create(&f->thread, run, f);
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
