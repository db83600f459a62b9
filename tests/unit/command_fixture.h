/* command_fixture.h - for tests of the program's commands: a configuration on a folder of its own,
 * and what a command prints. */
#ifndef TESTS_UNIT_COMMAND_FIXTURE_H
#define TESTS_UNIT_COMMAND_FIXTURE_H

#include "config.h"
#include "event.h"
#include "mem.h"
#include "offline.h"
#include "record.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define REGISTRY "crtregistry000000001"
#define OTHER    "crtregistry000000002"

struct fixture {
    char dir[64], data_dir[96];
    char engine[16], ids[2][24];
    struct config_registry registries[2];
    struct config cfg;
    char out[65536], err[65536]; /* of the last command */
};

static inline struct fixture *fixture_new(void)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void) snprintf(f->dir, sizeof(f->dir), "/tmp/regcast-command-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void) snprintf(f->data_dir, sizeof(f->data_dir), "%s/data", f->dir);
    (void) snprintf(f->engine, sizeof(f->engine), "embedded");
    (void) snprintf(f->ids[0], sizeof(f->ids[0]), REGISTRY);
    (void) snprintf(f->ids[1], sizeof(f->ids[1]), OTHER);
    f->registries[0].id = f->ids[0];
    f->registries[1].id = f->ids[1];
    f->cfg.data_dir = f->data_dir;
    f->cfg.engine = f->engine;
    f->cfg.registries = f->registries;
    f->cfg.n_registries = 2;
    f->cfg.catalog.max_images = f->cfg.catalog.max_tags = 100;
    f->cfg.journal.busy_timeout_ms = 1000;
    f->cfg.journal.max_dead_letters = 100000;
    return f;
}

static inline void fixture_remove(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            (void) unlinkat(dirfd(d), e->d_name, 0);
    (void) closedir(d);
    (void) rmdir(dir);
}

static inline void fixture_free(struct fixture *f)
{
    fixture_remove(f->data_dir);
    fixture_remove(f->dir);
    free(f);
}

/* --- what a command prints --- */

static inline void fixture_read(const char *dir, const char *name, char *to, size_t size)
{
    char file[128];
    (void) snprintf(file, sizeof(file), "%s/%s", dir, name);
    FILE *from = fopen(file, "re");
    assert_non_null(from);
    size_t n = fread(to, 1, size - 1, from);
    to[n] = '\0';
    (void) fclose(from);
    (void) unlink(file);
}

struct fixture_streams {
    int out, err;
};

/* From here to fixture_heard() both streams go to files. */
static inline struct fixture_streams fixture_listen(struct fixture *f)
{
    struct fixture_streams kept;
    char file[128];
    (void) fflush(stdout);
    (void) fflush(stderr);
    kept.out = dup(STDOUT_FILENO);
    kept.err = dup(STDERR_FILENO);
    (void) snprintf(file, sizeof(file), "%s/out", f->dir);
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    (void) close(fd);
    (void) snprintf(file, sizeof(file), "%s/err", f->dir);
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    (void) close(fd);
    return kept;
}

static inline void fixture_heard(struct fixture *f, struct fixture_streams kept)
{
    (void) fflush(stdout);
    (void) fflush(stderr);
    (void) dup2(kept.out, STDOUT_FILENO);
    (void) dup2(kept.err, STDERR_FILENO);
    (void) close(kept.out);
    (void) close(kept.err);
    fixture_read(f->dir, "out", f->out, sizeof(f->out));
    fixture_read(f->dir, "err", f->err, sizeof(f->err));
}

/* Runs `call`, an expression that gives an exit code. */
#define FIXTURE_RUN(f, code, call)                                                                 \
    do {                                                                                           \
        struct fixture_streams kept_ = fixture_listen(f);                                          \
        int got_ = (call);                                                                         \
        fixture_heard((f), kept_);                                                                 \
        if (got_ != (code))                                                                        \
            fail_msg("%s:%d: exit code %d, not %d:\n%s%s", __FILE__, __LINE__, got_, (code),       \
                     (f)->out, (f)->err);                                                          \
    } while (0)

#define FIXTURE_SAID(text, part)                                                                   \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("%s:%d: '%s' is not in:\n%s", __FILE__, __LINE__, (part), (text));            \
    } while (0)

/* --- the store --- */

static inline struct store *fixture_open(struct fixture *f)
{
    const struct store_options options = {.dir = f->data_dir,
                                          .busy_timeout_ms = 1000,
                                          .max_dead_letters = f->cfg.journal.max_dead_letters};
    struct store_opened opened;
    struct store *s = NULL;
    int64_t pid;
    assert_int_equal(store_open(&options, &s, &opened, &pid), 0);
    return s;
}

static inline struct event *fixture_event(const char *id, const char *tag)
{
    return event_new(&(struct event_parts){.type = EVENT_CREATE_IMAGE_TAG,
                                           .id = id,
                                           .created_at = "2026-11-22T04:50:41Z",
                                           .cloud_id = "c",
                                           .folder_id = "f",
                                           .registry_id = REGISTRY,
                                           .repository = "team/app",
                                           .digest = "sha256:ab",
                                           .tag = tag});
}

/* Adds a letter; of an event when `event` is one. */
static inline void fixture_letter(struct store *s, const char *reason, struct slice body,
                                  const struct event *event, uint64_t seq)
{
    struct buf packed;
    buf_init(&packed, 1 << 20);
    if (event != NULL)
        assert_int_equal(record_put_event(&packed, event), 0);
    const struct store_letter l = {.wall_ms = 1700000000123,
                                   .registry_id = REGISTRY,
                                   .reason = reason,
                                   .event_seq = seq,
                                   .body = event != NULL ? buf_slice(&packed) : body};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_letter(s, &l), 0);
    assert_int_equal(store_commit(s), 0);
    buf_fini(&packed);
}

#endif
