/* secret_file.c - see secret_file.h. */
#include "secret_file.h"

#define PERMISSIONS 07777

int secret_file_check(const struct stat *st)
{
    return S_ISREG(st->st_mode) && (st->st_mode & (S_IROTH | S_IWOTH)) != 0 ? -EPERM : 0;
}

unsigned secret_file_mode(const struct stat *st)
{
    return st->st_mode & PERMISSIONS;
}
