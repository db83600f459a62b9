/* attempts.h - how often this node has died over the same webhook or event, through its starts: the
 * copy, where a single node counts it, is emptied by each. In a page of data_dir, as what is being
 * worked on (trial.h) is. Broker thread. */
#ifndef BROKER_CLUSTER_ATTEMPTS_H
#define BROKER_CLUSTER_ATTEMPTS_H

#include "trial.h"

struct attempts; /* NULL is one that knows of nothing and notes nothing */

/* Opens or makes `dir`/attempts and `dir`/trial, and counts what the last process died over. */
MUST_CHECK int attempts_open(const char *dir, struct attempts **ret);
void attempts_close(struct attempts *a);

struct trial *attempts_trial(struct attempts *a);
/* Whether it has cost TRIAL_ATTEMPTS processes their lives: a trial_hash(). */
bool attempts_exhausted(const struct attempts *a, uint64_t hash);

#endif
