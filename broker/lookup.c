/* lookup.c - see lookup.h. In the order things happen:
 *   lookup_ask > (a thread) run > ask > registry_client_ask > mailbox > on_mail | lookup_end
 *
 * Clients, with their connections and tokens, are kept for the next question about their registry;
 * those of settings that count no longer are not. */
#include "lookup.h"

#include "list.h"
#include "mem.h"
#include "thread.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define SHOWN_URL (REGISTRY_WHY_SIZE - 100)
#define WHERE     "registry_user and registry_password_file"

/* Where a registry is; its texts are its own. */
struct origin {
    char *registry_id, *url, *user, *password, *ca_file;
    struct registry_client *idle[LOOKUP_THREADS];
    size_t n_idle;
};

struct lookup {
    struct mailbox *mailbox;
    uv_mutex_t lock; /* of what follows */
    uv_cond_t changed;
    struct origin *origins;
    size_t n_origins;
    uint64_t generation; /* of these */
    struct lookup_question *first, **end;
    size_t n_queued;
    uv_thread_t threads[LOOKUP_THREADS];
    size_t n_threads, n_idle;
    bool curl;           /* was set up */
    _Atomic bool ending; /* read while a question is asked, too */
};

/* --- clients --- */

static struct origin *origin_of(const struct lookup *l, const char *registry_id)
{
    for (size_t i = 0; i < l->n_origins; i++)
        if (strcmp(l->origins[i].registry_id, registry_id) == 0)
            return &l->origins[i];
    return NULL;
}

static bool has_ended(void *ctx)
{
    const struct lookup *l = ctx;
    return atomic_load(&l->ending);
}

static struct registry_client *new_client(struct lookup *l, const struct origin *o,
                                          char why[REGISTRY_WHY_SIZE])
{
    struct registry_client *c = NULL;
    const struct registry_client_options options = {.url = o->url,
                                                    .user = o->user,
                                                    .password = o->password,
                                                    .ca_file = o->ca_file,
                                                    .where = WHERE,
                                                    .ended = has_ended,
                                                    .ctx = l};
    return registry_client_new(&options, &c, why) < 0 ? NULL : c;
}

/* NULL: `why` says why there is none. */
static struct registry_client *take_client(struct lookup *l, const char *registry_id,
                                           uint64_t *ret_generation, char why[REGISTRY_WHY_SIZE])
{
    struct registry_client *c = NULL;
    uv_mutex_lock(&l->lock);
    struct origin *o = origin_of(l, registry_id);
    *ret_generation = l->generation;
    if (o == NULL)
        (void) snprintf(why, REGISTRY_WHY_SIZE, "no registry_url is configured any more");
    else
        c = o->n_idle > 0 ? o->idle[--o->n_idle] : new_client(l, o, why);
    uv_mutex_unlock(&l->lock);
    return c;
}

static void give_back(struct lookup *l, const char *registry_id, uint64_t generation,
                      struct registry_client *c)
{
    uv_mutex_lock(&l->lock);
    struct origin *o = generation == l->generation ? origin_of(l, registry_id) : NULL;
    if (o != NULL && o->n_idle < ARRAY_LEN(o->idle)) {
        o->idle[o->n_idle++] = c;
        c = NULL;
    }
    uv_mutex_unlock(&l->lock);
    registry_client_free(c);
}

/* --- one question --- */

static enum lookup_outcome failed(struct lookup_question *q, const struct registry_client *c,
                                  int err)
{
    (void) snprintf(q->why, sizeof(q->why), "%s", registry_client_why(c));
    return err == -EIO || err == -EACCES ? LOOKUP_AWAY : LOOKUP_REFUSED;
}

static enum lookup_outcome unexpected(struct lookup_question *q, const struct registry_answer *a)
{
    (void) snprintf(q->why, sizeof(q->why), "%.*s: answers %u%s", SHOWN_URL, a->url, a->status,
                    a->status == 200 ? " with something that is no manifest" : "");
    return a->status == 429 || a->status >= 500 ? LOOKUP_AWAY : LOOKUP_REFUSED;
}

static int ask_once(struct registry_client *c, enum registry_method method,
                    const struct lookup_question *q, struct registry_answer *a)
{
    char what[sizeof("/v2//manifests/") + FIELD_REPOSITORY_MAX + FIELD_TAG_MAX];
    (void) snprintf(what, sizeof(what), "/v2/%s/manifests/%s", q->repository, q->tag);
    int r = registry_client_ask(c, method, what, REGISTRY_ACCEPT, a);
    if (r == 0 && a->status == 403 && registry_client_forget(c))
        r = registry_client_ask(c, method, what, REGISTRY_ACCEPT, a);
    return r;
}

/* Only of what is a manifest: a page that says "log in" has a hash, too. */
static enum lookup_outcome reckon(struct lookup_question *q, const struct registry_answer *a)
{
    if (a->status != 200 || !registry_manifest_is_known(a->media_type) || a->body.len == 0)
        return unexpected(q, a);
    registry_manifest_digest(buf_slice(&a->body), q->digest);
    return LOOKUP_FOUND;
}

/* HEAD costs the registry least, and is not counted as a pull; where it does not say enough the
 * manifest does (OCI distribution specification, "Pulling manifests": the header is a SHOULD). */
static enum lookup_outcome ask_with(struct registry_client *c, struct lookup_question *q,
                                    struct registry_answer *a)
{
    int r = ask_once(c, REGISTRY_HEAD, q, a);
    if (r == 0 && a->status == 200 && field_digest(a->digest)) {
        memcpy(q->digest, a->digest, strlen(a->digest) + 1);
        return LOOKUP_FOUND;
    }
    bool get = a->status == 200 || a->status == 405 || a->status == 501;
    if (r == 0 && get)
        r = ask_once(c, REGISTRY_GET, q, a);
    if (r < 0)
        return failed(q, c, r);
    if (a->status != 404)
        return reckon(q, a);
    (void) snprintf(q->why, sizeof(q->why), "%.*s: answers 404: there is no such tag", SHOWN_URL,
                    a->url);
    return LOOKUP_MISSING;
}

static void ask(struct lookup *l, struct lookup_question *q)
{
    struct registry_answer answer;
    uint64_t generation;
    struct registry_client *c = take_client(l, q->registry_id, &generation, q->why);
    q->outcome = LOOKUP_REFUSED;
    if (c == NULL)
        return;
    registry_answer_init(&answer);
    q->outcome = ask_with(c, q, &answer);
    registry_answer_fini(&answer);
    give_back(l, q->registry_id, generation, c);
}

/* --- the threads --- */

static void on_mail(struct mail *m)
{
    struct lookup_question *q = LIST_ENTRY(m, struct lookup_question, mail);
    q->answered(q);
}

static void run(void *arg)
{
    struct lookup *l = arg;
    thread_name("lookup");
    uv_mutex_lock(&l->lock);
    while (!atomic_load(&l->ending)) {
        struct lookup_question *q = l->first;
        if (q == NULL) {
            l->n_idle++;
            uv_cond_wait(&l->changed, &l->lock);
            l->n_idle--;
            continue;
        }
        l->first = q->next;
        l->n_queued--;
        if (l->first == NULL)
            l->end = &l->first;
        uv_mutex_unlock(&l->lock);
        ask(l, q);
        uv_mutex_lock(&l->lock);
        if (!atomic_load(&l->ending)) /* under the lock: afterwards the mailbox may be gone */
            mailbox_post(l->mailbox, &q->mail);
    }
    uv_mutex_unlock(&l->lock);
}

/* Under the lock. One that is idle may have been woken for what is queued already. */
static int more_threads(struct lookup *l)
{
    if (l->n_idle > l->n_queued || l->n_threads == LOOKUP_THREADS)
        return 0;
    if (!l->curl && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    l->curl = true;
    int r = uv_thread_create(&l->threads[l->n_threads], run, l);
    l->n_threads += r == 0;
    return l->n_threads > 0 ? 0 : r;
}

void lookup_ask(struct lookup *l, struct lookup_question *q)
{
    q->next = NULL;
    q->why[0] = q->digest[0] = '\0';
    q->mail.run = on_mail;
    uv_mutex_lock(&l->lock);
    int r = more_threads(l);
    if (r == 0) {
        *l->end = q;
        l->end = &q->next;
        l->n_queued++;
        uv_cond_signal(&l->changed);
    } else {
        q->outcome = LOOKUP_AWAY;
        (void) snprintf(q->why, sizeof(q->why), "no thread to ask: %s", err_str(r));
        mailbox_post(l->mailbox, &q->mail);
    }
    uv_mutex_unlock(&l->lock);
}

/* --- settings --- */

static void free_secret(char *s)
{
    if (s != NULL)
        explicit_bzero(s, strlen(s));
    free(s);
}

static void origins_free(struct origin *origins, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct origin *o = &origins[i];
        while (o->n_idle > 0)
            registry_client_free(o->idle[--o->n_idle]);
        free(o->registry_id);
        free(o->url);
        free(o->user);
        free_secret(o->password);
        free(o->ca_file);
    }
    free(origins);
}

void lookup_configure(struct lookup *l, const struct config *cfg)
{
    struct origin *origins = xcalloc(cfg->n_registries + 1, sizeof(*origins));
    size_t n = 0;
    for (size_t i = 0; i < cfg->n_registries; i++) {
        const struct config_registry *r = &cfg->registries[i];
        if (r->registry_url != NULL)
            origins[n++] = (struct origin){.registry_id = xstrdup(r->id),
                                           .url = xstrdup(r->registry_url),
                                           .user = xstrdup(r->registry_user),
                                           .password = xstrdup(r->registry_password),
                                           .ca_file = xstrdup(r->registry_ca_file)};
    }
    uv_mutex_lock(&l->lock);
    struct origin *before = l->origins;
    size_t n_before = l->n_origins;
    l->origins = origins;
    l->n_origins = n;
    l->generation++;
    uv_mutex_unlock(&l->lock);
    origins_free(before, n_before);
}

/* --- making and ending --- */

struct lookup *lookup_new(struct mailbox *mailbox)
{
    struct lookup *l = xcalloc(1, sizeof(*l));
    l->mailbox = mailbox;
    l->end = &l->first;
    int r = uv_mutex_init(&l->lock);
    if (r == 0)
        r = uv_cond_init(&l->changed);
    ASSERT(r == 0); /* only a lack of memory could fail it */
    return l;
}

void lookup_end(struct lookup *l)
{
    uv_mutex_lock(&l->lock);
    atomic_store(&l->ending, true);
    uv_cond_broadcast(&l->changed);
    uv_mutex_unlock(&l->lock);
}

void lookup_free(struct lookup *l)
{
    if (l == NULL)
        return;
    lookup_end(l);
    for (size_t i = 0; i < l->n_threads; i++)
        (void) uv_thread_join(&l->threads[i]);
    origins_free(l->origins, l->n_origins);
    uv_cond_destroy(&l->changed);
    uv_mutex_destroy(&l->lock);
    if (l->curl)
        curl_global_cleanup();
    free(l);
}
