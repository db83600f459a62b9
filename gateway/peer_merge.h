/* peer_merge.h - answers of several nodes to the same management request, made one. (pure) Any
 * thread. */
#ifndef GATEWAY_PEER_MERGE_H
#define GATEWAY_PEER_MERGE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

struct peer_answer {
    char node[64];
    cJSON *json; /* NULL: it does not know what is asked for */
};
struct peer_answers {
    struct peer_answer *at; /* this node's first */
    size_t n;
    const char *query; /* of the request */
};

enum peer_when {
    PEER_ALWAYS,
    PEER_ANYWHERE, /* also when this node does not know it */
    PEER_ELSEWHERE /* only when this node knows that another one knows better */
};
struct peer_rule {
    const char *operation; /* rest_route.name */
    enum peer_when when;
    /* The answer, made of those in `a`, from which it may take what it likes; NULL: none of them
     * is one. */
    cJSON *(*merge)(struct peer_answers *a);
};
/* NULL: one node answers it alone. */
const struct peer_rule *peer_rule_find(const char *operation);

/* Adds "node" to each connection of the answer. */
void peer_merge_name(const struct peer_answer *a);

#endif
