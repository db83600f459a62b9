/* certificates.c - see certificates.h. */
#include "certificates.h"

#include "log.h"
#include "mem.h"
#include "worker.h"

#include <stdlib.h>
#include <sys/stat.h>

/* What stat(2) says of a file: another one, or other content. */
struct identity {
    int err; /* 0, or what is wrong with it: nothing else counts then */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct identities {
    struct identity *at;
    size_t n;
};

/* Everything made of one configuration, until it is given to the workers. */
struct set {
    struct tls **gateway; /* by worker */
    size_t n_gateway;
    struct tls *front[LISTENER_N]; /* NULL: plain, and the gateway's place */
    struct certificate_in_use *in_use;
    size_t n_in_use;
    struct identities files; /* as they were before they were read */
};

struct certificates {
    struct shared *shared;
    const struct config *cfg;
    struct set *prepared; /* NULL: nothing */
    struct certificate_in_use *in_use;
    size_t n_in_use;
    struct identities seen; /* of the files when they were last read */
    bool again;             /* they could not be loaded, which nobody was told yet */
    bool watched;
    uv_timer_t look;
};

/* Takes a worker's part to its thread. */
struct hand_over {
    struct mail mail;
    struct worker *worker;
    struct tls *tls;
};

/* --- files --- */

static const struct config_tls *tls_of(const struct config *cfg, enum metrics_listener role)
{
    return role == LISTENER_GATEWAY    ? &cfg->gateway.tls
           : role == LISTENER_WEBHOOKS ? &cfg->webhooks.tls
                                       : &cfg->management.tls;
}

static struct identity identity_of(const char *file)
{
    struct stat st;
    if (stat(file, &st) < 0)
        return (struct identity){.err = errno};
    return (struct identity){.device = st.st_dev,
                             .inode = st.st_ino,
                             .size = st.st_size,
                             .modified = st.st_mtim,
                             .changed = st.st_ctim};
}

static void identify(const struct config_tls *tls, struct identities *ret)
{
    for (size_t i = 0; i < tls->n_certificates; i++) {
        ret->at[ret->n++] = identity_of(tls->certificates[i].certificate_file);
        ret->at[ret->n++] = identity_of(tls->certificates[i].private_key_file);
    }
    if (tls->client_ca_file != NULL)
        ret->at[ret->n++] = identity_of(tls->client_ca_file);
}

static struct identities identities_of(const struct config *cfg)
{
    const struct config_tls *sides[] = {&cfg->gateway.tls, &cfg->webhooks.tls,
                                        &cfg->management.tls};
    struct identities ret = {0};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(sides); i++)
        n += 2 * sides[i]->n_certificates + 1;
    ret.at = xcalloc(n, sizeof(ret.at[0]));
    for (size_t i = 0; i < ARRAY_LEN(sides); i++)
        identify(sides[i], &ret);
    return ret;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct identity *a, const struct identity *b)
{
    return a->err == b->err && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && same_time(&a->modified, &b->modified) &&
           same_time(&a->changed, &b->changed);
}

static bool same_files(const struct identities *a, const struct identities *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = same_file(&a->at[i], &b->at[i]);
    return same;
}

/* --- a set --- */

static void in_use_free(struct certificate_in_use *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *) (uintptr_t) at[i].name);
    free(at);
}

static void set_free(struct set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->n_gateway; i++)
        tls_unref(set->gateway[i]);
    for (size_t i = 0; i < LISTENER_N; i++)
        tls_unref(set->front[i]);
    in_use_free(set->in_use, set->n_in_use);
    free(set->gateway);
    free(set->files.at);
    free(set);
}

static void note_in_use(struct set *set, enum metrics_listener role, const struct tls *tls)
{
    size_t n = tls_n_certificates(tls);
    set->in_use = xrealloc(set->in_use, (set->n_in_use + n) * sizeof(set->in_use[0]));
    for (size_t i = 0; i < n; i++) {
        struct slice name = tls_certificate_name(tls, i);
        set->in_use[set->n_in_use++] = (struct certificate_in_use){
            .listener = role,
            .index = i,
            .name = xslicedup(slice_is_visible(name) ? name : SLICE_LIT("")),
            .expires_s = tls_certificate_expires_s(tls, i)};
    }
}

static int load_side(const struct shared *s, const struct config *cfg, enum metrics_listener role,
                     struct set *set, struct tls **ret, struct tls_problem *why)
{
    int r = tls_new(tls_of(cfg, role), s->tickets[role], ret, why);
    if (r < 0)
        why->side = role == LISTENER_GRPC ? LISTENERS[LISTENER_MANAGEMENT] : LISTENERS[role];
    else if (*ret != NULL && (role != LISTENER_GATEWAY || ret == set->gateway))
        note_in_use(set, role, *ret);
    return r;
}

/* Every worker's own: mbedTLS locks an RSA key while it signs. NULL: `why` says what is wrong. */
static struct set *set_new(const struct shared *s, const struct config *cfg,
                           struct tls_problem *why)
{
    struct set *set = xcalloc(1, sizeof(*set));
    int r = 0;
    set->files = identities_of(cfg);
    set->n_gateway = s->n_workers;
    set->gateway = xcalloc(s->n_workers, sizeof(struct tls *));
    for (size_t i = 0; r == 0 && i < s->n_workers; i++)
        r = load_side(s, cfg, LISTENER_GATEWAY, set, &set->gateway[i], why);
    for (int role = 0; r == 0 && role < LISTENER_N; role++)
        if (role != LISTENER_GATEWAY)
            r = load_side(s, cfg, (enum metrics_listener) role, set, &set->front[role], why);
    if (r == 0)
        return set;
    set_free(set);
    return NULL;
}

/* --- into use --- */

static void take(struct worker *w, enum metrics_listener role, struct tls **tls)
{
    tls_unref(w->tls[role]);
    w->tls[role] = *tls;
    *tls = NULL;
}

static void on_hand_over(struct mail *m) /* on the worker's thread */
{
    struct hand_over *h = LIST_ENTRY(m, struct hand_over, mail);
    take(h->worker, LISTENER_GATEWAY, &h->tls);
    free(h);
}

static void post(struct worker *w, struct tls **tls)
{
    struct hand_over *h = xcalloc(1, sizeof(*h));
    *h = (struct hand_over){.mail = {.run = on_hand_over}, .worker = w, .tls = *tls};
    *tls = NULL;
    mailbox_post(&w->mailbox, &h->mail);
}

/* Stops where there is nothing to look at. */
static void arm(struct certificates *c)
{
    if (c->watched && c->seen.n > 0 && !uv_is_active((const uv_handle_t *) &c->look))
        (void) uv_timer_again(&c->look); /* always 0: it has a repeat */
    else if (c->watched && c->seen.n == 0)
        (void) uv_timer_stop(&c->look); /* always 0 */
}

/* What is not a worker's goes to us; frees the set. */
static void keep_rest(struct certificates *c, struct set *set)
{
    in_use_free(c->in_use, c->n_in_use);
    free(c->seen.at);
    c->in_use = set->in_use;
    c->n_in_use = set->n_in_use;
    c->seen = set->files;
    c->again = false;
    set->in_use = NULL;
    set->n_in_use = 0;
    set->files = (struct identities){0};
    set_free(set);
    arm(c);
}

/* A worker that is draining accepts no more, and one that has stopped takes no mail. */
static void install(struct certificates *c, struct set *set)
{
    struct shared *s = c->shared;
    bool draining = atomic_load_explicit(&s->draining, memory_order_relaxed);
    for (size_t i = 0; !draining && i < set->n_gateway; i++)
        post(&s->workers[i], &set->gateway[i]);
    for (int role = 0; role < LISTENER_N; role++)
        if (role != LISTENER_GATEWAY)
            take(s->front, (enum metrics_listener) role, &set->front[role]);
    keep_rest(c, set);
}

static void count(const struct certificates *c, enum metric outcome)
{
    metrics_add(&c->shared->front->metrics, outcome, 1);
}

static void log_failed(const struct tls_problem *why, const char *what)
{
    char key[TLS_KEY_SIZE];
    struct log_line l;
    log_open(&l, LOG_ERROR, "tls", what);
    log_str(&l, "key", tls_problem_key(why, key));
    log_str(&l, "error", why->text);
    log_close(&l);
}

/* --- a reload's two steps --- */

int certificates_prepare(struct certificates *c, const struct config *cfg, struct tls_problem *why)
{
    certificates_drop(c);
    c->prepared = set_new(c->shared, cfg, why);
    if (c->prepared != NULL)
        return 0;
    count(c, M_TLS_RELOAD_FAILED);
    return -EINVAL;
}

void certificates_commit(struct certificates *c, const struct config *cfg)
{
    struct set *set = c->prepared;
    ASSERT(set != NULL);
    c->prepared = NULL;
    c->cfg = cfg;
    install(c, set);
    count(c, M_TLS_RELOADED);
}

void certificates_drop(struct certificates *c)
{
    set_free(c->prepared);
    c->prepared = NULL;
}

/* --- looking at the files --- */

static void reload(struct certificates *c, bool last)
{
    struct tls_problem why;
    struct set *set = set_new(c->shared, c->cfg, &why);
    if (set != NULL) {
        install(c, set);
        count(c, M_TLS_RELOADED);
        struct log_line l;
        log_open(&l, LOG_INFO, "tls", "tls_reloaded");
        log_u64(&l, "certificates", c->n_in_use);
        log_close(&l);
        return;
    }
    c->again = !last;
    if (!last)
        return; /* maybe half of it is there */
    count(c, M_TLS_RELOAD_FAILED);
    log_failed(&why, "tls_reload_failed");
}

static void on_look(uv_timer_t *timer)
{
    struct certificates *c = timer->data;
    struct identities now = identities_of(c->cfg);
    bool changed = !same_files(&now, &c->seen), again = c->again;
    free(c->seen.at);
    c->seen = now;
    if (changed || again)
        reload(c, !changed);
}

int certificates_watch(struct certificates *c, uv_loop_t *loop)
{
    c->look.data = c;
    int r = uv_timer_init(loop, &c->look);
    if (r == 0) {
        c->watched = true;
        (void) uv_timer_start(&c->look, on_look, CERTIFICATES_LOOK_MS, CERTIFICATES_LOOK_MS);
        arm(c);
    }
    return r;
}

void certificates_unwatch(struct certificates *c)
{
    if (c->watched)
        uv_close((uv_handle_t *) &c->look, NULL);
    c->watched = false;
}

/* --- making and ending --- */

int certificates_new(struct shared *s, const struct config *cfg, struct certificates **ret)
{
    struct tls_problem why;
    struct set *set = set_new(s, cfg, &why); /* checked, but files may have changed since */
    if (set == NULL) {
        log_failed(&why, "certificates cannot be used");
        return -EINVAL;
    }
    struct certificates *c = xcalloc(1, sizeof(*c));
    c->shared = s;
    c->cfg = cfg;
    for (size_t i = 0; i < s->n_workers; i++)
        take(&s->workers[i], LISTENER_GATEWAY, &set->gateway[i]);
    for (int role = 0; role < LISTENER_N; role++)
        if (role != LISTENER_GATEWAY)
            take(s->front, (enum metrics_listener) role, &set->front[role]);
    keep_rest(c, set);
    *ret = c;
    return 0;
}

void certificates_free(struct certificates *c)
{
    if (c == NULL)
        return;
    certificates_drop(c);
    in_use_free(c->in_use, c->n_in_use);
    free(c->seen.at);
    free(c);
}

const struct certificate_in_use *certificates_in_use(const struct certificates *c, size_t *ret_n)
{
    *ret_n = c == NULL ? 0 : c->n_in_use;
    return c == NULL ? NULL : c->in_use;
}
