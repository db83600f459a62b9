/* hook.c - see hook.h. */
#include "source/hook.h"

#include "source/payload.h"

#include <cjson/cJSON.h>
#include <stdio.h>

int hook_open(const struct source_request *req, struct cJSON **ret, const char **ret_why)
{
    struct cJSON *root;
    *ret_why = NULL;
    if (!field_charset_utf8(req->content_type))
        *ret_why = "charset";
    else if (slice_eq_nocase(field_media_type(req->content_type),
                             SLICE_LIT("application/x-www-form-urlencoded")))
        *ret_why = "form_encoded";
    if (*ret_why != NULL)
        return -EBADMSG;
    int r = payload_open(req->body, &root, ret_why);
    if (r < 0)
        return r;
    if (!cJSON_IsObject(root)) {
        payload_close(root);
        *ret_why = "object";
        return -EBADMSG;
    }
    *ret = root;
    return 0;
}

bool hook_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

const char *hook_header(const struct source_request *req, const char *name,
                        char ret[HOOK_HEADER_SIZE])
{
    struct slice value = headers_only(req->headers, name);
    if (value.len == 0)
        return "";
    if (value.len >= HOOK_HEADER_SIZE || !slice_is_visible(value))
        return NULL;
    memcpy(ret, value.data, value.len);
    ret[value.len] = '\0';
    return ret;
}

const char *hook_join(const char *first, const char *second, char ret[HOOK_NAME_SIZE])
{
    if (first == NULL || second == NULL)
        return NULL;
    if (first[0] == '\0' || second[0] == '\0')
        return "";
    (void) snprintf(ret, HOOK_NAME_SIZE, "%s/%s", first, second);
    return ret;
}

void hook_lower(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char) (*text - 'A' + 'a');
}

void hook_refer(struct report *r, const char *reference)
{
    bool is_digest = reference != NULL && strchr(reference, ':') != NULL;
    r->digest = is_digest ? reference : "";
    r->tag = is_digest ? "" : reference;
}
