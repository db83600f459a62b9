/* page.h - a page of a file, mapped, so that what is written there outlives the process and costs
 * no system call. It is not synced: a crash of the process keeps it, after a power cut it is older.
 * Any thread; what happens to the bytes is the caller's. */
#ifndef BASE_PAGE_H
#define BASE_PAGE_H

#include "err.h"

#define PAGE_BYTES 4096

/* Opens or makes `dir`/`name` (0600, links are not followed): zeros when it is new or had another
 * size. Alignment is a page's. */
MUST_CHECK int page_open(const char *dir, const char *name, void **ret);
void page_close(void *page); /* NULL is fine */

#endif
