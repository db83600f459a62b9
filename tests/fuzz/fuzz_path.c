/* Paths beside a slow reference (FZ-10): templates, one a line, then after an empty line the path
 * of a request. The reference decodes everything, tries every template and takes the best by the
 * order that path.h tells. */
#include "err.h"
#include "mem.h"
#include "path.h"
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
    int kind; /* the highest */
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
        if (len == 0 && at[0] == '\0')
            break; /* "/", or a slash at the end, which a request may have */
        if (template && at[0] == '{')
            *part = (struct part){.kind = at[len - 2] == '+' ? 2 : 1};
        else if (!decode(at, len, part))
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

/* --- the comparison --- */

/* The lines that may be templates. */
static size_t read_templates(char **text, struct config_path *ret)
{
    size_t n = 0;
    while ((*text)[0] != '\0') {
        char *line = *text;
        *text += strcspn(*text, "\n");
        if ((*text)[0] == '\n')
            *(*text)++ = '\0';
        if (line[0] == '\0')
            break;
        if (n < TEMPLATES_MAX && strlen(line) < NAME_SIZE && path_template_check(line) == NULL)
            ret[n++] = (struct config_path){.path = line,
                                            .max_message_bytes = 1000,
                                            .max_frame_bytes = 1000,
                                            .history_count = 10,
                                            .history_bytes = 1 << 20,
                                            .memory_bytes = 1 << 20,
                                            .history_ms = 1000,
                                            .max_lag_ms = 1000};
    }
    return n;
}

static void compare(struct path_table *table, const struct config_path *paths, size_t n,
                    const char *asked)
{
    static struct parts request, templates[TEMPLATES_MAX];
    struct path *found = NULL;
    size_t best = n;
    int r = path_match(table, slice_str(asked), &found);
    bool fine = split(asked, false, &request);
    ASSERT((r == -EINVAL) == !fine);
    for (size_t i = 0; i < n && fine; i++) {
        ASSERT(split(paths[i].path, true, &templates[i]));
        if (matches(&templates[i], 0, &request, 0) &&
            (best == n || is_better(&templates[i], strlen(paths[i].path), &templates[best],
                                    strlen(paths[best].path))))
            best = i;
    }
    ASSERT((r == 0) == (best < n));
    ASSERT(r != 0 || found->index == best);
    ASSERT(r == 0 || r == -EINVAL || r == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_path paths[TEMPLATES_MAX];
    struct config cfg = {.gateway.paths = paths};
    struct path_table *table;
    char *text = xslicedup(slice_of(data, size)), *rest = text;
    cfg.gateway.n_paths = read_templates(&rest, paths);
    rest[strcspn(rest, "\n")] = '\0';
    if (strlen(rest) < NAME_SIZE && cfg.gateway.n_paths > 0 && path_table_new(&cfg, &table) == 0) {
        for (size_t i = 0; i < cfg.gateway.n_paths; i++)
            ASSERT(path_by_name(table, paths[i].path) == path_table_at(table, i));
        compare(table, paths, cfg.gateway.n_paths, rest);
        path_table_free(table);
    }
    free(text);
    return 0;
}
