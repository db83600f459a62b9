/* san.h - the names of a peer in its certificate (subjectAltName, RFC 5280 section 4.2.1.6) and
 * rules about them, both as text: "dns:ci.example", "uri:spiffe://example/ci",
 * "email:ci@example.com". Nothing else in a certificate names anybody: no common name, and nothing
 * of the distinguished name, which can be written in many ways. (pure) Any thread. */
#ifndef BASE_SAN_H
#define BASE_SAN_H

#include "config.h"
#include "slice.h"

#define SAN_MAX      64  /* names of one certificate; the rest count for nothing */
#define SAN_TEXT_MAX 255 /* bytes of one, its kind included; longer ones count for nothing */

enum san_kind { SAN_DNS, SAN_URI, SAN_EMAIL, SAN_KINDS };

/* Of a certificate whose signatures, dates and usage were found good. */
struct san_list {
    uint64_t expires_s; /* Unix time; from then on it counts no more */
    size_t n;
    char **at;
};
struct san_list *san_list_new(uint64_t expires_s); /* never NULL */
void san_list_free(struct san_list *list);         /* NULL is fine */
/* One that cannot be a name is left out: with anything but visible ASCII (a NUL above all), empty,
 * too long, or with a wildcard, which names nobody. */
void san_list_add(struct san_list *list, enum san_kind kind, struct slice name);

/* The first name that one of the rules fits, borrowed; NULL: none, expired, or no list. A rule is a
 * name, byte for byte but for the case of a host's; the first label of a host's may be "*", which
 * is any one label. */
const char *san_match(const struct san_list *list, const struct config_strings *rules,
                      uint64_t now_s);
bool san_is_rule(const char *text);

#endif
