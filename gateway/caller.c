/* caller.c - see caller.h. */
#include "caller.h"

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "worker.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_OUTSIDERS_PER_SECOND 10

/* --- a call's names --- */

static void draw_hex(struct worker *w, char ret[33])
{
    (void) snprintf(ret, 33, "%016" PRIx64 "%016" PRIx64, worker_random(w), worker_random(w));
}

static void name_request(struct caller *who, struct worker *w, struct slice given)
{
    char hex[33];
    draw_hex(w, who->trace_id);
    if (slice_is_visible(given) && given.len < sizeof(who->request_id)) {
        memcpy(who->request_id, given.data, given.len);
        return;
    }
    draw_hex(w, hex);
    (void) snprintf(who->request_id, sizeof(who->request_id), "%.8s-%.4s-4%.3s-%c%.3s-%.12s", hex,
                    hex + 8, hex + 13, "89ab"[(uint8_t) hex[16] & 3], hex + 17, hex + 20);
}

void caller_init(struct caller *who, struct conn *c, struct slice request_id)
{
    *who = (struct caller){.start_us = clock_mono_us()};
    who->admin.idempotency_key = who->idempotency_key;
    who->admin.request_id = who->request_id;
    who->address = c->peer;
    conn_peer_name(c, who->peer);
    name_request(who, c->worker, request_id);
}

void caller_inner(struct caller *who, const char *subject, bool service_account)
{
    *who = (struct caller){.start_us = clock_mono_us(), .subject = xstrdup(subject)};
    who->admin.idempotency_key = who->idempotency_key;
    who->admin.request_id = who->request_id;
    who->admin.subject = (struct iam_subject){who->subject, service_account};
}

void caller_fini(struct caller *who)
{
    free(who->subject);
}

void caller_take_key(struct caller *who, struct slice key, struct status *error)
{
    size_t len = key.len < OPERATION_KEY_SIZE ? key.len : OPERATION_KEY_SIZE;
    if (len > 0)
        memcpy(who->idempotency_key, key.data, len);
    for (size_t i = 0; i < len; i++)
        if (key.data[i] < ' ' || key.data[i] > '~') {
            status_violate(error, "idempotency-key", "must be visible ASCII");
            return;
        }
}

/* --- who it is --- */

static void address_of(const struct caller *who, struct sockaddr_storage *ret)
{
    *ret = (struct sockaddr_storage){.ss_family = AF_INET6};
    if (IN6_IS_ADDR_V4MAPPED(&who->address)) {
        ret->ss_family = AF_INET;
        memcpy(&((struct sockaddr_in *) ret)->sin_addr, &who->address.s6_addr[12], 4);
    } else {
        ((struct sockaddr_in6 *) ret)->sin6_addr = who->address;
    }
}

bool caller_may_try(const struct caller *who, struct shared *s, enum caller_try weight,
                    struct status *error, unsigned *ret_retry_after_s)
{
    const struct manage *m = s->manage;
    struct sockaddr_storage peer;
    address_of(who, &peer);
    *ret_retry_after_s = iam_is_open(m->iam)
                             ? 0
                             : auth_limit_wait_for_s(m->limit, (const struct sockaddr *) &peer,
                                                     weight, clock_mono_ms());
    if (*ret_retry_after_s == 0)
        return true;
    status_set(error, STATUS_RESOURCE_EXHAUSTED,
               "Too many failed attempts to authenticate from this address");
    metrics_add(&s->front->metrics, M_MANAGEMENT_UNAUTHENTICATED, 1);
    return false;
}

void caller_succeeded(struct caller *who, struct shared *s, const struct iam_subject *subject)
{
    struct sockaddr_storage peer;
    address_of(who, &peer);
    auth_limit_succeeded(s->manage->limit, (const struct sockaddr *) &peer, clock_mono_ms());
    caller_known(who, subject);
}

void caller_known(struct caller *who, const struct iam_subject *subject)
{
    free(who->subject);
    who->subject = xslicedup(slice_str(subject->id));
    who->admin.subject =
        (struct iam_subject){.id = who->subject, .service_account = subject->service_account};
}

static const char WRONG[] = "Token is invalid or has expired.";

static void refuse(struct shared *s, const char *message, struct status *error)
{
    status_set(error, STATUS_UNAUTHENTICATED, "%s", message);
    metrics_add(&s->front->metrics, M_MANAGEMENT_UNAUTHENTICATED, 1);
}

void caller_unknown(struct shared *s, struct status *error)
{
    refuse(s, WRONG, error); /* who presents nothing guesses nothing */
}

void caller_failed(const struct caller *who, struct shared *s, enum caller_try weight,
                   const char *message, struct status *error)
{
    struct sockaddr_storage peer;
    address_of(who, &peer);
    for (unsigned i = 0; i < weight; i++)
        auth_limit_failed(s->manage->limit, (const struct sockaddr *) &peer, clock_mono_ms());
    refuse(s, message, error);
}

bool caller_is_by_certificate(const struct iam *iam, const struct conn *c,
                              struct slice authorization)
{
    return authorization.len == 0 && !iam_is_open(iam) && transport_peer_names(c) != NULL;
}

static int identify(const struct iam *iam, const struct conn *c, struct slice authorization,
                    struct iam_subject *ret)
{
    uint64_t now_s = clock_wall_ms() / 1000;
    return caller_is_by_certificate(iam, c, authorization)
               ? iam_find_names(iam, transport_peer_names(c), now_s, ret)
               : iam_authenticate(iam, authorization, now_s, ret);
}

void caller_authenticate(struct caller *who, const struct conn *c, struct slice authorization,
                         struct status *error, unsigned *ret_retry_after_s)
{
    struct shared *s = c->worker->shared;
    struct iam_subject subject;
    if (!caller_may_try(who, s, CALLER_TRY, error, ret_retry_after_s))
        return;
    if (identify(s->manage->iam, c, authorization, &subject) == 0)
        caller_succeeded(who, s, &subject);
    else if (authorization.len > 0)
        caller_failed(who, s, CALLER_TRY, WRONG, error);
    else
        caller_unknown(s, error);
}

/* --- browsers --- */

static bool is_address(struct slice host)
{
    struct in6_addr v6;
    struct in_addr v4;
    char text[INET6_ADDRSTRLEN];
    bool bracket = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (bracket)
        host = slice_sub(host, 1, host.len - 1);
    if (host.len == 0 || host.len >= sizeof(text))
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    return bracket ? inet_pton(AF_INET6, text, &v6) == 1 : inet_pton(AF_INET, text, &v4) == 1;
}

static struct slice without_port(struct slice host)
{
    for (size_t i = host.len; i-- > 0 && host.data[i] != ']';)
        if (host.data[i] == ':')
            return slice_sub(host, 0, i);
    return host;
}

static bool is_named(struct slice host, const struct config_strings *names)
{
    struct slice name = without_port(host);
    for (size_t i = 0; i < names->n; i++)
        if (slice_eq_nocase(name, slice_str(names->at[i])))
            return true;
    return false;
}

enum refuse caller_check_host(struct slice host, const struct config_strings *names)
{
    struct slice name = without_port(host);
    return is_address(name) || slice_eq_nocase(name, SLICE_LIT("localhost")) ||
                   is_named(host, names)
               ? REFUSE_NONE
               : REFUSE_MISDIRECTED;
}

enum refuse caller_check_browser(struct slice host, struct slice origin, bool tls,
                                 const struct config_strings *names)
{
    enum refuse why = caller_check_host(host, names);
    return why == REFUSE_NONE ? caller_check_origin(host, origin, tls, names) : why;
}

static bool is_origin(struct slice origin, struct slice scheme, struct slice host)
{
    return origin.len > scheme.len && slice_eq_nocase(slice_sub(origin, 0, scheme.len), scheme) &&
           slice_eq_nocase(slice_from(origin, scheme.len), host);
}

enum refuse caller_check_origin(struct slice host, struct slice origin, bool tls,
                                const struct config_strings *names)
{
    if (origin.len == 0 ||
        is_origin(origin, tls ? SLICE_LIT("https://") : SLICE_LIT("http://"), host))
        return REFUSE_NONE;
    bool by_proxy = !tls && is_named(host, names);
    return by_proxy && is_origin(origin, SLICE_LIT("https://"), host) ? REFUSE_NONE : REFUSE_ORIGIN;
}

/* --- the log --- */

/* Whom we do not know cannot fill the log, as with refusals. */
static bool may_log(const struct caller *who, struct shared *s, uint64_t *ret_suppressed)
{
    *ret_suppressed = 0;
    if (who->admin.subject.id != NULL || caps_log(&s->refusals[REFUSE_AUTH], clock_mono_ms(),
                                                  LOG_OUTSIDERS_PER_SECOND, ret_suppressed))
        return true;
    metrics_add(&s->front->metrics, M_LOG_DROPPED, 1);
    return false;
}

void caller_log(const struct caller *who, struct shared *s, const struct caller_answer *answer)
{
    struct log_line l;
    uint64_t suppressed;
    if (!may_log(who, s, &suppressed))
        return;
    log_open(&l, answer->routine ? LOG_DEBUG : LOG_INFO, "management", "answered");
    log_str(&l, "operation", answer->operation);
    log_str(&l, "id", answer->id == NULL || answer->id[0] == '\0' ? NULL : answer->id);
    log_str(&l, "subject", who->admin.subject.id);
    log_str(&l, "peer", who->peer);
    if (answer->http_status != 0)
        log_u64(&l, "status", answer->http_status);
    if (answer->error != NULL) {
        log_str(&l, "code", status_name(answer->error->code));
        log_str(&l, "error", answer->error->message);
    }
    log_str(&l, "request_id", who->request_id);
    log_u64(&l, "duration_us", clock_mono_us() - who->start_us);
    if (suppressed > 0)
        log_u64(&l, "suppressed", suppressed);
    log_close(&l);
}
