/* payload.c - see payload.h. */
#include "source/payload.h"

#include "json.h"

#include <cjson/cJSON.h>

int payload_open(struct slice json, struct cJSON **ret, const char **ret_why)
{
    if (json_check(json, ret_why) < 0)
        return -EBADMSG;
    *ret = cJSON_ParseWithLength((const char *) json.data, json.len);
    return *ret == NULL ? -ENOMEM : 0; /* what was checked can be parsed */
}

void payload_close(struct cJSON *root)
{
    cJSON_Delete(root);
}

/* The next character that a pointer's token stands for (RFC 6901 section 4), and how long it is. */
static char unescaped(const char *s, size_t *ret_len)
{
    bool escape = s[0] == '~' && (s[1] == '0' || s[1] == '1');
    *ret_len = escape ? 2 : 1;
    if (!escape)
        return s[0];
    return s[1] == '0' ? '~' : '/';
}

/* Whether the token is this name. */
static bool token_is(const char *token, size_t len, const char *name)
{
    size_t at = 0, step;
    for (; at < len && *name != '\0'; at += step, name++) {
        if (unescaped(token + at, &step) != *name)
            return false;
    }
    return at == len && *name == '\0';
}

/* An array's index (RFC 6901 section 4): digits without a leading zero. */
static bool token_index(const char *token, size_t len, int *ret)
{
    int index = 0;
    if (len == 0 || len > 6 || (len > 1 && token[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (token[i] < '0' || token[i] > '9')
            return false;
        index = index * 10 + (token[i] - '0');
    }
    *ret = index;
    return true;
}

static const struct cJSON *child_of(const struct cJSON *from, const char *token, size_t len)
{
    int index;
    if (cJSON_IsArray(from))
        return token_index(token, len, &index) ? cJSON_GetArrayItem(from, index) : NULL;
    if (!cJSON_IsObject(from))
        return NULL;
    const struct cJSON *child;
    cJSON_ArrayForEach(child, from) if (token_is(token, len, child->string)) return child;
    return NULL;
}

const struct cJSON *payload_at(const struct cJSON *from, const char *pointer)
{
    while (from != NULL && *pointer == '/') {
        const char *token = pointer + 1;
        size_t len = strcspn(token, "/");
        from = child_of(from, token, len);
        pointer = token + len;
    }
    return *pointer == '\0' ? from : NULL;
}

const char *payload_text(const struct cJSON *from, const char *pointer)
{
    const struct cJSON *value = payload_at(from, pointer);
    if (value == NULL || cJSON_IsNull(value))
        return "";
    return cJSON_GetStringValue(value);
}

bool payload_says(const struct cJSON *from, const char *pointer, const char *text)
{
    const char *is = payload_text(from, pointer);
    return is != NULL && is[0] != '\0' && strcmp(is, text) == 0;
}

bool payload_begins(struct slice body, const char *member, const char *prefix)
{
    struct slice value, want = slice_str(prefix);
    if (json_member(body, member, &value) != 0 || value.len <= want.len || value.data[0] != '"')
        return false;
    return slice_eq(slice_sub(value, 1, 1 + want.len), want);
}
