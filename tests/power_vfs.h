/* power_vfs.h - a VFS for SQLite that writes down every write, truncation and sync of a database,
 * its WAL and its journal; and disk images as a power cut could have left them. One recording at a
 * time, one thread.
 *
 * The model of a disk: what was written before a file's last sync is there; of what was written
 * after it any subset of 512-byte sectors may be, in any order; a sector is whole. */
#ifndef TESTS_POWER_VFS_H
#define TESTS_POWER_VFS_H

#include "cuts.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POWER_VFS    "regcast-power"
#define POWER_SECTOR 512

enum power_file { POWER_DB, POWER_WAL, POWER_JOURNAL, POWER_FILES };
static const char *const POWER_SUFFIX[POWER_FILES] = {"", "-wal", "-journal"};

enum power_kind { POWER_WRITE, POWER_TRUNCATE, POWER_SYNC, POWER_DELETE, POWER_ACK };

struct power_op {
    enum power_kind kind;
    enum power_file file;
    uint64_t at; /* offset, size, or what was acknowledged */
    size_t len;
    uint8_t *data;
};

struct power_log {
    struct power_op *ops;
    size_t n, cap;
    size_t n_kind[POWER_ACK + 1];
};

static struct power_log power_log;

static inline void power_note(enum power_kind kind, enum power_file file, uint64_t at,
                              const void *data, size_t len)
{
    struct power_log *l = &power_log;
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 1024 : l->cap * 2;
        l->ops = realloc(l->ops, l->cap * sizeof(struct power_op));
        if (l->ops == NULL)
            abort();
    }
    struct power_op op = {.kind = kind, .file = file, .at = at, .len = len};
    if (len > 0) {
        op.data = malloc(len);
        if (op.data == NULL)
            abort();
        memcpy(op.data, data, len);
    }
    l->ops[l->n++] = op;
    l->n_kind[kind]++;
}

/* The transactions up to `number` have been promised to be on disk. */
static inline void power_acknowledge(uint64_t number)
{
    power_note(POWER_ACK, POWER_DB, number, NULL, 0);
}

static inline void power_forget(void)
{
    for (size_t i = 0; i < power_log.n; i++)
        free(power_log.ops[i].data);
    free(power_log.ops);
    power_log = (struct power_log){0};
}

/* --- the VFS --- */

struct power_handle {
    sqlite3_file base;
    int file; /* enum power_file; -1: not written down */
    sqlite3_file *real;
};

static inline sqlite3_file *power_real(sqlite3_file *f)
{
    return ((struct power_handle *) f)->real;
}
static int power_close(sqlite3_file *f)
{
    sqlite3_file *real = power_real(f);
    return real->pMethods == NULL ? SQLITE_OK : real->pMethods->xClose(real);
}
static int power_read(sqlite3_file *f, void *to, int len, sqlite3_int64 at)
{
    return power_real(f)->pMethods->xRead(power_real(f), to, len, at);
}
static int power_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
    const struct power_handle *h = (struct power_handle *) f;
    if (h->file >= 0)
        power_note(POWER_WRITE, (enum power_file) h->file, (uint64_t) at, data, (size_t) len);
    return h->real->pMethods->xWrite(h->real, data, len, at);
}
static int power_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    const struct power_handle *h = (struct power_handle *) f;
    if (h->file >= 0)
        power_note(POWER_TRUNCATE, (enum power_file) h->file, (uint64_t) size, NULL, 0);
    return h->real->pMethods->xTruncate(h->real, size);
}
static int power_sync(sqlite3_file *f, int flags)
{
    const struct power_handle *h = (struct power_handle *) f;
    if (h->file >= 0)
        power_note(POWER_SYNC, (enum power_file) h->file, 0, NULL, 0);
    (void) flags; /* nobody cuts the power while this test runs */
    return SQLITE_OK;
}
static int power_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return power_real(f)->pMethods->xFileSize(power_real(f), ret);
}
static int power_lock(sqlite3_file *f, int level)
{
    return power_real(f)->pMethods->xLock(power_real(f), level);
}
static int power_unlock(sqlite3_file *f, int level)
{
    return power_real(f)->pMethods->xUnlock(power_real(f), level);
}
static int power_reserved(sqlite3_file *f, int *ret)
{
    return power_real(f)->pMethods->xCheckReservedLock(power_real(f), ret);
}
static int power_control(sqlite3_file *f, int op, void *arg)
{
    return power_real(f)->pMethods->xFileControl(power_real(f), op, arg);
}
static int power_sector(sqlite3_file *f)
{
    (void) f;
    return POWER_SECTOR;
}
static int power_traits(sqlite3_file *f)
{
    (void) f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as the system's own says: a sector is whole */
}
static int power_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
    return power_real(f)->pMethods->xShmMap(power_real(f), page, size, extend, ret);
}
static int power_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return power_real(f)->pMethods->xShmLock(power_real(f), offset, n, flags);
}
static void power_shm_barrier(sqlite3_file *f)
{
    power_real(f)->pMethods->xShmBarrier(power_real(f));
}
static int power_shm_unmap(sqlite3_file *f, int del)
{
    return power_real(f)->pMethods->xShmUnmap(power_real(f), del);
}

static const sqlite3_io_methods POWER_METHODS = {
    .iVersion = 2,
    .xClose = power_close,
    .xRead = power_read,
    .xWrite = power_write,
    .xTruncate = power_truncate,
    .xSync = power_sync,
    .xFileSize = power_size,
    .xLock = power_lock,
    .xUnlock = power_unlock,
    .xCheckReservedLock = power_reserved,
    .xFileControl = power_control,
    .xSectorSize = power_sector,
    .xDeviceCharacteristics = power_traits,
    .xShmMap = power_shm_map,
    .xShmLock = power_shm_lock,
    .xShmBarrier = power_shm_barrier,
    .xShmUnmap = power_shm_unmap,
};

static sqlite3_vfs *power_system;

static int power_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret)
{
    struct power_handle *h = (struct power_handle *) f;
    (void) vfs;
    h->real = (sqlite3_file *) (h + 1);
    h->file = (flags & SQLITE_OPEN_MAIN_DB) != 0        ? POWER_DB
              : (flags & SQLITE_OPEN_WAL) != 0          ? POWER_WAL
              : (flags & SQLITE_OPEN_MAIN_JOURNAL) != 0 ? POWER_JOURNAL
                                                        : -1;
    int rc = power_system->xOpen(power_system, name, h->real, flags, ret);
    h->base.pMethods = h->real->pMethods == NULL ? NULL : &POWER_METHODS;
    return rc;
}

static int power_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void) vfs;
    size_t len = strlen(name);
    for (int i = POWER_WAL; i < POWER_FILES; i++) {
        size_t suffix = strlen(POWER_SUFFIX[i]);
        if (len > suffix && strcmp(name + len - suffix, POWER_SUFFIX[i]) == 0) {
            power_note(POWER_DELETE, (enum power_file) i, 0, NULL, 0);
            if (sync_dir != 0)
                power_note(POWER_SYNC, (enum power_file) i, 0, NULL, 0);
        }
    }
    return power_system->xDelete(power_system, name, 0);
}

static inline int power_vfs_register(void)
{
    static sqlite3_vfs vfs;
    power_system = sqlite3_vfs_find(NULL);
    if (power_system == NULL)
        return SQLITE_ERROR;
    vfs = *power_system;
    vfs.pNext = NULL;
    vfs.zName = POWER_VFS;
    vfs.szOsFile = (int) sizeof(struct power_handle) + power_system->szOsFile;
    vfs.xOpen = power_open;
    vfs.xDelete = power_delete;
    return sqlite3_vfs_register(&vfs, 0);
}

/* --- images --- */

struct power_image {
    uint8_t *data[POWER_FILES];
    size_t len[POWER_FILES], cap[POWER_FILES];
};

static inline void power_image_resize(struct power_image *image, enum power_file f, size_t len)
{
    if (len > image->cap[f]) {
        image->cap[f] = len * 2;
        image->data[f] = realloc(image->data[f], image->cap[f]);
        if (image->data[f] == NULL)
            abort();
    }
    if (len > image->len[f])
        memset(image->data[f] + image->len[f], 0, len - image->len[f]);
    image->len[f] = len;
}

static inline void power_apply(struct power_image *image, const struct power_op *op, size_t from,
                               size_t to)
{
    if (op->kind == POWER_TRUNCATE && op->at < image->len[op->file])
        power_image_resize(image, op->file, (size_t) op->at);
    if (op->kind == POWER_DELETE)
        power_image_resize(image, op->file, 0);
    if (op->kind != POWER_WRITE)
        return;
    if (op->at + to > image->len[op->file])
        power_image_resize(image, op->file, (size_t) op->at + to);
    memcpy(image->data[op->file] + op->at + from, op->data + from, to - from);
}

/* Of what was not synced each sector is there with `percent` per cent; 100: all, in order, but the
 * last write perhaps only in part. */
static inline void power_apply_some(struct power_image *image, const struct power_op *op,
                                    unsigned percent, uint64_t *seed)
{
    if (op->kind != POWER_WRITE) {
        if (cuts_random(seed) % 100 < percent)
            power_apply(image, op, 0, 0);
        return;
    }
    for (size_t from = 0; from < op->len;) {
        size_t to = from + POWER_SECTOR - (op->at + from) % POWER_SECTOR;
        to = to < op->len ? to : op->len;
        if (cuts_random(seed) % 100 < percent)
            power_apply(image, op, from, to);
        from = to;
    }
}

/* The disk after the first `cut` operations; returns the last number acknowledged by then. */
static inline uint64_t power_image_make(struct power_image *image, size_t cut, unsigned percent,
                                        uint64_t *seed)
{
    size_t synced[POWER_FILES] = {0};
    uint64_t acknowledged = 0;
    for (size_t i = 0; i < cut; i++)
        if (power_log.ops[i].kind == POWER_SYNC)
            synced[power_log.ops[i].file] = i;
    for (int f = 0; f < POWER_FILES; f++)
        image->len[f] = 0;
    for (size_t i = 0; i < cut; i++) {
        const struct power_op *op = &power_log.ops[i];
        if (op->kind == POWER_ACK)
            acknowledged = op->at;
        else if (i < synced[op->file])
            power_apply(image, op, 0, op->len);
        else if (percent == 100 && i + 1 == cut && op->len > 0)
            power_apply(image, op, 0, (size_t) (cuts_random(seed) % op->len));
        else
            power_apply_some(image, op, percent, seed);
    }
    return acknowledged;
}

/* Writes the image as the files of the database `path`. */
static inline bool power_image_write(const struct power_image *image, const char *path)
{
    for (int f = 0; f < POWER_FILES; f++) {
        char name[600];
        (void) snprintf(name, sizeof(name), "%s%s", path, POWER_SUFFIX[f]);
        if (image->len[f] == 0) {
            if (f != POWER_DB)
                continue;
        }
        int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0)
            return false;
        ssize_t n = image->len[f] == 0 ? 0 : write(fd, image->data[f], image->len[f]);
        (void) close(fd);
        if (n != (ssize_t) image->len[f])
            return false;
    }
    return true;
}

static inline void power_image_free(struct power_image *image)
{
    for (int f = 0; f < POWER_FILES; f++)
        free(image->data[f]);
    *image = (struct power_image){{NULL}, {0}, {0}};
}

#endif
