/* list_filter.h - the `filter` of list requests: one condition on the name. (pure) Any thread. */
#ifndef BROKER_LIST_FILTER_H
#define BROKER_LIST_FILTER_H

#include <stdbool.h>

#define LIST_FILTER_MAX_BYTES 1000
#define LIST_FILTER_NAME_SIZE 64

struct list_filter {
    char name[LIST_FILTER_NAME_SIZE]; /* "": there is no condition */
};

/* name = "x", name='x', name=x, with any blanks around the parts. False: anything else. */
bool list_filter_parse(const char *text, struct list_filter *ret);

#endif
