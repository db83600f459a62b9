/* cloudevents.c - CloudEvents 1.0 that carry the four events we send ourselves, so that a gateway,
 * or whatever else can send CloudEvents, may stand in front of this one.
 *
 *   type    yandex.cloud.events.containerregistry.CreateImage, .CreateImageTag, .DeleteImage or
 *           .DeleteImageTag; other types are ignored
 *   source  and `id` together are what the event is known by: one that comes again is dropped
 *   time    when it has happened, RFC 3339; left out, `created_at` of a whole message counts
 *   data    the object `details` of our message: repository_name (bare, or after registry_id and a
 *           slash), image_digest, tag, registry_id; what is not known is "" or left out. Or the
 *           whole message, {"event_metadata":{...},"details":{...}}, where `type` above counts.
 *   actor   an extension, who did it; structured and batched only */
#include "source.h"
#include "source/cloud_event.h"
#include "source/own_event.h"
#include "source/payload.h"

static const char *detect(const struct source_request *req)
{
    return cloud_event_known_by(req);
}

static void read_event(const struct cloud_event *e, const struct source_sink *sink)
{
    char id[FIELD_ID_MAX + 1];
    const struct cJSON *inside = payload_at(e->data, "/details");
    const char *created_at = payload_text(e->data, "/event_metadata/created_at");
    own_event_read(&(struct own_event){.type = e->type,
                                       .id = cloud_event_sender_id(e, id),
                                       .time = e->time[0] != '\0' ? e->time : created_at,
                                       .actor = payload_text(e->attributes, "/actor"),
                                       .details = inside != NULL ? inside : e->data,
                                       .excerpt = e->excerpt},
                   sink);
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    return cloud_event_each(req, read_event, sink, ret_why);
}

const struct source SOURCE_CLOUDEVENTS = {
    .kind = "cloudevents",
    .before = CLOUD_EVENT_BEFORE,
    .after = CLOUD_EVENT_AFTER,
    .detect = detect,
    .adapt = adapt,
};
