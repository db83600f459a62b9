/* store_fixture.h - a store in a directory of its own, for tests. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "buf.h"
#include "clock.h"
#include "record.h"
#include "store_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURE_SPAN 18
static const struct store_limits FIXTURE_LIMITS = {
    .max_count = 1000, .max_bytes = 16 << 20, .max_age_ms = 3600000, .count_grace_ms = 0};

static inline void fixture_dir(char ret[64])
{
    (void) snprintf(ret, 64, "/tmp/regcast-store-XXXXXX");
    assert_non_null(mkdtemp(ret));
}

static inline void fixture_path(char ret[512], const char *dir, const char *name)
{
    int len = snprintf(ret, 512, "%s/%s", dir, name);
    assert_true(len > 0 && len < 512);
}

static inline void fixture_remove(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        fixture_path(path, dir, e->d_name);
        (void) unlink(path);
    }
    (void) closedir(d);
    (void) rmdir(dir);
}

static inline struct store_options fixture_options(const char *dir)
{
    return (struct store_options){.dir = dir, .busy_timeout_ms = 100, .max_dead_letters = 5};
}

static inline struct store *fixture_open_with(const struct store_options *options,
                                              struct store_opened *opened)
{
    struct store *s = NULL;
    struct store_opened unused;
    int64_t pid = 0;
    assert_int_equal(store_open(options, &s, opened == NULL ? &unused : opened, &pid), 0);
    return s;
}

static inline struct store *fixture_open(const char *dir)
{
    struct store_options options = fixture_options(dir);
    return fixture_open_with(&options, NULL);
}

/* The id of event number `seq`: above that of any store made in a test. */
static inline void fixture_event_id(uint64_t seq, char ret[ID_SIZE])
{
    id_encode(EVENT_ID_PREFIX, 0x1fffff, seq, ret);
}

static inline void fixture_packed_id(uint64_t seq, uint8_t ret[ID_PACKED_SIZE])
{
    char id[ID_SIZE];
    fixture_event_id(seq, id);
    assert_true(id_pack(EVENT_ID_PREFIX, slice_str(id), ret));
}

/* Bytes that tell their number; ret[0..len). */
static inline void fixture_bytes(uint64_t number, uint8_t *ret, size_t len)
{
    uint64_t x = number * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        ret[i] = (uint8_t) x;
    }
}

/* A webhook of one event. */
static inline int fixture_webhook(struct store *s, uint64_t seq)
{
    char id[ID_SIZE];
    uint8_t events[100], senders[STORE_SENDER_ID_SIZE];
    fixture_event_id(seq, id);
    fixture_bytes(seq, events, sizeof(events));
    fixture_bytes(seq + 1000000, senders, sizeof(senders));
    struct store_webhook w = {.first_seq = seq,
                              .n_events = 1,
                              .last_event_id = id,
                              .events = slice_of(events, sizeof(events)),
                              .sender_ids = slice_of(senders, sizeof(senders))};
    return store_put_webhook(s, &w);
}

/* The trigger's mark; UINT64_MAX: it has none. */
static inline uint64_t fixture_mark(struct store *s, const char *trigger_id)
{
    const struct store_trigger *t = store_trigger_find(s, trigger_id);
    return t == NULL ? UINT64_MAX : t->now;
}

#define FIXTURE_TRIGGER "a1s00000000000000001"

/* A batch of one event, with `len` bytes of frames. */
static inline int fixture_batch(struct store *s, uint32_t path, uint64_t seq, size_t len,
                                uint64_t *ret_position)
{
    uint8_t ids[ID_PACKED_SIZE], *frames = malloc(len);
    assert_non_null(frames);
    fixture_packed_id(seq, ids);
    fixture_bytes(seq, frames, len);
    if (store_trigger_find(s, FIXTURE_TRIGGER) == NULL)
        store_trigger_add(s, FIXTURE_TRIGGER, 0);
    struct store_batch b = {.path = path,
                            .trigger_id = FIXTURE_TRIGGER,
                            .last_seq = seq,
                            .ids = slice_of(ids, sizeof(ids)),
                            .frames = slice_of(frames, len)};
    int r = store_put_batch(s, &b, ret_position);
    free(frames);
    return r;
}

#endif
