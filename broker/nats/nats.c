/* nats.c - the life of a connection: attempts, the greeting, keeping it alive, its end. */
#include "nats_private.h"

#include "log.h"
#include "mem.h"
#include "nats_info.h"
#include "nats_random.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNECT_TIMEOUT_MS 2000
#define PING_MS            2000
#define MAX_BACKOFF_MS     2000
#define MAX_PENDING        ((size_t) 64 << 20)
#define FIRST_BACKOFF_MS   100
#define FIRST_PAYLOAD      ((uint64_t) 1 << 20) /* before the server says */
#define MAX_UNANSWERED     2
#define LEAVE_AFTER_MS     1000 /* at most: not all of a server's clients at once */
#define LEAVE_WITHIN_MS    3000
#define LOG_EVERY_MS       1000
#define LINES_BYTES        ((size_t) 1 << 20) /* subscriptions and the like, beside max_pending */

static void attempt(struct nats *n);
static void on_timer(uv_timer_t *timer);

uint64_t nats_now_ms(void)
{
    return uv_hrtime() / 1000000;
}

bool nats_is_open(const struct nats *n)
{
    return n->phase < PHASE_FLUSHING;
}

static void start_timer(struct nats *n, uint64_t in_ms)
{
    uv_update_time(n->loop); /* the loop's time is that of when its turn began */
    (void) uv_timer_start(&n->timer, on_timer, in_ms, 0); /* has a callback, is not closing */
}

/* --- telling --- */

static void tell_state(struct nats *n, enum nats_state state, const char *why)
{
    if (n->on_state != NULL)
        n->on_state(n->ctx, state, why);
}

void nats_watch(struct nats *n, struct nats_watch *watch)
{
    list_push(&n->watches, &watch->in_list);
}

static void tell_watches(struct nats *n, bool up)
{
    LIST_FOREACH_SAFE (it, &n->watches) {
        struct nats_watch *w = LIST_ENTRY(it, struct nats_watch, in_list);
        w->changed(w->ctx, up);
    }
}

/* --- the end of a connection --- */

static void drop_link(struct nats *n)
{
    nats_link_close(n->link);
    n->link = NULL;
    n->parse = (struct nats_parse){0};
    n->secure = n->lame_duck = false;
    (void) uv_timer_stop(&n->pinging);
    (void) uv_timer_stop(&n->timer);
}

static void wait_for_attempt(struct nats *n, uint64_t most_ms)
{
    n->phase = PHASE_WAITING;
    start_timer(n, most_ms == 0 ? 0 : nats_random_below(most_ms + 1));
}

/* Full jitter: whoever lost the same server does not come back at the same time. */
static void end_round(struct nats *n)
{
    uint64_t most = FIRST_BACKOFF_MS;
    for (unsigned i = 0; i < n->failed_rounds && most < n->max_backoff_ms; i++)
        most *= 2;
    n->failed_rounds++;
    nats_servers_shuffle(&n->servers, false);
    wait_for_attempt(n, most < n->max_backoff_ms ? most : n->max_backoff_ms);
    tell_state(n, NATS_CONNECTING, n->why);
}

static void end_connection(struct nats *n)
{
    bool told = n->phase == PHASE_LEAVING;
    nats_servers_shuffle(&n->servers, true);
    n->failed_rounds = 0;
    wait_for_attempt(n, told ? 0 : FIRST_BACKOFF_MS);
    nats_request_end_all(n, -ENOTCONN);
    if (told)
        return;
    tell_watches(n, false);
    tell_state(n, NATS_CONNECTING, n->why);
}

static void end_flush(struct nats *n);

void nats_break(struct nats *n, const char *why)
{
    enum nats_phase phase = n->phase;
    if (n->link == NULL)
        return;
    if (why != n->why)
        (void) snprintf(n->why, sizeof(n->why), "%s", why);
    drop_link(n);
    if (phase == PHASE_FLUSHING)
        end_flush(n);
    else if (phase == PHASE_UP || phase == PHASE_LEAVING)
        end_connection(n);
    else if (n->servers.next < n->servers.n)
        wait_for_attempt(n, 0);
    else
        end_round(n);
}

/* --- the greeting --- */

static bool load_trust(struct nats *n)
{
    const struct nats_trust_files files = {n->ca_file, n->cert_file, n->key_file};
    char why[NATS_TLS_WHY_SIZE];
    if (n->trust != NULL || nats_trust_new(&files, &n->trust, why) == 0)
        return true;
    nats_break(n, why);
    return false;
}

static void join(struct nats *n)
{
    const struct nats_login login = {n->user, n->password, n->token, n->name, n->secure};
    struct nats_link *link = n->link;
    n->phase = PHASE_JOINING;
    if (nats_info_connect(nats_link_out(link), &login) < 0) {
        nats_break(n, "no memory");
        return;
    }
    nats_sub_all(n);
    if (n->link == link)
        nats_send(n, "PING\r\n");
}

static void take_server(struct nats *n, const struct nats_info *info)
{
    bool tls = n->secure;
    n->server = info->server;
    n->server.tls = tls;
    nats_link_address(n->link, n->server.address, sizeof(n->server.address));
    n->parse.limit = nats_message_limit(n->server.max_payload);
    nats_link_allow(n->link, n->parse.limit + NATS_INFO_MAX + 4 * NATS_ROOM);
    if (info->n_named > 0)
        nats_servers_name(&n->servers, (const char *const *) info->named, info->n_named);
}

/* `more` has come behind it. Nothing may, when records are to come: it could be anybody's. */
static void greet(struct nats *n, const struct nats_info *info, bool more)
{
    bool wants_tls = n->servers.at[n->servers.current].tls;
    take_server(n, info);
    if (!info->tls_required && !(wants_tls && info->tls_available)) {
        if (wants_tls)
            nats_break(n, "the server has no TLS");
        else
            join(n);
        return;
    }
    if (more)
        nats_break(n, "the server says more before TLS than it should");
    else if (load_trust(n)) {
        n->phase = PHASE_SECURING;
        nats_link_secure(n->link, n->trust);
    }
}

static void on_secure(void *ctx)
{
    struct nats *n = ctx;
    n->secure = n->server.tls = true;
    join(n);
}

static void come_up(struct nats *n)
{
    n->phase = PHASE_UP;
    n->failed_rounds = n->unanswered = 0;
    n->connections++;
    (void) uv_timer_stop(&n->timer);
    (void) uv_timer_again(&n->pinging); /* its repeat is set */
    tell_state(n, NATS_CONNECTED, n->server.address);
    if (n->phase == PHASE_UP)
        tell_watches(n, true);
}

/* --- a server that goes out of service --- */

/* To stay is better where there is no other: it says so a long time before it goes. */
static void begin_leaving(struct nats *n)
{
    if (n->lame_duck || n->phase != PHASE_UP)
        return;
    n->lame_duck = true;
    if (n->servers.n > 1)
        start_timer(n, nats_random_below(LEAVE_AFTER_MS));
    tell_state(n, NATS_LAME_DUCK, "the server goes out of service");
}

static void leave(struct nats *n)
{
    n->phase = PHASE_LEAVING;
    start_timer(n, LEAVE_WITHIN_MS);
    tell_watches(n, false);
    tell_state(n, NATS_CONNECTING, "the server goes out of service");
    nats_left(n);
}

/* What was written has been taken: it answers in order, and nothing is asked any more. */
void nats_left(struct nats *n)
{
    if (n->phase == PHASE_LEAVING && !nats_request_any(n) && nats_link_pending(n->link) == 0)
        nats_break(n, "moved to another server");
}

/* --- what the server says --- */

static void take_info(struct nats *n, struct slice text, bool more)
{
    struct nats_info info;
    if (nats_info_read(text, &info) < 0) {
        nats_break(n, "the server's INFO is none, or of a server without headers");
        return;
    }
    if (n->phase == PHASE_GREETING)
        greet(n, &info, more);
    else
        take_server(n, &info);
    if (info.lame_duck)
        begin_leaving(n);
    nats_info_fini(&info);
}

/* Of most of these the server closes the connection, and that says it again. */
static void take_complaint(struct nats *n, struct slice text)
{
    uint64_t now = nats_now_ms();
    (void) snprintf(n->why, sizeof(n->why), "the server says: %.*s",
                    (int) (text.len < 120 ? text.len : 120), (const char *) text.data);
    if (n->phase != PHASE_UP) {
        nats_break(n, n->why);
        return;
    }
    if (now - n->logged_ms < LOG_EVERY_MS)
        return;
    n->logged_ms = now;
    struct log_line l;
    log_open(&l, LOG_WARN, "nats", "the server complains");
    log_slice(&l, "words", text);
    log_close(&l);
}

static void take_pong(struct nats *n)
{
    if (n->phase == PHASE_JOINING)
        come_up(n);
    else if (n->phase == PHASE_FLUSHING)
        nats_break(n, "closed");
    else
        nats_left(n);
}

static void take(struct nats *n, const struct nats_op *op, bool more)
{
    switch (op->kind) {
    case NATS_OP_INFO:
        take_info(n, op->text, more);
        break;
    case NATS_OP_MSG:
        if (nats_is_open(n))
            nats_sub_give(n, op->sid, &op->msg);
        break;
    case NATS_OP_PING:
        nats_send(n, "PONG\r\n");
        break;
    case NATS_OP_PONG:
        take_pong(n);
        break;
    case NATS_OP_ERR:
        take_complaint(n, op->text);
        break;
    case NATS_OP_OK:
        break;
    }
}

static ssize_t on_bytes(void *ctx, uint8_t *in, size_t len, size_t *ret_wants)
{
    struct nats *n = ctx;
    const struct nats_link *link = n->link;
    size_t used = 0;
    n->unanswered = 0; /* whatever it says, it lives */
    for (;;) {
        struct nats_op op;
        size_t one = 0;
        int r = nats_parse(&n->parse, in + used, len - used, &one, &op);
        if (r == 0)
            break;
        if (r > 0 && n->phase == PHASE_GREETING && op.kind != NATS_OP_INFO &&
            op.kind != NATS_OP_ERR)
            r = -EBADMSG;
        if (r < 0) {
            nats_break(n, r == -EMSGSIZE ? "the server sends more than it may"
                                         : "the server does not speak the protocol");
            return -1;
        }
        used += one;
        take(n, &op, used < len);
        if (n->link != link || n->link == NULL)
            return -1;
        if (n->phase == PHASE_SECURING)
            used = len = 0; /* nothing is left of it */
    }
    *ret_wants = nats_parse_wants(&n->parse);
    return (ssize_t) used;
}

/* --- attempts --- */

static void on_open(void *ctx)
{
    struct nats *n = ctx;
    n->phase = PHASE_GREETING;
}

static void on_broken(void *ctx, const char *why)
{
    struct nats *n = ctx;
    bool said = n->phase == PHASE_UP && nats_now_ms() - n->logged_ms < LOG_EVERY_MS; /* why */
    nats_break(n, said ? n->why : why);
}

static void attempt(struct nats *n)
{
    static const struct nats_link_events EVENTS = {on_open, on_secure, on_bytes, on_broken};
    const struct nats_at *at = nats_servers_next(&n->servers);
    ASSERT(at != NULL); /* shuffled with the end of each round */
    n->phase = PHASE_OPENING;
    n->why[0] = '\0';
    n->parse = (struct nats_parse){.limit = nats_message_limit(FIRST_PAYLOAD)};
    n->link = nats_link_new(n->loop, at, n->parse.limit + NATS_INFO_MAX + 4 * NATS_ROOM,
                            n->max_pending + LINES_BYTES, &EVENTS, n);
    start_timer(n, n->connect_timeout_ms);
}

/* What the time was for has not come, or has. */
static void on_timer(uv_timer_t *timer)
{
    struct nats *n = timer->data;
    switch (n->phase) {
    case PHASE_WAITING:
        attempt(n);
        break;
    case PHASE_UP:
        leave(n);
        break;
    case PHASE_OPENING:
        nats_break(n, "no connection in time");
        break;
    default:
        nats_break(n, "no answer in time");
        break;
    }
}

static void on_ping(uv_timer_t *timer)
{
    struct nats *n = timer->data;
    if (n->unanswered == MAX_UNANSWERED) {
        nats_break(n, "the server does not answer");
        return;
    }
    n->unanswered++;
    nats_send(n, "PING\r\n");
}

/* --- writing once a turn --- */

static void on_prepare(uv_prepare_t *prepare)
{
    struct nats *n = prepare->data;
    (void) uv_prepare_stop(&n->prepare);
    if (list_empty(&n->ended))
        (void) uv_idle_stop(&n->idle);
    if (n->link != NULL)
        nats_link_flush(n->link);
}

static void on_idle(uv_idle_t *idle)
{
    nats_request_turn(idle->data);
}

/* As long as there is an idle handle the loop does not wait: the turn's own prepare step may be
 * over when somebody else's publishes. */
void nats_flush_soon(struct nats *n)
{
    (void) uv_prepare_start(&n->prepare, on_prepare); /* has a callback, is not closing */
    (void) uv_idle_start(&n->idle, on_idle);
}

/* --- making and closing --- */

static int check_trust(struct nats *n)
{
    const struct nats_trust_files files = {n->ca_file, n->cert_file, n->key_file};
    bool tls = n->ca_file != NULL || n->cert_file != NULL;
    char why[NATS_TLS_WHY_SIZE];
    for (size_t i = 0; i < n->servers.n; i++)
        tls = tls || n->servers.at[i].tls;
    int r = tls ? nats_trust_new(&files, &n->trust, why) : 0;
    if (r == 0)
        return 0;
    struct log_line l;
    log_open(&l, LOG_ERROR, "nats", "a file of nats.tls cannot be used");
    log_str(&l, "error", why);
    log_close(&l);
    return r;
}

static char *given(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : xstrdup(text);
}

static void free_nats(struct nats *n)
{
    char *const texts[] = {n->user,    n->password,  n->token,   n->name,
                           n->ca_file, n->cert_file, n->key_file};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    nats_trust_free(n->trust);
    free(n);
}

static struct nats *copy_options(const struct nats_options *o)
{
    struct nats *n = xcalloc(1, sizeof(*n));
    n->user = given(o->user);
    n->password = given(o->password);
    n->token = given(o->token);
    n->name = given(o->name);
    n->ca_file = given(o->ca_file);
    n->cert_file = given(o->cert_file);
    n->key_file = given(o->key_file);
    n->connect_timeout_ms = o->connect_timeout_ms > 0 ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    n->ping_ms = o->ping_ms > 0 ? o->ping_ms : PING_MS;
    n->max_backoff_ms = o->max_backoff_ms > 0 ? o->max_backoff_ms : MAX_BACKOFF_MS;
    n->max_pending = o->max_pending > 0 ? o->max_pending : MAX_PENDING;
    n->on_state = o->on_state;
    n->ctx = o->ctx;
    return n;
}

static void init_handles(struct nats *n)
{
    n->timer.data = n->pinging.data = n->deadlines.data = n->prepare.data = n->idle.data = n;
    (void) uv_timer_init(n->loop, &n->timer); /* always 0, as the next */
    (void) uv_timer_init(n->loop, &n->pinging);
    (void) uv_timer_init(n->loop, &n->deadlines);
    (void) uv_prepare_init(n->loop, &n->prepare);
    (void) uv_idle_init(n->loop, &n->idle);
    n->handles = 5;
    (void) uv_timer_start(&n->pinging, on_ping, n->ping_ms, n->ping_ms);
    (void) uv_timer_stop(&n->pinging); /* uv_timer_again() starts it */
}

int nats_new(uv_loop_t *loop, const struct nats_options *options, struct nats **ret)
{
    struct nats *n = copy_options(options);
    char name[NATS_INBOX_RANDOM + 1];
    int r = options->n_urls > 0 ? 0 : -EINVAL;
    for (size_t i = 0; r == 0 && i < options->n_urls; i++)
        r = nats_servers_add(&n->servers, options->urls[i]);
    if (r == 0)
        r = check_trust(n);
    if (r < 0) {
        free_nats(n);
        return r;
    }
    n->loop = loop;
    nats_random_name(name, NATS_INBOX_RANDOM);
    (void) snprintf(n->inbox, sizeof(n->inbox), "_INBOX.%s.", name);
    list_init(&n->watches);
    list_init(&n->subs);
    list_init(&n->waiting);
    list_init(&n->ended);
    list_init(&n->due);
    init_handles(n);
    nats_servers_shuffle(&n->servers, false);
    wait_for_attempt(n, 0);
    *ret = n;
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct nats *n = handle->data;
    if (--n->handles == 0)
        free_nats(n);
}

static void end_flush(struct nats *n)
{
    n->phase = PHASE_CLOSED;
    drop_link(n);
    uv_close((uv_handle_t *) &n->timer, on_handle_closed);
    uv_close((uv_handle_t *) &n->pinging, on_handle_closed);
    uv_close((uv_handle_t *) &n->deadlines, on_handle_closed);
    uv_close((uv_handle_t *) &n->prepare, on_handle_closed);
    uv_close((uv_handle_t *) &n->idle, on_handle_closed);
}

/* The answer to the last PING says that all before it has been taken. */
void nats_close(struct nats *n, uint64_t flush_ms)
{
    if (n == NULL || !nats_is_open(n))
        return;
    bool up = n->phase == PHASE_UP || n->phase == PHASE_LEAVING;
    n->phase = PHASE_FLUSHING;
    nats_sub_free_all(n);
    nats_request_free_all(n);
    if (!up || flush_ms == 0) {
        end_flush(n);
        return;
    }
    start_timer(n, flush_ms);
    nats_send(n, "PING\r\n");
}

/* --- asking --- */

const struct nats_server *nats_server(const struct nats *n)
{
    return &n->server;
}

bool nats_connected(const struct nats *n)
{
    return n->phase == PHASE_UP;
}

uint64_t nats_pending(const struct nats *n)
{
    return n->link == NULL ? 0 : nats_link_pending(n->link);
}

uint64_t nats_reconnects(const struct nats *n)
{
    return n->connections > 0 ? n->connections - 1 : 0;
}
