/* spec_say.c - what is wrong with a specification, and what of it is passed over. */
#include "mem.h"
#include "spec_private.h"

#include <stdio.h>
#include <stdlib.h>

void spec_problem(struct spec_reader *r, unsigned line, const char *key, const char *fmt, ...)
{
    char full[sizeof(r->where) + 96], text[448];
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (r->where[0] == '\0')
        (void) snprintf(full, sizeof(full), "%s", key);
    else
        (void) snprintf(full, sizeof(full), "%s.%s", r->where, key);
    problems_add(r->problems, line, full, "%s", text);
}

void spec_note(struct spec_reader *r, unsigned line, const char *fmt, ...)
{
    char text[512];
    if (r->n_notes == SPEC_MAX_NOTES) {
        r->n_more_notes++;
        return;
    }
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (char *at = text; *at != '\0'; at++)
        if ((uint8_t) *at < ' ' || *at == 0x7f)
            *at = '?'; /* it goes to a terminal */
    r->notes[r->n_notes++] = (struct spec_note){line, xstrdup(text)};
}

static int by_line(const void *a, const void *b)
{
    const struct spec_note *one = a, *other = b;
    if (one->line != other->line)
        return one->line < other->line ? -1 : 1;
    return strcmp(one->text, other->text);
}

int spec_notes_end(struct spec_reader *r)
{
    int err = 0;
    struct buf *out = &r->spec->notes;
    buf_init(out, (size_t) SPEC_MAX_NOTES * 600);
    qsort(r->notes, r->n_notes, sizeof(r->notes[0]), by_line);
    for (size_t i = 0; err == 0 && i < r->n_notes; i++)
        if (i == 0 || by_line(&r->notes[i - 1], &r->notes[i]) != 0) /* referred to twice */
            err = buf_printf(out, "line %u: %s\n", r->notes[i].line, r->notes[i].text);
    if (err == 0 && r->n_more_notes > 0)
        err = buf_printf(out, "and %zu more\n", r->n_more_notes);
    return err;
}

void spec_notes_fini(struct spec_reader *r)
{
    for (size_t i = 0; i < r->n_notes; i++)
        free(r->notes[i].text);
}
