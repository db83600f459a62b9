/* message.h - the messages of the bench. Each has the tag "s<sequence>-t<monotonic ns when sent>",
 * written by the publisher and read from every frame received: what arrives tells by itself which
 * message it is and how old. */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include "util.h"

#define MESSAGE_TAG     "\"tag\":\"s"
#define MESSAGE_TAG_LEN (sizeof(MESSAGE_TAG) - 1)

/* How messages are handed to the server. */
enum message_form {
    FORM_DISTRIBUTION, /* a registry's envelope: the server makes the message out of each event */
    FORM_RAW,          /* each message as it shall go out, behind its length and a newline */
    FORM_SINGLE,       /* each message as it shall go out is the body of a request of its own */
};

struct message_options {
    enum message_form form;
    const char *registry_id, *repository;
    unsigned batch; /* events of a message: the trigger's batch size; 0 is 1 */
    unsigned paths; /* each message is for so many paths, made of events of its own for each; 0: one
                       path, and the repository's name has no number */
    uint64_t run;   /* part of every digest: no run repeats an image of another one */
};

/* How many events a message is made of, for all its paths together. */
static inline unsigned message_parts(const struct message_options *o)
{
    return (o->batch > 0 ? o->batch : 1) * (o->paths > 0 ? o->paths : 1);
}

static inline void message_begin(struct bytes *body, const struct message_options *o)
{
    if (o->form == FORM_DISTRIBUTION)
        bytes_print(body, "{\n   \"events\": [");
}

/* Field for field what Distribution 2.8 sends for the push of a manifest under a tag. All parts of
 * a message have its number in the tag, and are images of their own. */
static inline void message_add_event(struct bytes *body, const struct message_options *o,
                                     uint64_t seq, unsigned part, uint64_t sent_ns, bool first)
{
    unsigned long long s = seq * message_parts(o) + part, t = sent_ns, run = o->run;
    char digest[72], repository[256];
    int n = o->paths == 0 ? snprintf(repository, sizeof(repository), "%s", o->repository)
                          : snprintf(repository, sizeof(repository), "%s-%04u", o->repository,
                                     part % o->paths);
    if (n < 0 || (size_t) n >= sizeof(repository))
        die("the repository's name is too long");
    (void) snprintf(digest, sizeof(digest), "sha256:%016llx%016llx%016llx%016llx",
                    run * 0x9e3779b97f4a7c15u, s * 0xbf58476d1ce4e5b9u, run, s);
    bytes_print(body,
                "%s\n      {\n"
                "         \"id\": \"%08llx-%04llx-4000-8000-%012llx\",\n"
                "         \"timestamp\": \"2026-01-02T03:04:05.678901234Z\",\n"
                "         \"action\": \"push\",\n"
                "         \"target\": {\n"
                "            \"mediaType\": \"application/vnd.oci.image.manifest.v1+json\",\n"
                "            \"size\": 418,\n"
                "            \"digest\": \"%s\",\n"
                "            \"length\": 418,\n"
                "            \"repository\": \"%s\",\n"
                "            \"url\": \"http://127.0.0.1:5000/v2/%s/manifests/%s\",\n"
                "            \"tag\": \"s%llu-t%llu\"\n"
                "         },\n",
                first ? "" : ",", run & 0xffffffff, run >> 32 & 0xffff, s, digest, repository,
                repository, digest, (unsigned long long) seq, t);
    bytes_print(body,
                "         \"request\": {\n"
                "            \"id\": \"%08llx-%04llx-4000-9000-%012llx\",\n"
                "            \"addr\": \"127.0.0.1:48038\",\n"
                "            \"host\": \"127.0.0.1:5000\",\n"
                "            \"method\": \"PUT\",\n"
                "            \"useragent\": \"bench\"\n"
                "         },\n"
                "         \"actor\": {},\n"
                "         \"source\": {\n"
                "            \"addr\": \"bench:5000\",\n"
                "            \"instanceID\": \"00000000-0000-4000-8000-000000000000\"\n"
                "         }\n      }",
                run & 0xffffffff, run >> 32 & 0xffff, s);
}

#define MESSAGE_MAX 2048

/* As long as the message that regcast makes out of the event above, and of the same shape. Returns
 * its length. */
static inline size_t message_write(char json[MESSAGE_MAX], const struct message_options *o,
                                   uint64_t seq, uint64_t sent_ns)
{
    unsigned long long s = seq, t = sent_ns, run = o->run;
    int n = snprintf(
        json, MESSAGE_MAX,
        "{\"messages\":[{\"event_metadata\":{\"cloud_id\":\"b1gcloud000000000001\","
        "\"created_at\":\"2026-01-02T03:04:05.678901234Z\",\"event_id\":\"crt%017llx\","
        "\"event_type\":\"yandex.cloud.events.containerregistry.CreateImage\","
        "\"folder_id\":\"b1gfolder00000000001\","
        "\"tracing_context\":{\"parent_span_id\":\"\",\"span_id\":\"\",\"trace_id\":\"\"}},"
        "\"details\":{\"image_digest\":\"sha256:%016llx%016llx%016llx%016llx\","
        "\"image_id\":\"crt%017llx\",\"registry_id\":\"%s\",\"repository_name\":\"%s/"
        "%s\"," MESSAGE_TAG "%llu-t%llu\"}}]}",
        s, run * 0x9e3779b97f4a7c15u, s * 0xbf58476d1ce4e5b9u, run, s, s, o->registry_id,
        o->registry_id, o->repository, s, t);
    if (n < 0 || (size_t) n >= MESSAGE_MAX)
        die("the repository's name is too long");
    return (size_t) n;
}

static inline void message_add_raw(struct bytes *body, const struct message_options *o,
                                   uint64_t seq, uint64_t sent_ns)
{
    char json[MESSAGE_MAX];
    size_t n = message_write(json, o, seq, sent_ns);
    bytes_print(body, "%zu\n", n);
    bytes_add(body, json, n);
}

static inline void message_add(struct bytes *body, const struct message_options *o, uint64_t seq,
                               uint64_t sent_ns, bool first)
{
    if (o->form == FORM_DISTRIBUTION)
        for (unsigned part = 0; part < message_parts(o); part++)
            message_add_event(body, o, seq, part, sent_ns, first && part == 0);
    else
        message_add_raw(body, o, seq, sent_ns);
}

static inline void message_end(struct bytes *body, const struct message_options *o)
{
    if (o->form == FORM_DISTRIBUTION)
        bytes_print(body, "\n   ]\n}\n");
}

static inline const char *message_content_type(const struct message_options *o)
{
    return o->form == FORM_DISTRIBUTION ? "application/vnd.docker.distribution.events.v1+json"
                                        : "application/octet-stream";
}

/* Reads the tag of a message. `hint` keeps where the last one's was: one comparison instead of a
 * search of 600 bytes, without which the client would be slower than the server it measures. */
static inline bool message_find(const uint8_t *p, size_t n, size_t *hint, uint64_t *ret_seq,
                                uint64_t *ret_sent_ns)
{
    const uint8_t *end = p + n, *tag = p + *hint;
    if (*hint + MESSAGE_TAG_LEN > n || memcmp(tag, MESSAGE_TAG, MESSAGE_TAG_LEN) != 0) {
        tag = memmem(p, n, MESSAGE_TAG, MESSAGE_TAG_LEN);
        if (tag == NULL)
            return false;
        *hint = (size_t) (tag - p);
    }
    uint64_t seq = 0, sent = 0;
    for (tag += MESSAGE_TAG_LEN; tag < end && *tag >= '0' && *tag <= '9'; tag++)
        seq = seq * 10 + (uint64_t) (*tag - '0');
    if (end - tag < 2 || tag[0] != '-' || tag[1] != 't')
        return false;
    for (tag += 2; tag < end && *tag >= '0' && *tag <= '9'; tag++)
        sent = sent * 10 + (uint64_t) (*tag - '0');
    if (tag == end || *tag != '"' || seq == 0)
        return false;
    *ret_seq = seq;
    *ret_sent_ns = sent;
    return true;
}

/* Whether the message, in which message_find() has found the tag at `hint`, was meant for `path`:
 * the number at the end of the repository's name, which stands in front of the tag. */
static inline bool message_is_for(const uint8_t *p, size_t hint, unsigned path)
{
    char digits[8];
    (void) snprintf(digits, sizeof(digits), "%04u", path % 10000);
    return hint >= 6 && memcmp(p + hint - 6, digits, 4) == 0;
}

/* How many events a message holds. */
static inline unsigned message_events(const uint8_t *p, size_t n)
{
    unsigned events = 0;
    const uint8_t *end = p + n;
    for (; (p = memmem(p, (size_t) (end - p), MESSAGE_TAG, MESSAGE_TAG_LEN)) != NULL; p++)
        events++;
    return events;
}

#endif
