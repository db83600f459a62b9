/* thread.h - what the kernel is told about a thread: its name, and how soon it has to run. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include "err.h"

/* The calling thread's name, as `top -H` and debuggers show it; 15 characters count. */
void thread_name(const char *name);

/* For threads that others wait for. Where cores are few, a thread that wakes up waits until the one
 * that runs has used up its time slice, some 3 ms; a webhook's way goes over three threads, so
 * beside a busy fan-out it would wait for each. Asks the scheduler for short time slices for the
 * calling thread, and for those it makes later: on waking it runs before one with longer slices
 * (sched_setattr(2), sched_runtime of SCHED_OTHER; Linux 6.12). It gets no more of the processor by
 * that. 0, or a negative error: an older kernel, where nothing has changed. */
int thread_prompt(void);

#endif
