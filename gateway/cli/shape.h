/* shape.h - the messages of the API as they are printed: which fields, in which order. (pure) One
 * thread. */
#ifndef CLI_SHAPE_H
#define CLI_SHAPE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

struct shape;
extern const struct shape SHAPE_TRIGGER, SHAPE_OPERATION, SHAPE_CONNECTION, SHAPE_SECRET,
    SHAPE_IAM_TOKEN;

/* The answer of REST (camelCase, any order) as it is printed: in the order of the .proto,
 * snake_case or camelCase, without what is empty. Fields that are not known come last, in the order
 * they came. Takes `message`, an object or a list of them; returns a new tree, the caller's. */
cJSON *shape_apply(cJSON *message, const struct shape *shape, bool snake);

#endif
