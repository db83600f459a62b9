/* cmd_registries.c - regcast registries: which there are, and what is made of a webhook of theirs.
 */
#include "commands.h"

#include "call.h"
#include "http_file.h"
#include "mem.h"
#include "print.h"

#include <stdlib.h>

#define REGISTRIES "/registries/v1/registries"
#define MAX_BODY   (64u << 20)
#define MAX_TEXT   (64u << 20)
#define COLUMNS    6

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* --- list --- */

/* A list's texts with blanks between them; for free(). */
static char *joined(const cJSON *list)
{
    struct buf text;
    const cJSON *item;
    buf_init(&text, MAX_TEXT);
    int r = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (r == 0 && cJSON_IsString(item))
            r = buf_printf(&text, "%s%s", text.len == 0 ? "" : " ", item->valuestring);
    }
    ASSERT(r == 0);
    char *ret = text.len == 0 ? xstrdup("none") : xslicedup(buf_slice(&text));
    buf_fini(&text);
    return ret;
}

static const char *or_else(const char *text, const char *empty)
{
    return text[0] == '\0' ? empty : text;
}

static int print_registries(const cJSON *registries)
{
    static const char *const HEADERS[COLUMNS] = {"ID",         "KIND",         "PROOFS",
                                                 "LAST EVENT", "SILENT SINCE", "EVENTS URL"};
    size_t rows = (size_t) cJSON_GetArraySize(registries), at = 0;
    const char **cells = xcalloc(rows * COLUMNS + 1, sizeof(*cells));
    const cJSON *one;
    cJSON_ArrayForEach(one, registries)
    {
        cells[at++] = call_member(one, "id");
        cells[at++] = or_else(call_member(one, "kind"), "(detected)");
        cells[at++] = joined(member(one, "proofs"));
        cells[at++] = or_else(call_member(one, "lastEventAt"), "none");
        cells[at++] = or_else(call_member(one, "silentSince"), "-");
        cells[at++] = joined(member(one, "eventsUrls"));
    }
    struct buf text;
    buf_init(&text, MAX_TEXT);
    int code = call_write(&text, print_table(HEADERS, COLUMNS, cells, rows, &text));
    for (size_t i = 0; i < at; i += COLUMNS) {
        free((char *) (uintptr_t) cells[i + 2]);
        free((char *) (uintptr_t) cells[i + 5]);
    }
    free(cells);
    return code;
}

static int run_list(struct call *c)
{
    struct buf path;
    cJSON *answer = NULL;
    path_begin(&path, REGISTRIES);
    int r = call_rest(c, "GET", &path, NULL, &answer);
    buf_fini(&path);
    if (r < 0)
        return EXIT_FAILED;
    int code = EXIT_FINE;
    if (c->format == FORMAT_TEXT)
        code = print_registries(member(answer, "registries"));
    else
        code = call_print_as_is(c, member(answer, "registries"));
    cJSON_Delete(answer);
    return code;
}

/* --- an account of a webhook --- */

/* What a webhook says may be anything: no controls reach the terminal. */
static int put_text(struct buf *out, const char *text)
{
    int r = 0;
    for (; *text != '\0' && r == 0; text++) {
        bool control = (unsigned char) *text < ' ' || *text == 0x7f;
        r = buf_printf(out, "%c", control ? ' ' : *text);
    }
    return r;
}

static int put_line(struct buf *out, const char *indent, const char *name, const char *value)
{
    int r = buf_printf(out, "%s%-12s ", indent, name);
    if (r == 0)
        r = put_text(out, value[0] == '\0' ? "-" : value);
    return r == 0 ? buf_append_str(out, "\n") : r;
}

static int put_trigger(struct buf *out, const cJSON *trigger)
{
    bool takes = cJSON_IsTrue(member(trigger, "matches"));
    int r = buf_append_str(out, takes ? "        taken by " : "        not by ");
    if (r == 0)
        r = put_text(out, call_member(trigger, "name"));
    if (r == 0)
        r = buf_append_str(out, takes ? ", path " : ": ");
    if (r == 0)
        r = put_text(out, call_member(trigger, takes ? "path" : "why"));
    return r == 0 ? buf_append_str(out, "\n") : r;
}

static int put_event(struct buf *out, const cJSON *event)
{
    const char *tag = call_member(event, "tag");
    const cJSON *trigger;
    int r = buf_printf(out, "    > %s ", call_member(event, "type"));
    if (r == 0)
        r = put_text(out, call_member(event, "repository"));
    if (r == 0 && tag[0] != '\0')
        r = buf_append_str(out, ":");
    if (r == 0)
        r = put_text(out, tag);
    if (r == 0)
        r = buf_append_str(out, " ");
    if (r == 0)
        r = put_text(out, call_member(event, "digest"));
    if (r == 0)
        r = buf_append_str(out, "\n");
    cJSON_ArrayForEach(trigger, member(event, "triggers"))
    {
        if (r == 0)
            r = put_trigger(out, trigger);
    }
    return r;
}

static int put_change(struct buf *out, const cJSON *entry)
{
    static const struct {
        const char *name, *from;
    } FIELDS[] = {{"change", "change"},        {"repository", "repository"},
                  {"digest", "digest"},        {"tag", "tag"},
                  {"sender id", "senderId"},   {"request id", "requestId"},
                  {"created at", "createdAt"}, {"actor", "actor"}};
    const char *nothing = call_member(entry, "nothing");
    const cJSON *event;
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(FIELDS) && r == 0; i++)
        r = put_line(out, "    ", FIELDS[i].name, call_member(entry, FIELDS[i].from));
    if (r == 0 && cJSON_IsTrue(member(entry, "certain")))
        r = put_line(out, "    ", "certain", "yes");
    if (r == 0 && nothing[0] != '\0')
        r = buf_printf(out, "    > no event: %s\n", nothing);
    cJSON_ArrayForEach(event, member(entry, "events"))
    {
        if (r == 0)
            r = put_event(out, event);
    }
    return r;
}

static int put_entry(struct buf *out, const cJSON *entry, size_t number)
{
    const char *ignored = call_member(entry, "ignored"), *why = call_member(entry, "setAside");
    int r = buf_printf(out, "event %zu\n", number);
    if (r < 0)
        return r;
    if (ignored[0] != '\0')
        return put_line(out, "    ", "ignored", ignored);
    if (why[0] == '\0')
        return put_change(out, entry);
    r = put_line(out, "    ", "set aside", why);
    return r == 0 ? put_line(out, "    ", "excerpt", call_member(entry, "excerpt")) : r;
}

static int put_kind(struct buf *out, const cJSON *answer)
{
    const char *kind = call_member(answer, "kind"), *why = call_member(answer, "notUnderstood");
    const char *other = call_member(answer, "looksLike");
    int r = put_line(out, "", "kind", kind);
    if (r == 0)
        r = put_line(out, "", "known by", call_member(answer, "knownBy"));
    if (r == 0 && cJSON_IsTrue(member(answer, "handshake")))
        r = put_line(out, "", "handshake", "it asks whether we are there, and is answered");
    if (r == 0 && why[0] != '\0')
        r = put_line(out, "", "set aside", why);
    if (r == 0 && other[0] != '\0')
        r = put_line(out, "", "looks like", other);
    if (r == 0 && other[0] != '\0')
        r = put_line(out, "", "by its", call_member(answer, "looksBy"));
    return r;
}

static int print_account(const cJSON *answer)
{
    struct buf text;
    const cJSON *entry;
    size_t n = 0;
    buf_init(&text, MAX_TEXT);
    int r = put_kind(&text, answer);
    cJSON_ArrayForEach(entry, member(answer, "entries"))
    {
        if (r == 0)
            r = put_entry(&text, entry, ++n);
    }
    if (r == 0 && cJSON_IsTrue(member(answer, "truncated")))
        r = buf_append_str(&text, "There is more.\n");
    return call_write(&text, r);
}

/* --- test --- */

/* What would be set aside is a failure: scripts ask. */
static int print_answer(const struct call *c, const cJSON *answer)
{
    const cJSON *set_aside = member(answer, "setAside");
    bool fine = call_member(answer, "notUnderstood")[0] == '\0' &&
                (!cJSON_IsNumber(set_aside) || set_aside->valuedouble == 0);
    int code = c->format == FORMAT_TEXT ? print_account(answer) : call_print_as_is(c, answer);
    return code == EXIT_FINE && !fine ? EXIT_FAILED : code;
}

static int send_file(struct call *c, const char *registry, const struct http_file *file)
{
    const struct client_content content = {file->body, file->headers, file->n_headers};
    struct buf path;
    cJSON *answer = NULL;
    path_begin(&path, REGISTRIES "/");
    path_segment(&path, registry);
    path_append(&path, ":dryRun");
    int r = call_send(c, &path, &content, &answer);
    buf_fini(&path);
    int code = r < 0 ? EXIT_FAILED : print_answer(c, answer);
    cJSON_Delete(answer);
    return code;
}

static int run_test(struct call *c)
{
    struct buf text;
    struct http_file file;
    const char *why;
    if (c->args.n_arguments != 2)
        return call_usage(c, "expected <REGISTRY-ID> and <FILE>, or - for standard input");
    buf_init(&text, MAX_BODY);
    int code = call_read_file(c->args.arguments[1], &text);
    if (code == EXIT_FINE && http_file_read(buf_slice(&text), &file, &why) < 0)
        code = call_failed("%s: %s", c->args.arguments[1], why);
    if (code == EXIT_FINE)
        code = send_file(c, c->args.arguments[0], &file);
    buf_fini(&text);
    return code;
}

static const struct flag NONE[] = {FLAGS_END};

const struct command CMD_REGISTRIES_LIST = {
    "registries list",
    NULL,
    "",
    0,
    "List the registries that may post webhooks, where each posts them, and which are silent.",
    NONE,
    run_list};

const struct command CMD_REGISTRIES_TEST = {
    "registries test",
    NULL,
    "<REGISTRY-ID> <FILE>|-",
    2,
    "Show what is made of a webhook, field by field: its body, or the whole request as captured.",
    NONE,
    run_test};
