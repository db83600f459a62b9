/* clock.h - the clocks, replaceable in tests. Any thread. Timers and ages use the monotonic
 * one, so a step of the wall clock changes no behaviour; ids and printed times use the wall clock.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ms(void); /* CLOCK_MONOTONIC, milliseconds */
uint64_t clock_mono_us(void);
uint64_t clock_boot_ms(void); /* CLOCK_BOOTTIME: goes on while the machine sleeps */
uint64_t clock_wall_ms(void); /* CLOCK_REALTIME, milliseconds since 1970 */

#define CLOCK_RFC3339_SIZE 25
/* "2026-11-22T04:50:41.672Z" (UTC, milliseconds), NUL-terminated. */
void clock_rfc3339(uint64_t wall_ms, char ret[CLOCK_RFC3339_SIZE]);

/* Test hook: freezes all clocks (the boot clock as the monotonic one); clock_unfreeze() lets them
 * run again. */
void clock_freeze(uint64_t mono_ms, uint64_t wall_ms);
void clock_unfreeze(void);

#endif
