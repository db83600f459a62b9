/* login.h - by what a request on the management listener shows who it is from, what of that a page
 * of another origin may not use, and whether it counts later as well. Front's thread.
 *
 * The first that there is counts: an Authorization header; the console's cookie, while its session
 * lasts; the connection's certificate. A browser sends the last two, and to a service that is open
 * to everybody anything, for whatever page asks. Therefore:
 *   - Origin, if there is one, must be our own, and Sec-Fetch-Site may not say that another site or
 *     origin asks (403);
 *   - Host must be an address, localhost or one of management.hosts (421: DNS rebinding), but with
 *     a certificate, as TLS has proved the name;
 *   - with the cookie, whatever changes something must bring the session's x-csrf-token (403).
 *
 * A WebSocket on the management listener asks login_admit() in its handshake, then
 * admin_may_gateway() with who->admin, and login_lasts() every now and then:
 *
 *   struct caller who;
 *   struct login login;
 *   caller_init(&who, c, (struct slice){0});
 *   enum refuse why = login_admit(&login, &who, c, head);
 *   if (why == REFUSE_NONE && !admin_may_gateway(manage->admin, &who.admin, PERMISSION, &error))
 *       why = REFUSE_FORBIDDEN;
 *   (keep `login`: it has no pointers)
 *   caller_fini(&who); */
#ifndef GATEWAY_LOGIN_H
#define GATEWAY_LOGIN_H

#include "caller.h"
#include "console_session.h"

enum login_way { LOGIN_NOTHING, LOGIN_OPEN, LOGIN_HEADER, LOGIN_COOKIE, LOGIN_CERTIFICATE };

struct login {
    enum login_way way;
    bool page;                      /* a page of ours asks, as far as its browser says so */
    struct console_session session; /* with LOGIN_COOKIE, and LOGIN_HEADER after login_admit() */
};

/* How the request's sender shows who he is, and whether a page may ask so: REFUSE_NONE,
 * REFUSE_MISDIRECTED (421) or REFUSE_ORIGIN (403). */
enum refuse login_check(struct login *ret, const struct conn *c, const struct http_head *head);
/* Who it is, into who->admin.subject; else *error, and *ret_retry_after_s (else 0). */
void login_authenticate(const struct login *l, struct caller *who, const struct conn *c,
                        const struct http_head *head, struct status *error,
                        unsigned *ret_retry_after_s);
/* Both at once for a WebSocket handshake, which has no x-csrf-token: there Origin has to be there
 * with the cookie. REFUSE_NONE: who->admin.subject is known; else also REFUSE_NO_CREDENTIAL,
 * REFUSE_CREDENTIAL (401) or REFUSE_AUTH_RATE (429). */
enum refuse login_admit(struct login *ret, struct caller *who, const struct conn *c,
                        const struct http_head *head);
/* What was admitted still counts: nothing was taken out of the configuration, signed out or has
 * expired. */
bool login_lasts(const struct login *l, const struct conn *c);

/* --- sessions of the console --- */

/* Begins one with the token, as "Bearer TOKEN". true: *ret, `who` is known, and who->admin.subject
 * too; false: *error and *ret_retry_after_s (else 0). */
bool login_begin(struct login *ret, struct caller *who, struct shared *s,
                 struct slice authorization, struct status *error, unsigned *ret_retry_after_s);
/* Ends all that were begun with the session's token until now. *ret is to be kept before anybody is
 * told so. Errors of revocations_add(). */
struct revocation_change;
MUST_CHECK int login_end(const struct login *l, struct shared *s, struct revocation_change *ret);

#endif
