/* config_text.h - a configuration from text, for tests that have no file. */
#ifndef TESTS_FUZZ_CONFIG_TEXT_H
#define TESTS_FUZZ_CONFIG_TEXT_H

#include "config.h"
#include "err.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* As config_load(), whose `error` names the file differently each time. */
static inline int config_text_load(struct slice text, struct config **ret, struct buf *error)
{
    char name[32];
    int fd = memfd_create("config", MFD_CLOEXEC);
    ASSERT(fd >= 0);
    ASSERT(pwrite(fd, text.data, text.len, 0) == (ssize_t) text.len);
    (void) snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    int r = config_load(name, ret, error);
    (void) close(fd);
    return r;
}

#endif
