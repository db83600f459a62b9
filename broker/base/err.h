/* err.h - the error contract: a function that can fail returns 0 (or a count) or ONE negative
 * number, an errno or a UV_E* value (libuv's are negative errnos on this system). Whoever meets an
 * error returns it; whoever understands it logs it, once. Any thread. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <errno.h>
#include <stddef.h>

#define MUST_CHECK   __attribute__((warn_unused_result))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A broken invariant: prints file, line and expression to stderr and aborts, in release builds too.
 */
#define ASSERT(cond) ((cond) ? (void) 0 : err_assert_failed(#cond, __FILE__, __LINE__))

/* Text of a negative error ("no space left on device"); static or thread-local, never NULL. */
const char *err_str(int err);

_Noreturn void err_assert_failed(const char *expr, const char *file, int line);

#endif
