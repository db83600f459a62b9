/* github.c - GitHub Container Registry: the events "package" (of repositories and organisations)
 * and "registry_package" (of GitHub Apps), whose bodies differ in one member's name.
 *
 * There is no event for a delete. Of several tags pushed at once one is told. The times in a
 * package_version say when its manifest first came, not when a tag was put on it, and are often
 * those of the year 1: an event counts from when it arrives. */
#include "source.h"
#include "source/hook.h"
#include "source/payload.h"
#include "source/reference.h"

#include <cjson/cJSON.h>
#include <strings.h>

#define EVENT    "X-GitHub-Event"
#define DELIVERY "X-GitHub-Delivery" /* the same when somebody has it delivered again */

static const char *detect(const struct source_request *req)
{
    return headers_only(req->headers, EVENT).len > 0 ? "header " EVENT : NULL;
}

/* NULL for packages, and when the header is not there: the body then says what it is. */
static const char *other_event(const struct source_request *req)
{
    char text[HOOK_HEADER_SIZE];
    const char *event = hook_header(req, EVENT, text);
    if (event == NULL)
        return "other_event";
    if (strcmp(event, "ping") == 0)
        return "ping";
    bool fits =
        event[0] == '\0' || strcmp(event, "package") == 0 || strcmp(event, "registry_package") == 0;
    return fits ? NULL : "other_event";
}

/* --- what the package is called --- */

/* As in package_url, "ghcr.io/OWNER/NAME:TAG", where the tag, but not its colon, may be missing; or
 * put together, where there is no such url. The owner is as people write it, but images are pulled
 * in small letters. */
static const char *name_of(const struct cJSON *package, struct reference *url,
                           char parts[HOOK_NAME_SIZE])
{
    const char *text = payload_text(package, "/package_version/package_url");
    if (text != NULL && reference_split(text, url)) {
        hook_lower(url->text);
        bool has_host = url->repository != url->text;
        if (has_host && field_repository(url->repository))
            return url->repository;
    }
    const char *owner = payload_text(package, "/namespace");
    const char *name = hook_join(owner, payload_text(package, "/name"), parts);
    if (name == parts)
        hook_lower(parts);
    return name;
}

/* --- one event --- */

/* "CONTAINER", once "docker": of the other types (npm, maven, ...) nobody pulls images. */
static bool is_container(const struct cJSON *package)
{
    const char *type = payload_text(package, "/package_type");
    if (!hook_given(type))
        type = payload_text(package, "/ecosystem");
    return type != NULL && (strcasecmp(type, "container") == 0 || strcasecmp(type, "docker") == 0);
}

/* The manifest's; a version without it is called by its digest. "" when neither says it. */
static const char *digest_of(const struct cJSON *package)
{
    const char *digest =
        payload_text(package, "/package_version/container_metadata/manifest/digest");
    if (digest == NULL || digest[0] != '\0')
        return digest;
    const char *name = payload_text(package, "/package_version/name");
    return name != NULL && field_digest(name) ? name : "";
}

static void read_package(const struct source_request *req, const struct cJSON *root,
                         const struct cJSON *package, const struct source_sink *sink)
{
    struct reference url;
    char parts[HOOK_NAME_SIZE], delivery[HOOK_HEADER_SIZE];
    const char *action = payload_text(root, "/action");
    if (!hook_given(action)) {
        sink->set_aside(sink->ctx, "action", req->body);
        return;
    }
    if (strcmp(action, "published") != 0 && strcmp(action, "updated") != 0) {
        sink->ignored(sink->ctx, "unknown_action");
        return;
    }
    if (!is_container(package)) {
        sink->ignored(sink->ctx, "not_a_container");
        return;
    }
    const struct report r = {
        .kind = CHANGE_PUSH,
        .repository = name_of(package, &url, parts),
        .digest = digest_of(package),
        .tag = payload_text(package, "/package_version/container_metadata/tag/name"),
        .id = hook_header(req, DELIVERY, delivery),
        .request_id = "",
        .actor = payload_text(root, "/sender/login"),
        .time = ""};
    report(&r, sink, req->body);
}

static const struct cJSON *package_of(const struct cJSON *root)
{
    const struct cJSON *package = payload_at(root, "/registry_package");
    return package != NULL ? package : payload_at(root, "/package");
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    const char *other = other_event(req);
    if (other != NULL) { /* unread: those of a busy repository may be longer than any of ours */
        sink->ignored(sink->ctx, other);
        return 0;
    }
    struct cJSON *root;
    int r = hook_open(req, &root, ret_why);
    if (r < 0)
        return r;
    const struct cJSON *package = package_of(root);
    if (cJSON_IsObject(package)) {
        read_package(req, root, package, sink);
    } else {
        *ret_why = "no_package";
        r = -EBADMSG;
    }
    payload_close(root);
    return r;
}

const struct source SOURCE_GITHUB = {
    .kind = "github",
    .before = "",
    .after = "",
    .detect = detect,
    .adapt = adapt,
};
