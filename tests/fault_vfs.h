/* fault_vfs.h - the system's VFS for SQLite, whose writes and syncs fail as told: with SQLITE_FULL,
 * SQLITE_IOERR_WRITE or SQLITE_IOERR_FSYNC. Any thread. */
#ifndef TESTS_FAULT_VFS_H
#define TESTS_FAULT_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>

#define FAULT_VFS "regcast-fault"

static _Atomic int fault_write, fault_sync; /* results; SQLITE_OK: as the system's */
/* The system's, and they with two of ours: of databases, and of files beside them. */
static const sqlite3_io_methods *fault_real[2];
static sqlite3_io_methods fault_methods[2];
static sqlite3_vfs *fault_system;

static int fault_on_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
    int rc = atomic_load(&fault_write);
    return rc != SQLITE_OK ? rc : fault_real[f->pMethods - fault_methods]->xWrite(f, data, len, at);
}

static int fault_on_sync(sqlite3_file *f, int flags)
{
    int rc = atomic_load(&fault_sync);
    return rc != SQLITE_OK ? rc : fault_real[f->pMethods - fault_methods]->xSync(f, flags);
}

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret)
{
    (void) vfs;
    int rc = fault_system->xOpen(fault_system, name, f, flags, ret);
    if (rc == SQLITE_OK && f->pMethods != NULL) {
        size_t i = (flags & SQLITE_OPEN_MAIN_DB) != 0 ? 0 : 1;
        fault_real[i] = f->pMethods;
        fault_methods[i] = *f->pMethods;
        fault_methods[i].xWrite = fault_on_write;
        fault_methods[i].xSync = fault_on_sync;
        f->pMethods = &fault_methods[i];
    }
    return rc;
}

static inline int fault_vfs_register(void)
{
    static sqlite3_vfs vfs;
    fault_system = sqlite3_vfs_find(NULL);
    if (fault_system == NULL)
        return SQLITE_ERROR;
    vfs = *fault_system;
    vfs.pNext = NULL;
    vfs.zName = FAULT_VFS;
    vfs.xOpen = fault_open;
    return sqlite3_vfs_register(&vfs, 0);
}

#endif
