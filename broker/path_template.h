/* path_template.h - templates of paths, "/teams/{team}" and "/files/{name+}", and requests beside
 * them, segment by segment. (pure) Any thread. */
#ifndef BROKER_PATH_TEMPLATE_H
#define BROKER_PATH_TEMPLATE_H

#include "err.h"
#include "slice.h"

#include <stdbool.h>

#define PATH_TEMPLATE_MAX 255 /* bytes */
#define PATH_MAX_PARAMS   64  /* more than fit into a template */

/* NULL when fine, else what is wrong with the template, a literal (for the configuration check). */
const char *path_template_check(const char *name);
/* The same for a path of a specification, which may end with '/', and whose parameters may have '-'
 * and '.' in their names. */
const char *path_template_check_spec(const char *name);

/* NULL when fine, else what is wrong with a segment as it was written, a literal. */
const char *path_segment_check(struct slice segment);
/* Takes the next segment off a path that is empty or begins with '/', as it was written. */
bool path_take_segment(struct slice *path, struct slice *ret);
/* The last one. */
bool path_take_last_segment(struct slice *path, struct slice *ret);
/* What a segment of a path that path_match() takes stands for: at most segment.len bytes, no NUL
 * behind them. Returns how many. */
size_t path_decode_segment(struct slice segment, char *ret);
/* Compares what such a segment stands for with `text`, like memcmp; what is shorter comes first. */
int path_compare_segment(struct slice segment, struct slice text);

/* In the order of precedence. */
enum path_part { PATH_FIXED, PATH_PARAM, PATH_GREEDY };
enum path_part path_part(struct slice segment);     /* of a checked template */
struct slice path_param_name(struct slice segment); /* of its "{name}" and "{name+}" */

/* What a request has where a template has a parameter: as it was written (path_decode_segment()
 * decodes one segment), of "{name+}" with the slashes between its segments. */
struct path_param {
    struct slice name, value;
};
/* In the order of the template, at most `most` of them; returns how many. The template is checked,
 * and path_match() found it for the request: another request gives other values, or empty ones. The
 * slash at the end of a request is in no value. Slices point into what is given. */
size_t path_params(const char *name, struct slice request_path, struct path_param *ret,
                   size_t most);

#endif
