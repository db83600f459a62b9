/* Paths beside a slow reference (FZ-10): templates, one a line, then after an empty line the path
 * of a request. The reference decodes everything, tries every template and takes the best by the
 * order that path_tree.h tells. After a first line "spec" or "strict" they are paths of a
 * specification, which ignores slashes at the end or does not; those with a '!' in front do not
 * speak WebSocket. What path_params() says of the best one is put together to the request again. */
#include "err.h"
#include "mem.h"
#include "path.h"
#include "spec.h"
#include "utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEMPLATES_MAX 8
#define PARTS_MAX     64
#define NAME_SIZE     128

struct part {
    int kind; /* 0: fixed, 1: {name}, 2: {name+} */
    size_t len;
    char text[NAME_SIZE];
};

struct parts {
    size_t n;
    int kind;   /* the highest */
    bool slash; /* at its end */
    struct part at[PARTS_MAX];
};

/* --- the reference --- */

static int digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c == '\0' ? NULL : strchr(digits, c | 0x20);
    if (c >= '0' && c <= '9')
        at = strchr(digits, c);
    else if (!((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
        return -1;
    return (int) (at - digits);
}

/* False: not a path that may be asked for. */
static bool decode(const char *s, size_t len, struct part *ret)
{
    *ret = (struct part){0};
    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char) s[i];
        if (byte == '%') {
            if (i + 2 >= len || digit(s[i + 1]) < 0 || digit(s[i + 2]) < 0)
                return false;
            byte = digit(s[i + 1]) * 16 + digit(s[i + 2]);
            i += 2;
        }
        if (byte < ' ' || byte == 0x7f || byte == '/' || byte == '\\')
            return false;
        ret->text[ret->len++] = (char) byte;
    }
    bool dots = (ret->len == 1 && ret->text[0] == '.') ||
                (ret->len == 2 && ret->text[0] == '.' && ret->text[1] == '.');
    return ret->len > 0 && !dots && utf8_valid(slice_of(ret->text, ret->len));
}

static bool split(const char *s, bool template, struct parts *ret)
{
    *ret = (struct parts){0};
    if (s[0] != '/')
        return false;
    for (const char *at = s; *at != '\0';) {
        size_t len = strcspn(++at, "/");
        struct part *part = &ret->at[ret->n];
        if (len == 0 && at[0] == '\0') { /* "/", or a slash at the end */
            ret->slash = ret->n > 0;
            break;
        }
        if (template && at[0] == '{') {
            *part = (struct part){.kind = at[len - 2] == '+' ? 2 : 1};
            part->len = len - (size_t) part->kind - 1;
            memcpy(part->text, at + 1, part->len);
        } else if (!decode(at, len, part))
            return false;
        ret->kind = part->kind > ret->kind ? part->kind : ret->kind;
        ret->n++;
        at += len;
    }
    return true;
}

static bool matches(const struct parts *t, size_t i, const struct parts *request, size_t k)
{
    if (i == t->n)
        return k == request->n;
    if (k == request->n)
        return false;
    const struct part *part = &t->at[i], *asked = &request->at[k];
    if (part->kind == 0)
        return part->len == asked->len && memcmp(part->text, asked->text, part->len) == 0 &&
               matches(t, i + 1, request, k + 1);
    if (matches(t, i + 1, request, k + 1))
        return true;
    return part->kind == 2 && matches(t, i, request, k + 1);
}

static bool is_better(const struct parts *a, size_t a_len, const struct parts *b, size_t b_len)
{
    if (a->kind != b->kind)
        return a->kind < b->kind;
    for (size_t i = 0; a->kind == 1 && i < a->n; i++)
        if (a->at[i].kind != b->at[i].kind)
            return a->at[i].kind < b->at[i].kind;
    return a_len > b_len;
}

/* One path in perhaps two spellings. */
static bool is_same(const struct parts *a, const struct parts *b, bool strict)
{
    bool same = a->n == b->n && (!strict || a->slash == b->slash);
    for (size_t i = 0; same && i < a->n; i++)
        same = a->at[i].kind == b->at[i].kind && a->at[i].len == b->at[i].len &&
               memcmp(a->at[i].text, b->at[i].text, a->at[i].len) == 0;
    return same;
}

static bool slash_fits(const struct parts *t, const struct parts *request)
{
    bool catches = t->n > 0 && t->at[t->n - 1].kind == 2 && !t->slash;
    return t->slash == request->slash || catches;
}

/* --- the comparison --- */

struct input {
    bool spec, strict;
    size_t n;
    char *names[TEMPLATES_MAX];
    bool closed[TEMPLATES_MAX];
};

static char *take_line(char **text)
{
    char *line = *text;
    *text += strcspn(*text, "\n");
    if ((*text)[0] == '\n')
        *(*text)++ = '\0';
    return line;
}

/* The lines that may be templates. */
static void read_templates(char **text, struct input *ret)
{
    *ret = (struct input){0};
    while ((*text)[0] != '\0') {
        char *line = take_line(text);
        if (line[0] == '\0')
            break;
        if (ret->n == 0 && (strcmp(line, "spec") == 0 || strcmp(line, "strict") == 0)) {
            ret->spec = true;
            ret->strict = line[1] == 't';
            continue;
        }
        bool closed = ret->spec && line[0] == '!';
        line += closed;
        if (ret->n < TEMPLATES_MAX && strlen(line) < NAME_SIZE &&
            (ret->spec ? path_template_check_spec(line) : path_template_check(line)) == NULL) {
            ret->closed[ret->n] = closed;
            ret->names[ret->n++] = line;
        }
    }
}

static void make_config(const struct input *in, struct config *cfg, struct spec *spec)
{
    for (size_t i = 0; i < in->n; i++) {
        spec->routes[i] =
            (struct spec_route){.path = in->names[i], .websocket = !in->closed[i], .index = i};
        if (!in->closed[i])
            cfg->gateway.paths[cfg->gateway.n_paths++] =
                (struct config_path){.path = in->names[i],
                                     .route = in->spec ? &spec->routes[i] : NULL,
                                     .max_message_bytes = 1000,
                                     .max_frame_bytes = 1000,
                                     .history_count = 10,
                                     .history_bytes = 1 << 20,
                                     .memory_bytes = 1 << 20,
                                     .history_ms = 1000,
                                     .max_lag_ms = 1000};
    }
    spec->n_routes = in->n;
    spec->ignore_trailing_slashes = !in->strict;
    cfg->spec = in->spec ? spec : NULL;
}

/* The template with the values that path_params() found in it. */
static void check_params(const char *name, const char *asked)
{
    struct path_param params[PATH_MAX_PARAMS];
    char again[4 * NAME_SIZE] = "";
    size_t n = path_params(name, slice_str(asked), params, PATH_MAX_PARAMS), k = 0, len = 0;
    struct slice rest = slice_str(name), segment;
    struct parts want, got;
    while (path_take_segment(&rest, &segment) && segment.len > 0) {
        bool param = path_part(segment) != PATH_FIXED;
        ASSERT(!param || (k < n && params[k].value.len > 0));
        struct slice value = param ? params[k++].value : segment;
        ASSERT(len + value.len + 1 < sizeof(again));
        again[len++] = '/';
        memcpy(again + len, value.data, value.len);
        len += value.len;
    }
    ASSERT(k == n && split(asked, false, &want) && split(len == 0 ? "/" : again, false, &got));
    ASSERT(is_same(&want, &got, false));
}

static void compare(struct path_table *table, const struct input *in, const char *asked)
{
    static struct parts request, templates[TEMPLATES_MAX];
    struct path *found = NULL;
    size_t best = in->n;
    int r = path_match(table, slice_str(asked), &found);
    bool fine = split(asked, false, &request);
    ASSERT((r == -EINVAL) == !fine);
    for (size_t i = 0; i < in->n; i++)
        ASSERT(split(in->names[i], true, &templates[i]));
    for (size_t i = 0; i < in->n && fine; i++) {
        bool gives_way = false;
        for (size_t k = 0; k < in->n; k++)
            gives_way = gives_way || (in->closed[i] && (k < i || !in->closed[k]) &&
                                      is_same(&templates[i], &templates[k], in->strict));
        if (!gives_way && matches(&templates[i], 0, &request, 0) &&
            (!in->strict || slash_fits(&templates[i], &request)) &&
            (best == in->n || is_better(&templates[i], strlen(in->names[i]), &templates[best],
                                        strlen(in->names[best]))))
            best = i;
    }
    if (!fine)
        return;
    ASSERT(r == (best == in->n ? -ENOENT : in->closed[best] ? -EPROTONOSUPPORT : 0));
    ASSERT(r != 0 || strcmp(found->name, in->names[best]) == 0);
    if (best < in->n)
        check_params(in->names[best], asked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_path paths[TEMPLATES_MAX];
    struct spec_route routes[TEMPLATES_MAX];
    struct config cfg = {.gateway.paths = paths};
    struct spec spec = {.routes = routes};
    struct input in;
    struct path_table *table;
    char *text = xslicedup(slice_of(data, size)), *rest = text;
    read_templates(&rest, &in);
    make_config(&in, &cfg, &spec);
    rest[strcspn(rest, "\n")] = '\0';
    if (strlen(rest) < NAME_SIZE && in.n > 0 && path_table_new(&cfg, &table) == 0) {
        for (size_t i = 0; i < cfg.gateway.n_paths; i++)
            ASSERT(path_by_name(table, paths[i].path) == path_table_at(table, i));
        compare(table, &in, rest);
        path_table_free(table);
    }
    free(text);
    return 0;
}
