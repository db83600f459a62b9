/* nats_info.c - what a server says of itself, and what it is told about us. */
#include "nats_info.h"

#include "json.h"
#include "mem.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

/* --- INFO --- */

static void copy_text(const cJSON *json, const char *key, char *ret, size_t size)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
    (void) snprintf(ret, size, "%s", text == NULL ? "" : text);
}

static bool is_true(const cJSON *json, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static void read_named(const cJSON *json, struct nats_info *ret)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "connect_urls"))
    {
        if (ret->n_named == NATS_MAX_SERVERS)
            return;
        if (cJSON_IsString(item))
            ret->named[ret->n_named++] = xstrdup(item->valuestring);
    }
}

int nats_info_read(struct slice text, struct nats_info *ret)
{
    const char *why;
    if (json_check(text, &why) < 0)
        return -EBADMSG;
    cJSON *json = cJSON_ParseWithLength((const char *) text.data, text.len);
    const cJSON *max = cJSON_GetObjectItemCaseSensitive(json, "max_payload");
    if (!cJSON_IsNumber(max) || max->valuedouble < 1 || !is_true(json, "headers")) {
        cJSON_Delete(json);
        return -EBADMSG;
    }
    *ret = (struct nats_info){
        .server.max_payload = max->valuedouble < 4e9 ? (uint64_t) max->valuedouble : UINT32_MAX,
        .server.jetstream = is_true(json, "jetstream"),
        .lame_duck = is_true(json, "ldm"),
        .tls_required = is_true(json, "tls_required"),
        .tls_available = is_true(json, "tls_available"),
    };
    copy_text(json, "version", ret->server.version, sizeof(ret->server.version));
    copy_text(json, "server_name", ret->server.name, sizeof(ret->server.name));
    copy_text(json, "cluster", ret->server.cluster, sizeof(ret->server.cluster));
    read_named(json, ret);
    cJSON_Delete(json);
    return 0;
}

void nats_info_fini(struct nats_info *info)
{
    for (size_t i = 0; i < info->n_named; i++)
        free(info->named[i]);
    *info = (struct nats_info){0};
}

/* --- CONNECT --- */

static int add_text(struct buf *out, const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return 0;
    int r = buf_printf(out, ",\"%s\":", key);
    return r < 0 ? r : json_append_string(out, slice_str(value));
}

int nats_info_connect(struct buf *out, const struct nats_login *login)
{
    int r = buf_printf(out,
                       "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,"
                       "\"no_responders\":true,\"echo\":true,\"protocol\":1,\"lang\":\"c\","
                       "\"version\":\"0.1.0\",\"tls_required\":%s",
                       login->tls ? "true" : "false");
    if (r == 0)
        r = add_text(out, "name", login->name);
    if (r == 0)
        r = add_text(out, "user", login->user);
    if (r == 0)
        r = add_text(out, "pass", login->password);
    if (r == 0)
        r = add_text(out, "auth_token", login->token);
    return r < 0 ? r : buf_append_str(out, "}\r\n");
}
