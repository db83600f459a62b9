/* revocations.h - tokens that count no longer although they have not expired: by whom they are for
 * or by their own id, until a time. A bounded list, and how each is kept over a restart: as a
 * record "KIND UNTIL NAME" with an id made of kind and name. (pure) The caller keeps threads apart.
 */
#ifndef BROKER_REVOCATIONS_H
#define BROKER_REVOCATIONS_H

#include "access.h"
#include "id.h"

#define REVOCATIONS_MAX    10000
#define REVOCATIONS_RETIRE 16 /* of those that have ended, let go at a time */
#define REVOCATION_PACKED  (ACCESS_NAME_MAX + 24)

enum revocation_kind { REVOCATION_SUBJECT, REVOCATION_ID };

/* What is to be kept of a change: one record, and the ids of records that go. */
struct revocation_change {
    char id[ID_SIZE], value[REVOCATION_PACKED + 1];
    char retired[REVOCATIONS_RETIRE][ID_SIZE];
    size_t n_retired;
};

struct revocations;

struct revocations *revocations_new(void);    /* never NULL */
void revocations_free(struct revocations *r); /* NULL is fine */

/* Of a name of 1 to ACCESS_NAME_MAX bytes; the same one again gets the later time. 0; -ENOSPC:
 * there are REVOCATIONS_MAX that have not ended. Times are seconds of Unix time. */
MUST_CHECK int revocations_add(struct revocations *r, enum revocation_kind kind, const char *name,
                               uint64_t until_s, uint64_t now_s, struct revocation_change *ret);
/* One that was kept. -EBADMSG: it is none; -ENOSPC: too many. */
MUST_CHECK int revocations_load(struct revocations *r, const char *id, struct slice value);
bool revocations_has(const struct revocations *r, const struct access_pass *pass, uint64_t now_s);
/* Until when one that has not ended counts; 0: there is none. */
uint64_t revocations_until(const struct revocations *r, enum revocation_kind kind, const char *name,
                           uint64_t now_s);
size_t revocations_n(const struct revocations *r); /* those that ended may still be counted */

#endif
