/* event_text.h - events as the gateway sends them, for tests of its clients. */
#ifndef TESTS_UNIT_EVENT_TEXT_H
#define TESTS_UNIT_EVENT_TEXT_H

#define EVENT_ID(n) "crt06h0417av8000000" n
#define EVENT_TEXT(n, type, repository, tag)                                                       \
    "{\"event_metadata\":{\"created_at\":\"2026-11-22T04:50:41.672663264Z\",\"event_id\":"         \
    "\"" EVENT_ID(n) "\",\"event_type\":\"yandex.cloud.events.containerregistry." type             \
                     "\"},\"details\":{\"image_digest\":\"sha256:0123456789abcdef0123\",\"image_"  \
                     "id\":\"crtimage\","                                                          \
                     "\"registry_id\":\"crtreg\",\"repository_name\":\"" repository                \
                     "\",\"tag\":\"" tag "\"}}"
#define EVENT(n) EVENT_TEXT(n, "CreateImage", "crtreg/a/b", "v" n)

#endif
