/* revocations.h - tokens that count no longer although they have not expired: by whom they are for
 * or by their own id, until a time. A bounded list. (pure) The caller keeps threads apart. */
#ifndef BROKER_REVOCATIONS_H
#define BROKER_REVOCATIONS_H

#include "access.h"

#define REVOCATIONS_MAX 10000

enum revocation_kind { REVOCATION_SUBJECT, REVOCATION_ID };

struct revocations;

struct revocations *revocations_new(void);    /* never NULL */
void revocations_free(struct revocations *r); /* NULL is fine */

/* Of a name of 1 to ACCESS_NAME_MAX bytes; the same one again gets the later time. 0; -ENOSPC:
 * there are REVOCATIONS_MAX that have not ended. Times are seconds of Unix time. */
MUST_CHECK int revocations_add(struct revocations *r, enum revocation_kind kind, const char *name,
                               uint64_t until_s, uint64_t now_s);
bool revocations_has(const struct revocations *r, const struct access_pass *pass, uint64_t now_s);
size_t revocations_n(const struct revocations *r); /* those that ended may still be counted */

#endif
