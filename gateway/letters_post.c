/* letters_post.c - posts what nobody understood to the ingest again. */
#include "letters_post.h"

#include "offline.h"

int letters_post(const struct config *cfg, uint64_t only, uint64_t *ret_done, uint64_t *ret_left)
{
    (void) cfg, (void) only, (void) ret_done;
    ++*ret_left;
    return 0;
}
