/* iam_token.h - the tokens that we make ourselves for service accounts, and the secret they are
 * signed with. They are kept nowhere: a token says who it is for and until when, and nobody else
 * can write one.
 *
 *   "t1." payload "." HMAC-SHA256 of payload, both in base64url */
#ifndef BROKER_IAM_TOKEN_H
#define BROKER_IAM_TOKEN_H

#include "err.h"
#include "slice.h"

#include <stdbool.h>

#define IAM_TOKEN_LIFE_S (12 * 3600) /* the original's */

/* Read and made on one thread; the others only see it in iam_authenticate()'s hands there. */
struct iam_secret {
    bool there;
    uint8_t bytes[32];
};
/* Of data_dir's file, which only we may read (IAM_SECRET_FILE). 0; -ENOENT: there is none yet;
 * -EBADMSG: it is not what was written; a negative errno. On an error it is not there. */
#define IAM_SECRET_FILE "iam-token-secret"
MUST_CHECK int iam_secret_read(const char *data_dir, struct iam_secret *ret);
/* Made of a configured one, so that it is the same wherever that is. (pure) */
void iam_secret_derive(const char *text, struct iam_secret *ret);
/* Draws one from the kernel unless it is there; it is safe in the file before it counts. data_dir
 * NULL: kept in memory only. 0 or a negative errno. */
MUST_CHECK int iam_secret_make(const char *data_dir, struct iam_secret *ret);

#define IAM_TOKEN_ID 50 /* characters of an id */
struct iam_token {
    char subject[IAM_TOKEN_ID + 1];
    char key_id[IAM_TOKEN_ID + 1]; /* of the authorized key; "-": none */
    uint8_t key_hash[16];          /* of its public half, so that another by that id ends it */
    uint64_t issued_s, expires_s;  /* Unix time */
};
/* The beginning of the SHA-256 of a public key's text. */
void iam_token_hash_key(const char *pem, uint8_t ret[16]);

/* (pure) The secret is there. */
#define IAM_TOKEN_SIZE 320
void iam_token_print(const struct iam_secret *secret, const struct iam_token *t,
                     char ret[IAM_TOKEN_SIZE]);
/* (pure) 0; -EACCES: not one that was printed with this secret. Whether it still counts is another
 * question. How long it takes says nothing about the signature. */
MUST_CHECK int iam_token_read(const struct iam_secret *secret, struct slice text,
                              struct iam_token *ret);
/* (pure) What is in one, as text; back with 0, or -EACCES. */
#define IAM_TOKEN_PACKED 192
void iam_token_pack(const struct iam_token *t, char ret[IAM_TOKEN_PACKED]);
MUST_CHECK int iam_token_unpack(const char *payload, struct iam_token *ret);

#endif
