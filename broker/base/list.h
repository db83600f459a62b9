/* list.h - an intrusive doubly linked list with a head node. No ownership, no locking: a list
 * belongs to the thread of what it links. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next; /* of a head: last and first; of a node outside any list: itself */
};

#define LIST_ENTRY(node, type, member) ((type *) (void *) ((char *) (node) -offsetof(type, member)))
#define LIST_FOREACH(it, head)         for (struct list *it = (head)->next; it != (head); it = it->next)
/* `it` may be removed (and freed) inside the loop; other nodes may not. */
#define LIST_FOREACH_SAFE(it, head)                                                                \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l) /* a head, or a node that is in no list */
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *head) /* of a node: it is in no list */
{
    return head->next == head;
}

static inline void list_push(struct list *head, struct list *node) /* at the end */
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_remove(struct list *node) /* fine for a node that is in no list */
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline void list_move(struct list *head, struct list *node) /* to the end of `head` */
{
    list_remove(node);
    list_push(head, node);
}

#endif
