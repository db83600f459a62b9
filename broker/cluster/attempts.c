/* attempts.c - how often this node has died over the same webhook or event. */
#include "cluster/attempts.h"

#include "mem.h"
#include "page.h"

#include <stdlib.h>

#define FILE_NAME "attempts"
#define MAGIC     0x3174746163677263u /* "crgcatt1" */
#define ENTRIES   250

struct entry {
    uint64_t hash, n;
};
struct counted { /* the beginning of the page; the one counted last is the first */
    uint64_t magic;
    struct entry at[ENTRIES];
};
_Static_assert(sizeof(struct counted) <= PAGE_BYTES, "it is a page");

struct attempts {
    struct counted *counted;
    struct trial *trial;
};

/* Its place is free again; where it has none, that of the one that was counted longest ago. */
static struct entry take_out(struct counted *c, uint64_t hash)
{
    struct entry found = {.hash = hash};
    size_t i = 0;
    while (i < ENTRIES - 1 && c->at[i].hash != 0 && c->at[i].hash != hash)
        i++;
    if (c->at[i].hash == hash)
        found = c->at[i];
    memmove(&c->at[1], &c->at[0], i * sizeof(c->at[0]));
    return found;
}

static void count(struct counted *c, uint64_t hash)
{
    if (hash == 0)
        return;
    struct entry e = take_out(c, hash);
    e.n++;
    c->at[0] = e;
}

static int open_counted(const char *dir, struct counted **ret)
{
    void *page;
    int r = page_open(dir, FILE_NAME, &page);
    if (r < 0)
        return r;
    struct counted *c = page;
    if (c->magic != MAGIC) {
        memset(page, 0, PAGE_BYTES);
        c->magic = MAGIC;
    }
    *ret = c;
    return 0;
}

int attempts_open(const char *dir, struct attempts **ret)
{
    struct trial_found found;
    struct attempts *a = xcalloc(1, sizeof(*a));
    int r = open_counted(dir, &a->counted);
    if (r == 0)
        r = trial_open(dir, &a->trial, &found);
    if (r < 0) {
        attempts_close(a);
        return r;
    }
    count(a->counted, found.webhook);
    count(a->counted, found.event);
    *ret = a;
    return 0;
}

void attempts_close(struct attempts *a)
{
    if (a == NULL)
        return;
    trial_close(a->trial);
    page_close(a->counted);
    free(a);
}

struct trial *attempts_trial(struct attempts *a)
{
    return a == NULL ? NULL : a->trial;
}

bool attempts_exhausted(const struct attempts *a, uint64_t hash)
{
    if (a == NULL)
        return false;
    for (size_t i = 0; i < ENTRIES && a->counted->at[i].hash != 0; i++)
        if (a->counted->at[i].hash == hash)
            return a->counted->at[i].n >= TRIAL_ATTEMPTS;
    return false;
}
