/* console_session.h - the console's login as a cookie: with which token it was begun and until
 * when, sealed (sealed.h) with a key made of the secret of our own tokens (iam_token.h), so that
 * nothing has to be kept for it and it counts after a restart. It holds a mark of the token
 * (iam.h), never the token. (pure) Any thread. */
#ifndef GATEWAY_CONSOLE_SESSION_H
#define GATEWAY_CONSOLE_SESSION_H

#include "iam.h"

#define CONSOLE_COOKIE         "regcast_session"
#define CONSOLE_SESSION_LIFE_S (12 * 3600) /* at most; less when the token expires before */

struct console_session {
    struct iam_mark mark;
    uint64_t issued_s, expires_s; /* Unix time */
};

/* The secret is there. */
#define CONSOLE_SESSION_SIZE 448
void console_session_print(const struct iam_secret *secret, const struct console_session *s,
                           char ret[CONSOLE_SESSION_SIZE]);
/* 0; -EACCES: not one that was printed with this secret. Whether it still counts is another
 * question. How long it takes says nothing about the signature. */
MUST_CHECK int console_session_read(const struct iam_secret *secret, struct slice text,
                                    struct console_session *ret);

/* What calls that change something must bring in x-csrf-token: follows from the cookie, and another
 * page knows neither. */
#define CONSOLE_CSRF_SIZE 44
void console_session_csrf(const struct iam_secret *secret, const struct console_session *s,
                          char ret[CONSOLE_CSRF_SIZE]);
/* How long it takes says nothing about what is right in `given`. */
bool console_session_is_csrf(const struct iam_secret *secret, const struct console_session *s,
                             struct slice given);

#endif
