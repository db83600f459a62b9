/* metrics_text.c - reads what /metrics serves. (pure) */
#include "metrics_text.h"

#include <stdio.h>
#include <stdlib.h>

#define NUMBER_SIZE 64

/* The next sample of the family, from *rest on: its labels, "" without braces, and its value. */
static bool next_sample(struct slice *rest, const char *family, struct slice *ret_labels,
                        struct slice *ret_value)
{
    size_t name = strlen(family);
    while (rest->len > 0) {
        const uint8_t *end = memchr(rest->data, '\n', rest->len);
        size_t len = end == NULL ? rest->len : (size_t) (end - rest->data);
        struct slice line = slice_sub(*rest, 0, len);
        *rest = slice_from(*rest, end == NULL ? len : len + 1);
        if (line.len <= name || memcmp(line.data, family, name) != 0 ||
            (line.data[name] != '{' && line.data[name] != ' '))
            continue;
        line = slice_from(line, name);
        const uint8_t *close = line.data[0] == '{' ? memrchr(line.data, '}', line.len) : NULL;
        size_t at = close == NULL ? 0 : (size_t) (close - line.data) + 1;
        *ret_labels = at == 0 ? slice_sub(line, 0, 0) : slice_sub(line, 1, at - 1);
        *ret_value = slice_from(line, at);
        return true;
    }
    return false;
}

bool metrics_text_sum(struct slice text, const char *family, const char *label, double *ret)
{
    struct slice labels, value;
    bool any = false;
    *ret = 0;
    while (next_sample(&text, family, &labels, &value)) {
        char number[NUMBER_SIZE];
        if (label != NULL &&
            (labels.len == 0 || memmem(labels.data, labels.len, label, strlen(label)) == NULL))
            continue;
        (void) snprintf(number, sizeof(number), "%.*s", (int) value.len, (const char *) value.data);
        *ret += strtod(number, NULL);
        any = true;
    }
    return any;
}

struct slice metrics_text_label(struct slice text, const char *family, const char *label)
{
    struct slice labels, value;
    char wanted[NUMBER_SIZE];
    int n = snprintf(wanted, sizeof(wanted), "%s=\"", label);
    if (n < 0 || (size_t) n >= sizeof(wanted) || !next_sample(&text, family, &labels, &value) ||
        labels.len == 0)
        return slice_sub(text, 0, 0);
    const uint8_t *at = memmem(labels.data, labels.len, wanted, (size_t) n);
    if (at == NULL)
        return slice_sub(text, 0, 0);
    labels = slice_from(labels, (size_t) (at - labels.data) + (size_t) n);
    const uint8_t *end = labels.len == 0 ? NULL : memchr(labels.data, '"', labels.len);
    return slice_sub(labels, 0, end == NULL ? 0 : (size_t) (end - labels.data));
}
