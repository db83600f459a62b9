/* login.h - by what a request on the management listener shows who it is from, what of that a page
 * of another origin may not use, and whether it counts later as well. Front's thread.
 *
 * The first that there is counts: an Authorization header; the console's cookie, while its session
 * lasts; the connection's certificate. The last two and the service that is open to everybody are
 * what a browser sends for whatever page asks. So with them
 *   - Host must be an address, localhost or one of management.hosts (421: DNS rebinding);
 *   - Origin, if there is one, must be our own, and Sec-Fetch-Site may not say that the page is of
 *     another origin (403);
 *   - with the cookie, whatever is not GET, HEAD or OPTIONS must bring the session's x-csrf-token.
 *
 * A WebSocket on the management listener asks login_admit() in its handshake, then
 * admin_may_gateway() with who->admin, and login_lasts() every now and then: the session ends when
 * its user signs out, when it expires, or when a reload takes the token away.
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

enum login_way { LOGIN_OPEN, LOGIN_HEADER, LOGIN_COOKIE, LOGIN_CERTIFICATE, LOGIN_NOTHING };

struct login {
    enum login_way way;
    struct console_session session; /* LOGIN_COOKIE: that one; LOGIN_HEADER: of the same token */
};

/* How the request's sender shows who he is, and whether a page of another origin may have sent it:
 * REFUSE_NONE, REFUSE_MISDIRECTED (421) or REFUSE_ORIGIN (403). A missing x-csrf-token is another
 * question: login_check_csrf(). */
enum refuse login_check(struct login *ret, const struct conn *c, const struct http_head *head);
/* For a call that changes something: true, or false with *error (403). */
bool login_check_csrf(const struct login *l, const struct conn *c, const struct http_head *head,
                      struct status *error);
/* Who it is, into who->admin.subject; else *error and *ret_retry_after_s, as
 * caller_authenticate(). */
void login_authenticate(struct login *l, struct caller *who, const struct conn *c,
                        const struct http_head *head, struct status *error,
                        unsigned *ret_retry_after_s);

/* The first and the last for a WebSocket handshake, which has no x-csrf-token: a browser says in
 * Origin whose page opens it, so that has to be there with the cookie and in the open service's
 * case is checked if there. REFUSE_NONE: who->admin.subject is known; else also
 * REFUSE_NO_CREDENTIAL, REFUSE_CREDENTIAL (401) or REFUSE_AUTH_RATE (429). */
enum refuse login_admit(struct login *ret, struct caller *who, const struct conn *c,
                        const struct http_head *head);
/* What was admitted still counts: nothing was revoked, removed, signed out or has expired. */
bool login_lasts(const struct login *l, const struct conn *c);

#endif
