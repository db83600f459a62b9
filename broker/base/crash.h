/* crash.h - named places where a test kills the process. CRASH_POINT("store.commit.before") raises
 * SIGKILL at its n-th pass when the environment says REGCAST_CRASH=store.commit.before:n; of several
 * processes' points, the one named. Only in builds with REGCAST_CRASH_POINTS (dev, asan, tsan); in
 * a release build the macro is nothing. Any thread. */
#ifndef BASE_CRASH_H
#define BASE_CRASH_H

#ifdef REGCAST_CRASH_POINTS
void crash_pass(const char *point);
#define CRASH_POINT(point) crash_pass(point)
#else
#define CRASH_POINT(point) ((void) 0)
#endif

#endif
