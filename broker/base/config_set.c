/* config_set.c - one value of the file, or a default, into its place. */
#include "config_set.h"

#include "config_check.h"
#include "config_value.h"
#include "file_name.h"
#include "mem.h"
#include "secret_file.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert(sizeof(enum config_inbound) == sizeof(unsigned), "SETTING_CHOICE stores unsigned");
_Static_assert(sizeof(enum config_auth) == sizeof(unsigned), "SETTING_CHOICE stores unsigned");
_Static_assert(sizeof(enum config_clients) == sizeof(unsigned), "SETTING_CHOICE stores unsigned");
_Static_assert(sizeof(enum config_resource) == sizeof(unsigned), "SETTING_CHOICE stores unsigned");
_Static_assert(sizeof(enum config_signature) == sizeof(unsigned), "SETTING_CHOICE stores unsigned");
_Static_assert(sizeof(enum config_slow) == sizeof(unsigned), "SETTING_CHOICE stores unsigned");

#define KEY_SIZE 256

static const char *got(const struct setting *s, const struct doc_node *node,
                       char ret[DOC_QUOTE_SIZE])
{
    if (node->kind == DOC_MAP)
        return "a mapping";
    if (node->kind == DOC_LIST) {
        (void) snprintf(ret, DOC_QUOTE_SIZE, "a list of %zu", node->n);
        return ret;
    }
    if (node->null)
        return "nothing";
    return s->flags & SETTING_SECRET ? "something else" : doc_quote(node->text, ret);
}

void setting_wrong(struct problems *p, const struct setting *s, const struct doc_node *node,
                   const char *shown)
{
    static const char *const EXAMPLES[] = {
        [SETTING_SIZE] = ", such as 4096, 64KiB or 1MiB",
        [SETTING_DURATION] = ", such as 500ms, 20s, 10m or 1h",
        [SETTING_ALARM] = ", such as 10m or 8h",
        [SETTING_DEFAULTS] = NULL,
    };
    char expected[SETTING_TEXT_SIZE], quoted[DOC_QUOTE_SIZE];
    const char *example = EXAMPLES[s->type];
    problems_add(p, node->line, shown, "expected %s%s, got %s", setting_expected(s, expected),
                 example == NULL ? "" : example, got(s, node, quoted));
}

static bool set_number(const struct setting *s, const char *text, void *at)
{
    uint64_t value = 0;
    if (s->type == SETTING_WORKERS && strcmp(text, "auto") == 0) {
        *(uint64_t *) at = 0;
        return true;
    }
    if (s->type == SETTING_ALARM && (strcmp(text, "auto") == 0 || strcmp(text, "off") == 0)) {
        *(uint64_t *) at = strcmp(text, "off") == 0 ? CONFIG_ALARM_OFF : 0;
        return true;
    }
    bool duration = s->type == SETTING_DURATION || s->type == SETTING_ALARM;
    bool ok = s->type == SETTING_SIZE   ? value_size(text, &value)
              : duration                ? value_duration(text, &value)
              : s->type == SETTING_TIME ? value_time(text, &value)
                                        : value_count(text, &value);
    if (!ok || value < s->min || value > s->max)
        return false;
    *(uint64_t *) at = value;
    return true;
}

static size_t count_characters(const char *utf8)
{
    size_t n = 0;
    for (; *utf8 != '\0'; utf8++)
        n += ((uint8_t) *utf8 & 0xc0) != 0x80;
    return n;
}

/* What was there goes, also when the new text is refused: no check then looks at a default that the
 * file meant to replace. */
static bool set_text(const struct setting *s, const char *text, void *at)
{
    char **place = at;
    free(*place);
    *place = NULL;
    size_t n = count_characters(text);
    if (n < s->min || n > s->max || !s->format->fits(text))
        return false;
    *place = xstrdup(text);
    return true;
}

static bool set_word(const struct setting *s, const char *text, void *at)
{
    for (unsigned i = 0; s->format->words[i] != NULL; i++)
        if (strcmp(s->format->words[i], text) == 0) {
            if (s->type == SETTING_CHOICE) {
                *(unsigned *) at = i;
            } else {
                free(*(char **) at);
                *(char **) at = xstrdup(text);
            }
            return true;
        }
    return false;
}

static bool set_scalar(const struct setting *s, const char *text, void *at)
{
    switch (s->type) {
    case SETTING_TEXT:
        return set_text(s, text, at);
    case SETTING_CHOICE:
    case SETTING_WORD:
        return set_word(s, text, at);
    default:
        return set_number(s, text, at);
    }
}

/* The path of the file that is named, from malloc(). NULL: a problem was noted. */
static char *path_of(struct problems *p, const struct doc_node *node, const char *shown)
{
    char *path = NULL;
    int r = file_name_path(node->text, &path);
    if (r == -EINVAL)
        problems_add(p, node->line, shown,
                     "expected " FILE_NAME_CREDENTIAL "NAME with a file's name, got another one");
    else if (r < 0)
        problems_add(p, node->line, shown,
                     "expected a path, since CREDENTIALS_DIRECTORY is not in the environment "
                     "(systemd: LoadCredential=), got a credential");
    return path;
}

/* Opens what is named, as a secret if it is one. NULL: a problem was noted. */
static FILE *open_file(struct problems *p, const struct setting *s, const struct doc_node *node,
                       const char *shown)
{
    struct stat st;
    char *path = path_of(p, node, shown);
    if (path == NULL)
        return NULL;
    FILE *f = fopen(path, "re");
    int r = f == NULL || fstat(fileno(f), &st) < 0 ? -errno : 0;
    free(path);
    if (r < 0) {
        problems_add(p, node->line, shown, "expected a file that can be read, got: %s", err_str(r));
    } else if (s->type != SETTING_TEXT_FILE && secret_file_check(&st) < 0) {
        problems_add(p, node->line, shown,
                     "expected " SECRET_FILE_EXPECTED ", got " SECRET_FILE_GOT,
                     secret_file_mode(&st));
        r = -EPERM;
    }
    if (r < 0 && f != NULL)
        (void) fclose(f);
    return r < 0 ? NULL : f;
}

/* At most `most` bytes, with a NUL behind them; the caller's. NULL: a problem was noted. */
static char *read_text(struct problems *p, const struct setting *s, const struct doc_node *node,
                       const char *shown, size_t most)
{
    FILE *f = open_file(p, s, node, shown);
    if (f == NULL)
        return NULL;
    char *text = xcalloc(1, most + 1);
    if (fread(text, 1, most, f) < most && ferror(f)) {
        problems_add(p, node->line, shown, "expected a file that can be read, got: %s",
                     err_str(-errno));
        free(text);
        text = NULL;
    }
    (void) fclose(f);
    return text;
}

static void wrong_file(struct problems *p, const struct setting *s, const struct doc_node *node,
                       const char *shown)
{
    char expected[SETTING_TEXT_SIZE];
    problems_add(p, node->line, shown, "expected %s, got another one",
                 setting_expected(s, expected));
}

static void read_file(struct problems *p, const struct setting *s, const struct doc_node *node,
                      const char *shown, void *at)
{
    char *text = read_text(p, s, node, shown, (size_t) s->max + 1); /* one byte too many */
    if (text == NULL)
        return;
    if (s->type == SETTING_TOKEN_FILE)
        text[strcspn(text, "\r\n")] = '\0';
    if (!set_text(s, text, at))
        wrong_file(p, s, node, shown);
    free(text);
}

/* Of a file that is read later, by others. */
static void read_file_name(struct problems *p, const struct setting *s, const struct doc_node *node,
                           const char *shown, void *at)
{
    char *path = path_of(p, node, shown);
    if (path != NULL && !set_text(s, path, at))
        setting_wrong(p, s, node, shown);
    free(path);
}

static void strings_fini(struct config_strings *strings)
{
    for (size_t i = 0; i < strings->n; i++)
        free(strings->at[i]);
    free(strings->at);
    *strings = (struct config_strings){0};
}

static bool add_line(const struct setting *s, char *line, struct config_strings *lines)
{
    line[strcspn(line, "\r")] = '\0';
    size_t len = strlen(line);
    if (lines->n == CONFIG_SECRETS || len < s->min || len > s->max || !s->format->fits(line))
        return false;
    lines->at[lines->n++] = xstrdup(line);
    return true;
}

/* Empty lines at the end do not count. */
static void read_lines(struct problems *p, const struct setting *s, const struct doc_node *node,
                       const char *shown, struct config_strings *lines)
{
    size_t most = CONFIG_SECRETS * ((size_t) s->max + 2) + 1; /* one byte too many */
    char *text = read_text(p, s, node, shown, most);
    strings_fini(lines);
    lines->at = xcalloc(CONFIG_SECRETS, sizeof(char *));
    if (text == NULL)
        return;
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    bool fits = true;
    char *rest = text;
    while (fits && rest != NULL)
        fits = add_line(s, strsep(&rest, "\n"), lines);
    if (!fits)
        wrong_file(p, s, node, shown);
    free(text);
}

static void read_texts(struct problems *p, const struct setting *s, const struct doc_node *node,
                       const char *shown, struct config_strings *strings)
{
    strings_fini(strings);
    strings->at = xcalloc(node->n, sizeof(char *));
    size_t i = 0;
    for (const struct doc_node *item = node->first; item != NULL; item = item->next, i++) {
        if (item->kind == DOC_TEXT && item->text[0] != '\0' && strlen(item->text) <= 255 &&
            s->format->fits(item->text)) {
            strings->at[strings->n++] = xstrdup(item->text);
            continue;
        }
        char key[KEY_SIZE], quoted[DOC_QUOTE_SIZE];
        (void) snprintf(key, sizeof(key), "%s[%zu]", shown, i);
        problems_add(p, item->line, key, "expected %s, got %s", s->format->expected,
                     got(s, item, quoted));
    }
}

static void read_events(struct problems *p, const struct setting *s, const struct doc_node *node,
                        const char *shown, struct event_list *types)
{
    static const char *const EVENTS[] = {"CREATE_IMAGE", "DELETE_IMAGE", "CREATE_IMAGE_TAG",
                                         "DELETE_IMAGE_TAG"}; /* 1 to 4 in the API */
    static const char PREFIX[] = "CONTAINER_REGISTRY_EVENT_TYPE_";
    size_t index = 0;
    for (const struct doc_node *item = node->first; item != NULL; item = item->next, index++) {
        const char *name = item->kind == DOC_TEXT ? item->text : "";
        if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0)
            name += sizeof(PREFIX) - 1;
        unsigned type = 1;
        while (type <= ARRAY_LEN(EVENTS) && strcmp(EVENTS[type - 1], name) != 0)
            type++;
        if (type <= ARRAY_LEN(EVENTS)) {
            event_list_add(types, type);
            continue;
        }
        char key[KEY_SIZE], quoted[DOC_QUOTE_SIZE];
        (void) snprintf(key, sizeof(key), "%s[%zu]", shown, index);
        problems_add(p, item->line, key,
                     "expected CREATE_IMAGE, DELETE_IMAGE, CREATE_IMAGE_TAG or DELETE_IMAGE_TAG, "
                     "got %s",
                     got(s, item, quoted));
    }
}

void setting_read(struct problems *p, const struct setting *s, const struct doc_node *node,
                  const char *shown, void *at)
{
    bool list = s->type == SETTING_TEXTS || s->type == SETTING_EVENTS;
    bool file = s->type == SETTING_TOKEN_FILE || s->type == SETTING_TEXT_FILE ||
                s->type == SETTING_LINES_FILE;
    bool nothing = node->kind == DOC_TEXT && node->null;
    bool fits = node->kind == (list && !nothing ? DOC_LIST : DOC_TEXT);
    if (list)
        fits = fits && node->n >= s->min && node->n <= s->max;
    else if (nothing)
        fits = s->type == SETTING_TEXT && s->min == 0; /* `tag:` with nothing behind it is "" */
    if (fits && s->type == SETTING_TEXT && s->format->fits == value_is_file) {
        read_file_name(p, s, node, shown, at);
        return;
    }
    if (fits && !list && !file)
        fits = set_scalar(s, nothing ? "" : node->text, at);
    if (!fits)
        setting_wrong(p, s, node, shown);
    else if (s->type == SETTING_TEXTS)
        read_texts(p, s, node, shown, at);
    else if (s->type == SETTING_EVENTS)
        read_events(p, s, node, shown, at);
    else if (s->type == SETTING_LINES_FILE)
        read_lines(p, s, node, shown, at);
    else if (file)
        read_file(p, s, node, shown, at);
}

void setting_default(const struct setting *s, void *at)
{
    if (s->def == NULL || s->type == SETTING_LIST)
        return;
    if (s->type == SETTING_TEXTS) {
        struct config_strings *strings = at;
        strings->at = xcalloc(1, sizeof(char *));
        strings->at[strings->n++] = xstrdup(s->def);
        return;
    }
    bool ok = set_scalar(s, s->def, at);
    ASSERT(ok);
}

/* How a value is kept in its place, whatever it is read from. */
enum place { PLACE_NONE, PLACE_NUMBER, PLACE_CHOICE, PLACE_TEXT, PLACE_TEXTS, PLACE_EVENTS };

static enum place place_of(const struct setting *s)
{
    switch (s->type) {
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_DURATION:
    case SETTING_TIME:
    case SETTING_WORKERS:
    case SETTING_ALARM:
        return PLACE_NUMBER;
    case SETTING_TEXT:
    case SETTING_TOKEN_FILE:
    case SETTING_TEXT_FILE:
    case SETTING_WORD:
        return PLACE_TEXT;
    case SETTING_LINES_FILE:
    case SETTING_TEXTS:
        return PLACE_TEXTS;
    case SETTING_CHOICE:
        return PLACE_CHOICE;
    case SETTING_EVENTS:
        return PLACE_EVENTS;
    case SETTING_LIST:
    case SETTING_DEFAULTS:
        break;
    }
    return PLACE_NONE;
}

void setting_copy(const struct setting *s, void *at)
{
    struct config_strings *strings = at;
    if (place_of(s) == PLACE_TEXT) {
        *(char **) at = xstrdup(*(char **) at);
    } else if (place_of(s) == PLACE_TEXTS && strings->at != NULL) {
        char *const *from = strings->at;
        strings->at = xcalloc(strings->n, sizeof(char *));
        for (size_t i = 0; i < strings->n; i++)
            strings->at[i] = xstrdup(from[i]);
    }
}

void setting_fini(const struct setting *s, void *at)
{
    if (place_of(s) == PLACE_TEXTS) {
        strings_fini(at);
    } else if (place_of(s) == PLACE_TEXT) {
        free(*(char **) at);
        *(char **) at = NULL; /* a text and the file for it have one place */
    }
}

static bool texts_equal(const struct config_strings *a, const struct config_strings *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && i < a->n; i++)
        equal = strcmp(a->at[i], b->at[i]) == 0;
    return equal;
}

static bool text_equal(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool setting_equal(const struct setting *s, const void *a, const void *b)
{
    switch (place_of(s)) {
    case PLACE_NUMBER:
        return *(const uint64_t *) a == *(const uint64_t *) b;
    case PLACE_CHOICE:
        return *(const unsigned *) a == *(const unsigned *) b;
    case PLACE_TEXT:
        return text_equal(*(char *const *) a, *(char *const *) b);
    case PLACE_TEXTS:
        return texts_equal(a, b);
    case PLACE_EVENTS:
        return event_list_equal(a, b);
    case PLACE_NONE:
        break;
    }
    return true;
}

/* --- whole structures --- */

bool setting_is_of(const struct setting *s, const char *pattern)
{
    size_t len = setting_item_prefix(s->key);
    return strlen(pattern) == len && strncmp(s->key, pattern, len) == 0;
}

bool setting_shares_place(const struct setting *s)
{
    size_t len = setting_item_prefix(s->key);
    return s > SETTINGS && s[-1].offset == s->offset && setting_item_prefix(s[-1].key) == len &&
           strncmp(s[-1].key, s->key, len) == 0;
}

static void list_fini(const struct list_place *list, void *base)
{
    char pattern[CONFIG_KEY_SIZE];
    char *items = config_items(list, base);
    (void) snprintf(pattern, sizeof(pattern), "%s[].", list->key);
    for (size_t i = 0; i < *config_count(list, base); i++)
        settings_fini(pattern, items + i * list->item_size);
    free(items);
}

void settings_fini(const char *pattern, void *base)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (!setting_is_of(&SETTINGS[i], pattern))
            continue;
        else if (SETTINGS[i].type == SETTING_LIST)
            list_fini(list_find(SETTINGS[i].key), base);
        else
            setting_fini(&SETTINGS[i], (char *) base + SETTINGS[i].offset);
}

static void settings_copy(const char *pattern, void *base);

/* The list's own place was copied byte by byte. */
static void list_copy(const struct list_place *list, void *base)
{
    char pattern[CONFIG_KEY_SIZE];
    void **place = (void **) (void *) ((char *) base + list->at_offset);
    size_t n = *config_count(list, base);
    char *items = xcalloc(n, list->item_size);
    (void) snprintf(pattern, sizeof(pattern), "%s[].", list->key);
    if (n > 0)
        memcpy(items, *place, n * list->item_size);
    for (size_t i = 0; i < n; i++)
        settings_copy(pattern, items + i * list->item_size);
    *place = items;
}

static void settings_copy(const char *pattern, void *base)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (!setting_is_of(&SETTINGS[i], pattern) || setting_shares_place(&SETTINGS[i]))
            continue;
        else if (SETTINGS[i].type == SETTING_LIST)
            list_copy(list_find(SETTINGS[i].key), base);
        else
            setting_copy(&SETTINGS[i], (char *) base + SETTINGS[i].offset);
}

void setting_replace(const struct setting *s, void *base, const void *from)
{
    static const size_t SIZES[] = {
        [PLACE_NONE] = 0,
        [PLACE_NUMBER] = sizeof(uint64_t),
        [PLACE_CHOICE] = sizeof(unsigned),
        [PLACE_TEXT] = sizeof(char *),
        [PLACE_TEXTS] = sizeof(struct config_strings),
        [PLACE_EVENTS] = sizeof(struct event_list),
    };
    char *at = base;
    const char *other = from;
    if (s->type == SETTING_LIST) {
        const struct list_place *list = list_find(s->key);
        list_fini(list, base);
        memcpy(at + list->at_offset, other + list->at_offset, sizeof(void *));
        memcpy(at + list->n_offset, other + list->n_offset, sizeof(size_t));
        list_copy(list, base);
        return;
    }
    setting_fini(s, at + s->offset);
    memcpy(at + s->offset, other + s->offset, SIZES[place_of(s)]);
    setting_copy(s, at + s->offset);
}
