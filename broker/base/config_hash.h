/* config_hash.h - a number that tells configurations apart. (pure) Any thread. */
#ifndef BASE_CONFIG_HASH_H
#define BASE_CONFIG_HASH_H

#include "config.h"
#include "siphash.h"

/* Of all settings, secret ones too: with a seed that nobody knows it says nothing about them. Two
 * configurations with the same values have the same; the comments and order of a file do not count,
 * the order of a list does. */
uint64_t config_hash(const struct config *cfg, const struct siphash_seed *seed);

#endif
