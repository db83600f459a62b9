/* crash.h - named places where a test kills the process. CRASH_POINT("store.commit.before") raises
 * SIGKILL at its n-th pass when the environment says REGCAST_CRASH=store.commit.before:n; of
 * several processes' points, the one named; with REGCAST_STUCK=store.commit.before the thread that
 * comes there stays there. Only in builds with REGCAST_CRASH_POINTS (dev, asan,
 * tsan); in a release build the macro is nothing. CRASH_POISON(repository) aborts when
 * REGCAST_POISON is a part of the repository's name: an event that crashes whoever works on it. Any
 * thread. */
#ifndef BASE_CRASH_H
#define BASE_CRASH_H

#ifdef REGCAST_CRASH_POINTS
#include <stdbool.h>

void crash_pass(const char *point);
bool crash_next(const char *point); /* its next pass kills: time to leave something half done */
void crash_poison(const char *repository);
#define CRASH_POINT(point)       crash_pass(point)
#define CRASH_NEXT(point)        crash_next(point)
#define CRASH_POISON(repository) crash_poison(repository)
#else
#define CRASH_POINT(point)       ((void) 0)
#define CRASH_NEXT(point)        false
#define CRASH_POISON(repository) ((void) 0)
#endif

#endif
