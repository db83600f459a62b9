/* catalog_time.h - when a change happened, as a number that can be compared. (pure) Any thread. */
#ifndef BROKER_CATALOG_TIME_H
#define BROKER_CATALOG_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define CATALOG_TIME_AHEAD_NS (UINT64_C(300) * 1000000000)

/* Nanoseconds since 1970 of change.created_at ("YYYY-MM-DDTHH:MM:SS[.fraction]Z", as field_time()
 * writes it); digits of the fraction after the ninth do not count. 0: it is anything else, or a
 * time before 1971, which only a sender without one has (Go's zero time is the year 1). */
uint64_t catalog_time_parse(const char *created_at);

/* What `created_at` counts as at the time `wall_ns`: that time itself when it says nothing, or is
 * more than CATALOG_TIME_AHEAD_NS after it: were the clock of a registry a day ahead, nothing would
 * change its tags for a day once it is right. */
uint64_t catalog_time(const char *created_at, uint64_t wall_ns);

/* Whether it cannot have been by `wall_ns`: catalog_time() lets nothing so late through, so our own
 * clock said so and was wrong. */
bool catalog_time_is_ahead(uint64_t at_ns, uint64_t wall_ns);

#endif
