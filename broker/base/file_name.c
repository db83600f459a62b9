/* file_name.c - see file_name.h. */
#include "file_name.h"

#include "mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_plain(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

int file_name_path(const char *name, char **ret)
{
    static const char PREFIX[] = FILE_NAME_CREDENTIAL;
    if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0) {
        *ret = xstrdup(name);
        return 0;
    }
    name += sizeof(PREFIX) - 1;
    if (!is_plain(name))
        return -EINVAL;
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    if (directory == NULL || directory[0] != '/')
        return -ENOENT;
    size_t size = strlen(directory) + 1 + strlen(name) + 1;
    char *path = xmalloc(size);
    (void) snprintf(path, size, "%s/%s", directory, name);
    *ret = path;
    return 0;
}
