/* stack.h - where another thread of ours is, for a log line before the end. */
#ifndef BASE_STACK_H
#define BASE_STACK_H

#include "err.h"

#include <uv.h>

#define STACK_TEXT 257 /* a value of a log line, and the NUL */

/* Once, before stack_of_thread(): takes the signal SIGUSR2 for it. 0 or a negative error. */
MUST_CHECK int stack_init(void);

/* Asks that thread, by a signal, what it is doing: "regcastd+0x1f2a7 libc.so.6+0x38c0 ...", the
 * innermost call first, for addr2line(1) -e FILE. It takes no memory and no lock that the thread
 * may hold; a thread that does not answer within a second (it hangs in the kernel) gives "". From
 * one thread only. */
void stack_of_thread(uv_thread_t thread, char ret[STACK_TEXT]);

#endif
