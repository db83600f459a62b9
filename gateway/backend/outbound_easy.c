/* outbound_easy.c - a request in curl's terms: the options of each transfer, its callbacks, and
 * what its end means. See outbound_private.h. */
#include "outbound_private.h"

#include "mem.h"

#include <stdlib.h>

/* --- what curl says during a transfer --- */

static void note_progress(struct outbound_call *call)
{
    call->since_ms = uv_now(call->o->loop);
}

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct easy *e = arg;
    note_progress(e->call);
    int r = answer_line(&e->answer, slice_of(bytes, size * n));
    if (e->answer.part == HEAD_OVER)
        e->call->phase = CALL_ANSWERED;
    return r < 0 ? 0 : size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct easy *e = arg;
    note_progress(e->call);
    return answer_body(&e->answer, slice_of(bytes, size * n)) < 0 ? 0 : size * n;
}

/* When a kept connection breaks before a byte of the answer, curl sends the request again on
 * another. The backend may have acted on the first one. */
static bool may_ask(struct easy *e)
{
    if (!e->call->asked || !e->call->once)
        return true;
    (void) answer_refuse(&e->answer, -EBADMSG, "closed before it answered");
    return false;
}

/* A connection is there, new or kept: the request goes out next. */
static int on_connected(void *arg, char *to, char *from, int to_port, int from_port)
{
    struct easy *e = arg;
    (void) to, (void) from, (void) to_port;
    if (!may_ask(e))
        return CURL_PREREQFUNC_ABORT;
    bool fresh = e->call->phase == CALL_CONNECTS && e->call->tried > 0;
    if (fresh)
        pool_keep(e->pool, e->opened, e->n_opened, (unsigned) from_port);
    else if (pool_has_ended(e->pool, (unsigned) from_port, e->call->tls))
        return CURL_PREREQFUNC_OK; /* nothing leaves, and curl takes another connection */
    e->call->asked = true;
    e->call->phase = CALL_ASKS;
    e->call->sent = 0;
    note_progress(e->call);
    outbound_due(e->call);
    return CURL_PREREQFUNC_OK;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct easy *e = arg;
    int err = 0;
    if (purpose != CURLSOCKTYPE_IPCXN || !may_ask(e))
        return CURL_SOCKET_BAD;
    if (e->call->phase != CALL_CONNECTS) { /* a second time, see may_ask() */
        e->call->phase = CALL_CONNECTS;
        note_progress(e->call);
    }
    curl_socket_t fd = pool_open_socket(e->pool, to, &err);
    if (fd != CURL_SOCKET_BAD) {
        e->opened[e->call->tried++ % OUTBOUND_OPENED] = fd;
        e->n_opened = e->call->tried < OUTBOUND_OPENED ? e->call->tried : OUTBOUND_OPENED;
    } else if (err == -EACCES)
        e->call->egress = true;
    else /* nothing that the backend could help */
        (void) answer_refuse(&e->answer, -ENOMEM, err_str(err));
    return fd;
}

/* --- options --- */

#define SET(option, value) r = r == CURLE_OK ? curl_easy_setopt(curl, option, value) : r

/* What is the same for all of a pool. */
static CURLcode set_fixed(struct easy *e)
{
    CURL *curl = e->curl;
    CURLcode r = CURLE_OK;
    SET(CURLOPT_PRIVATE, e);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else a call that ends while its name is resolved waits for that,
                                    and the loop with it */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_PROXY, ""); /* also not those of the environment */
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_MAXAGE_CONN, (long) OUTBOUND_IDLE_S);
    SET(CURLOPT_PIPEWAIT, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, e);
    SET(CURLOPT_CLOSESOCKETFUNCTION, pool_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, e->pool); /* a connection outlives the easy that opened it */
    SET(CURLOPT_PREREQFUNCTION, on_connected);
    SET(CURLOPT_PREREQDATA, e);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, e);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, e);
    if (e->pool->ca_file != NULL) {
        SET(CURLOPT_CAINFO, e->pool->ca_file);
        SET(CURLOPT_CA_CACHE_TIMEOUT, OUTBOUND_CA_S);
        SET(CURLOPT_CAPATH, NULL); /* else the system's authorities count, too */
    }
    return r;
}

static CURLcode set_method(CURL *curl, const struct outbound_call *call)
{
    CURLcode r = CURLE_OK;
    if (call->head) {
        SET(CURLOPT_NOBODY, 1L);
        SET(CURLOPT_CUSTOMREQUEST, NULL);
        return r;
    }
    if (call->has_body) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) call->body.len);
        SET(CURLOPT_POSTFIELDS, call->body.data); /* not copied */
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, call->method);
    return r;
}

int easy_begin(struct easy *e, struct outbound_call *call)
{
    CURL *curl = e->curl;
    long version = call->tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
    CURLcode r = set_method(curl, call);
    SET(CURLOPT_URL, call->url);
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_HTTP_VERSION, version);
    /* Half of it for each of two addresses; the deadline of all is ours. */
    SET(CURLOPT_CONNECTTIMEOUT_MS, call->connect_ms < LONG_MAX ? (long) call->connect_ms : 0);
    if (r != CURLE_OK)
        return -ENOMEM; /* nothing else can fail: all of it was checked */
    answer_begin(&e->answer, call->max_body, call->head);
    e->call = call;
    e->n_opened = 0;
    return 0;
}
#undef SET

/* --- making and keeping --- */

struct easy *easy_take(struct pool *p)
{
    if (!list_empty(&p->idle)) {
        struct easy *idle = LIST_ENTRY(p->idle.prev, struct easy, node); /* its memory is warm */
        list_remove(&idle->node);
        return idle;
    }
    struct easy *e = try_calloc(1, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->pool = p;
    list_init(&e->node);
    answer_init(&e->answer);
    e->curl = curl_easy_init();
    if (e->curl == NULL || set_fixed(e) != CURLE_OK) {
        easy_free(e);
        return NULL;
    }
    return e;
}

void easy_free(struct easy *e)
{
    if (e == NULL)
        return;
    list_remove(&e->node);
    if (e->curl != NULL)
        curl_easy_cleanup(e->curl);
    answer_fini(&e->answer);
    free(e);
}

void easy_give(struct easy *e)
{
    e->call = NULL;
    if (e->pool->retired) {
        easy_free(e);
        return;
    }
    answer_begin(&e->answer, 0, false); /* what is large is not kept */
    list_push(&e->pool->idle, &e->node);
}

/* --- the end --- */

static int not_reached(const struct outbound_call *call, CURLcode code)
{
    if (code == CURLE_OUT_OF_MEMORY)
        return -ENOMEM;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return -ETIMEDOUT;
    return call->egress && call->tried == 0 ? -EACCES : -ECONNREFUSED;
}

int easy_result(struct easy *e, CURLcode code, const char **ret_why)
{
    const struct outbound_call *call = e->call;
    int r;
    if (e->answer.err != 0) {
        *ret_why = e->answer.why;
        return e->answer.err;
    }
    if (code == CURLE_OK) {
        *ret_why = "no answer";
        return e->answer.part == HEAD_OVER ? 0 : -EBADMSG;
    }
    *ret_why = curl_easy_strerror(code); /* static */
    if (call->phase == CALL_CONNECTS) {
        r = not_reached(call, code);
        if (r == -EACCES)
            *ret_why = "egress";
        return r;
    }
    if (code != CURLE_OUT_OF_MEMORY)
        return code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EBADMSG;
    if (call->phase == CALL_ANSWERED)
        return -ENOMEM;
    *ret_why = "a header is too long"; /* or there is no memory: curl does not tell which */
    return -EMSGSIZE;
}

bool easy_has_sent(struct easy *e)
{
    curl_off_t sent = 0;
    (void) curl_easy_getinfo(e->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    bool more = sent > e->call->sent;
    e->call->sent = sent;
    return more;
}
