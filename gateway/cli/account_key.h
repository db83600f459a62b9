/* account_key.h - a service account's authorized key, in the JSON file that `yc iam key create`
 * writes, and the JWT that it is proved with. (pure but for the kernel's random numbers) */
#ifndef CLI_ACCOUNT_KEY_H
#define CLI_ACCOUNT_KEY_H

#include "err.h"
#include "slice.h"

/* Of the file's text: an object with `id`, `service_account_id` and `private_key` (PEM of an RSA
 * key of 2048 to 8192 bits), signed with PS256 for an hour from `now_s` (Unix time). 0: *ret is the
 * caller's, for free(). -EINVAL: *ret_why is a literal that says what is wrong with the file. */
MUST_CHECK int account_key_jwt(struct slice json, uint64_t now_s, char **ret, const char **ret_why);

#endif
