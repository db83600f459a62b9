/* path.c - see path.h. Templates and requests are cut into segments and percent-decoded before they
 * are compared, so each path has one form however it was written. Templates without parameters,
 * which may be many, are found by halving; the others are tried one after the other, sorted so that
 * the first that matches is the right one. */
#include "path.h"

#include "frame.h"
#include "mem.h"
#include "utf8.h"

#include <stdlib.h>

enum part_kind { PART_FIXED, PART_PARAM, PART_GREEDY }; /* in the order of precedence */

struct part { /* one segment of a template */
    enum part_kind kind;
    struct slice text; /* of a fixed one: decoded */
};

struct template
{
    struct path *path;
    enum part_kind kind; /* the highest of its parts */
    size_t name_len;
    size_t n_parts;     /* 0: the root */
    struct part *parts; /* owned */
    uint8_t *text;      /* owned: what the parts' slices point into */
    struct slice
        joined; /* of a fixed template: "/" and a segment, as often as there are segments */
};

/* All paths that there have been, by index; shared by the tables. */
struct path_set {
    struct path **at;
    size_t n, n_tables;
};

struct path_table {
    struct path_set *set;
    const struct config_path *cfg; /* of each of `paths` */
    size_t n, n_fixed;
    struct path **paths;
    struct template *templates; /* n_fixed of them by `joined`, then the others by precedence */
    struct path **by_name;
};

/* --- segments --- */

bool path_take_segment(struct slice *path, struct slice *ret)
{
    if (path->len == 0)
        return false;
    struct slice rest = slice_from(*path, 1);
    const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.data, '/', rest.len);
    size_t len = slash == NULL ? rest.len : (size_t) (slash - rest.data);
    *ret = slice_sub(rest, 0, len);
    *path = slice_from(rest, len);
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Takes the next byte off, decoded: 0..255, or -EINVAL for a bad escape. `s` is not empty. */
static int take_byte(struct slice *s)
{
    int byte = s->data[0];
    size_t len = 1;
    if (byte == '%') {
        int high = s->len > 2 ? hex_digit(s->data[1]) : -1;
        int low = s->len > 2 ? hex_digit(s->data[2]) : -1;
        if (high < 0 || low < 0)
            return -EINVAL;
        byte = high * 16 + low;
        len = 3;
    }
    *s = slice_from(*s, len);
    return byte;
}

/* What is wrong with a segment as it was written, or NULL. */
static const char *segment_check(struct slice s)
{
    if (s.len == 0)
        return "has an empty segment";
    struct utf8 utf8;
    utf8_init(&utf8);
    size_t n = 0, dots = 0;
    for (; s.len > 0; n++) {
        int byte = take_byte(&s);
        if (byte < 0)
            return "has a '%' that two hex digits do not follow";
        if (byte < 0x20 || byte == 0x7f)
            return "contains a control character";
        if (byte == '/' || byte == '\\')
            return "contains a backslash or an encoded slash";
        dots += byte == '.';
        uint8_t one = (uint8_t) byte;
        if (!utf8_feed(&utf8, slice_of(&one, 1)))
            return "is not UTF-8";
    }
    if (!utf8_complete(&utf8))
        return "is not UTF-8";
    if (n == dots && n <= 2)
        return "has a segment \".\" or \"..\"";
    return NULL;
}

/* Compares what `written` (checked; '/' stands for itself) decodes to with `text`, like memcmp. */
static int compare_decoded(struct slice written, struct slice text)
{
    size_t i = 0;
    for (; written.len > 0; i++) {
        if (i == text.len)
            return 1;
        int byte = take_byte(&written);
        if (byte != text.data[i])
            return byte < text.data[i] ? -1 : 1;
    }
    return i == text.len ? 0 : -1;
}

size_t path_decode_segment(struct slice segment, char *ret)
{
    size_t n = 0;
    while (segment.len > 0)
        ret[n++] = (char) take_byte(&segment);
    return n;
}

/* --- templates --- */

static bool has_brace(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '{' || s.data[i] == '}')
            return true;
    }
    return false;
}

static struct slice param_name(struct slice segment) /* of "{name}" and "{name+}" */
{
    size_t end = segment.len - 1;
    return slice_sub(segment, 1, segment.data[end - 1] == '+' ? end - 1 : end);
}

static enum part_kind part_kind(struct slice segment) /* of a checked template */
{
    if (segment.data[0] != '{')
        return PART_FIXED;
    return segment.data[segment.len - 2] == '+' ? PART_GREEDY : PART_PARAM;
}

static const char *param_check(struct slice segment)
{
    if (segment.len < 2 || segment.data[0] != '{' || segment.data[segment.len - 1] != '}')
        return "has braces that do not enclose a whole segment";
    struct slice name = param_name(segment);
    if (name.len == 0)
        return "has a parameter without a name";
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!fine && c != '_')
            return "has a parameter name with other characters than letters, digits and '_'";
    }
    return NULL;
}

static bool param_name_in(struct slice path, struct slice name)
{
    struct slice segment;
    while (path_take_segment(&path, &segment)) {
        if (part_kind(segment) != PART_FIXED && slice_eq(param_name(segment), name))
            return true;
    }
    return false;
}

const char *path_template_check(const char *name)
{
    struct slice whole = slice_str(name), rest = whole, segment;
    if (whole.len == 0 || whole.data[0] != '/')
        return "does not start with '/'";
    if (whole.len == 1)
        return NULL;
    if (whole.data[whole.len - 1] == '/')
        return "ends with '/'";
    if (strpbrk(name, "?#") != NULL)
        return "contains '?' or '#'";
    bool greedy = false;
    while (rest.len > 0) {
        struct slice before = slice_sub(whole, 0, whole.len - rest.len);
        (void) path_take_segment(&rest, &segment);
        const char *why = has_brace(segment) ? param_check(segment) : segment_check(segment);
        if (why != NULL)
            return why;
        enum part_kind kind = part_kind(segment);
        /* One at most: with two there would be several ways to share out the segments. */
        if (kind == PART_GREEDY && greedy)
            return "has more than one {name+}";
        greedy = greedy || kind == PART_GREEDY;
        if (kind != PART_FIXED && param_name_in(before, param_name(segment)))
            return "has two parameters of one name";
    }
    return NULL;
}

static void template_init(struct template *t, struct path *path)
{
    struct slice name = slice_str(path->name), rest = name, segment;
    *t = (struct template){.path = path, .kind = PART_FIXED, .name_len = name.len};
    t->parts = xcalloc(name.len, sizeof(t->parts[0])); /* more than enough: each has a '/' */
    uint8_t *at = t->text = xmalloc(name.len);
    if (name.len == 1)
        rest.len = 0;
    while (path_take_segment(&rest, &segment)) {
        struct part *part = &t->parts[t->n_parts++];
        part->kind = part_kind(segment);
        if (part->kind > t->kind)
            t->kind = part->kind;
        *at++ = '/';
        part->text = slice_of(at, path_decode_segment(segment, (char *) at));
        at += part->text.len;
    }
    t->joined = slice_of(t->text, (size_t) (at - t->text));
}

static int by_text(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int r = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

/* Fixed ones first, sorted for the look-up; then {param}; then {param+}. Two {param} templates can
 * match one request only if they have as many segments. Greedy ones go by length alone, as the
 * original does. What is equal in all this stays in the order of the configuration. */
static int by_precedence(const void *left, const void *right)
{
    const struct template *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == PART_FIXED)
        return by_text(a->joined, b->joined);
    if (a->kind == PART_PARAM) {
        if (a->n_parts != b->n_parts)
            return a->n_parts < b->n_parts ? -1 : 1;
        for (size_t i = 0; i < a->n_parts; i++) {
            if (a->parts[i].kind != b->parts[i].kind)
                return a->parts[i].kind < b->parts[i].kind ? -1 : 1;
        }
    }
    if (a->name_len != b->name_len)
        return a->name_len > b->name_len ? -1 : 1;
    return a->path->index < b->path->index ? -1 : 1;
}

static int by_name(const void *left, const void *right)
{
    const struct path *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

int path_templates_check(const char *file, const struct config *cfg, struct buf *error)
{
    int r = 0;
    for (size_t i = 0; i < cfg->gateway.n_paths; i++) {
        const struct config_path *path = &cfg->gateway.paths[i];
        const char *wrong = path_template_check(path->path);
        if (wrong == NULL)
            continue;
        r = -EINVAL;
        if (buf_printf(error, "%s:%u: gateway.paths: expected a path template, got %s: %s\n", file,
                       path->line, path->path, wrong) < 0)
            break; /* there are enough of them */
    }
    return r;
}

/* --- the paths --- */

static struct pathlog_limits limits_of(const struct config_path *cfg)
{
    return (struct pathlog_limits){
        .max_message = frame_message_size(cfg->max_message_bytes, cfg->max_frame_bytes),
        .max_bytes =
            cfg->history_bytes < cfg->memory_bytes ? cfg->history_bytes : cfg->memory_bytes,
        .max_count = cfg->history_count,
        .count_grace_ms = cfg->max_lag_ms,
        .max_age_ms = cfg->history_ms,
    };
}

/* What a path that is in no configuration goes by. */
static void go_by_copy(struct path *p, const struct config_path *cfg)
{
    p->last = *cfg;
    p->last.path = (char *) (uintptr_t) p->name;
    p->last.allowed_origins = p->last.client_certificates = (struct config_strings){0};
    p->cfg = &p->last;
}

static int path_new(struct path_set *set, const struct config_path *cfg, struct path **ret)
{
    if (path_template_check(cfg->path) != NULL || cfg->max_frame_bytes == 0)
        return -EINVAL;
    struct path *p = xcalloc(1, sizeof(*p));
    atomic_init(&p->current, true);
    struct pathlog_limits limits = limits_of(cfg);
    limits.max_bytes = cfg->memory_bytes; /* the most that other history_bytes can make of it */
    int r = pathlog_new(&limits, &p->log);
    if (r < 0) {
        free(p);
        return r;
    }
    limits = limits_of(cfg);
    pathlog_limit(p->log, &limits);
    p->name = xstrdup(cfg->path);
    p->index = set->n;
    go_by_copy(p, cfg);
    set->at = xrealloc(set->at, (set->n + 1) * sizeof(struct path *));
    set->at[set->n++] = p;
    *ret = p;
    return 0;
}

static void path_free(struct path *p)
{
    pathlog_free(p->log);
    free((char *) (uintptr_t) p->name);
    free(p);
}

static struct path *known_as(const struct path_set *set, const char *name)
{
    for (size_t i = 0; i < set->n; i++)
        if (strcmp(set->at[i]->name, name) == 0)
            return set->at[i];
    return NULL;
}

static int path_get(struct path_set *set, struct path_table *before, const struct config_path *cfg,
                    struct path **ret)
{
    struct path *p = before == NULL ? NULL : path_by_name(before, cfg->path);
    if (p == NULL && before != NULL)
        p = known_as(set, cfg->path);
    if (p == NULL)
        return path_new(set, cfg, ret);
    if (limits_of(cfg).max_message > pathlog_longest(p->log))
        return -EOVERFLOW;
    *ret = p;
    return 0;
}

/* --- the table --- */

/* Sorts the look-ups. NULL, or a path whose template is there twice, perhaps in another spelling.
 */
static const struct path *path_table_index(struct path_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        template_init(&t->templates[i], t->paths[i]);
        t->by_name[i] = t->paths[i];
        t->n_fixed += t->templates[i].kind == PART_FIXED;
    }
    qsort(t->templates, t->n, sizeof(t->templates[0]), by_precedence);
    qsort(t->by_name, t->n, sizeof(struct path *), by_name);
    for (size_t i = 1; i < t->n; i++) {
        if (by_name(&t->by_name[i - 1], &t->by_name[i]) == 0)
            return t->by_name[i];
        if (i < t->n_fixed && slice_eq(t->templates[i - 1].joined, t->templates[i].joined))
            return t->templates[i].path;
    }
    return NULL;
}

static int path_table_make(struct path_set *set, struct path_table *before,
                           const struct config *cfg, struct path_table **ret, size_t *ret_at)
{
    size_t n = cfg->gateway.n_paths, n_known = set->n;
    struct path_table *t = xcalloc(1, sizeof(*t));
    set->n_tables++;
    *t = (struct path_table){.set = set,
                             .cfg = cfg->gateway.paths,
                             .n = n,
                             .paths = xcalloc(n, sizeof(struct path *)),
                             .templates = xcalloc(n, sizeof(t->templates[0])),
                             .by_name = xcalloc(n, sizeof(struct path *))};
    int r = 0;
    for (*ret_at = 0; *ret_at < n; ++*ret_at) {
        r = path_get(set, before, &t->cfg[*ret_at], &t->paths[*ret_at]);
        if (r < 0)
            break;
    }
    const struct path *twice = r < 0 ? NULL : path_table_index(t);
    if (twice != NULL) {
        r = -EINVAL;
        for (*ret_at = 0; t->paths[*ret_at] != twice; ++*ret_at)
            ;
    }
    while (r < 0 && before != NULL && set->n > n_known) /* nobody has seen these */
        path_free(set->at[--set->n]);
    if (r < 0)
        path_table_free(t);
    else
        *ret = t;
    return r;
}

int path_table_new(const struct config *cfg, struct path_table **ret)
{
    size_t at;
    int r = path_table_make(xcalloc(1, sizeof(struct path_set)), NULL, cfg, ret, &at);
    if (r == 0)
        path_table_enforce(*ret);
    return r;
}

int path_table_next(struct path_table *before, const struct config *cfg, struct path_table **ret,
                    size_t *ret_at)
{
    return path_table_make(before->set, before, cfg, ret, ret_at);
}

void path_table_enforce(struct path_table *t)
{
    bool *there = xcalloc(t->set->n + 1, sizeof(*there));
    for (size_t i = 0; i < t->n; i++) {
        const struct pathlog_limits limits = limits_of(&t->cfg[i]);
        there[t->paths[i]->index] = true;
        pathlog_limit(t->paths[i]->log, &limits);
        t->paths[i]->cfg = &t->cfg[i];
    }
    for (size_t i = 0; i < t->set->n; i++)
        if (!there[i] && !path_is_gone(t->set->at[i]))
            go_by_copy(t->set->at[i], t->set->at[i]->cfg);
    free(there);
}

void path_table_free(struct path_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++) {
        free(t->templates[i].parts);
        free(t->templates[i].text);
    }
    if (--t->set->n_tables == 0) {
        for (size_t i = 0; i < t->set->n; i++)
            path_free(t->set->at[i]);
        free(t->set->at);
        free(t->set);
    }
    free(t->paths);
    free(t->templates);
    free(t->by_name);
    free(t);
}

size_t path_table_size(const struct path_table *t)
{
    return t->n;
}

struct path *path_table_at(struct path_table *t, size_t i)
{
    ASSERT(i < t->n);
    return t->paths[i];
}

size_t path_table_n_known(const struct path_table *t)
{
    return t->set->n;
}

struct path *path_table_known(struct path_table *t, size_t index)
{
    ASSERT(index < t->set->n);
    return t->set->at[index];
}

struct path *path_by_name(struct path_table *t, const char *name)
{
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int r = strcmp(name, t->by_name[mid]->name);
        if (r == 0)
            return t->by_name[mid];
        if (r < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* --- matching --- */

static struct path *find_fixed(struct path_table *t, struct slice request)
{
    size_t low = 0, high = t->n_fixed;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int r = compare_decoded(request, t->templates[mid].joined);
        if (r == 0)
            return t->templates[mid].path;
        if (r < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

static bool template_matches(const struct template *t, struct slice request, size_t n_segments)
{
    bool greedy = t->kind == PART_GREEDY;
    if (greedy ? n_segments < t->n_parts : n_segments != t->n_parts)
        return false;
    for (size_t i = 0; i < t->n_parts; i++) {
        const struct part *part = &t->parts[i];
        size_t take = part->kind == PART_GREEDY ? n_segments - t->n_parts + 1 : 1;
        struct slice segment = {0};
        for (; take > 0; take--)
            (void) path_take_segment(&request, &segment);
        if (part->kind == PART_FIXED && compare_decoded(segment, part->text) != 0)
            return false;
    }
    return true;
}

int path_match(struct path_table *t, struct slice request_path, struct path **ret)
{
    struct slice path = request_path, segment;
    if (path.len == 0 || path.data[0] != '/')
        return -EINVAL;
    if (path.data[path.len - 1] == '/')
        path.len--; /* the root is left empty: no segments */
    size_t n_segments = 0;
    for (struct slice rest = path; path_take_segment(&rest, &segment); n_segments++) {
        if (segment_check(segment) != NULL)
            return -EINVAL;
    }
    struct path *found = find_fixed(t, path);
    for (size_t i = t->n_fixed; i < t->n && found == NULL; i++) {
        if (template_matches(&t->templates[i], path, n_segments))
            found = t->templates[i].path;
    }
    if (found == NULL)
        return -ENOENT;
    *ret = found;
    return 0;
}
