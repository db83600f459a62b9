/* page_token.h - where a list goes on: the last thing that was seen, not a number of things, so
 * that nothing is skipped or shown twice when others come and go between two pages. Clients take it
 * as it is; a forged one is refused, or starts the list elsewhere. (pure) Any thread. */
#ifndef BROKER_PAGE_TOKEN_H
#define BROKER_PAGE_TOKEN_H

#include "err.h"
#include "id.h"

struct page_place {
    uint64_t created_ns; /* of the last thing seen */
    char id[ID_SIZE];
};

#define PAGE_TOKEN_SIZE 69 /* with the NUL; the API allows 100 characters */

/* `list` tells lists apart (which, of what, under which filter): a token of another one is refused.
 */
void page_token_print(const struct page_place *place, struct slice list, char ret[PAGE_TOKEN_SIZE]);
/* False: it is none of this list. */
bool page_token_read(const char *token, struct slice list, struct page_place *ret);

#endif
