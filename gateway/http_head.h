/* http_head.h - our own checks of a request head: a scan that looks at each byte once as it comes,
 * and a parse that decides what the whole head means. (pure) Used by http.c only, and by upgrade.c
 * and deflate_offer.c for tokens. llhttp reads the same head afterwards (http_wall.h). */
#ifndef GATEWAY_HTTP_HEAD_H
#define GATEWAY_HTTP_HEAD_H

#include "http.h"

/* The lexical scan. It keeps counts and a state, no bytes, so where the input was cut cannot make a
 * difference, and the byte that is wrong is refused when it comes: a TLS hello at its first. */
struct head_scan {
    uint8_t state; /* enum scan_state in http_head.c */
    uint8_t version_at, n_fields, skipped;
    uint16_t line, fields; /* bytes of the request line; of the header lines with their CRLF */
};

/* `blank_ok`: one CRLF may come before the request line (RFC 9112 section 2.2: clients that end a
 * body with one). */
void head_scan_init(struct head_scan *s, bool blank_ok);
/* Takes bytes up to and with the last one of the head, or the one that is refused: *ret_used. */
enum refuse head_scan(struct head_scan *s, struct slice in, size_t *ret_used);
bool head_scan_started(const struct head_scan *s); /* a byte of the request line has come */
bool head_scan_done(const struct head_scan *s);

/* What a scanned head (without the skipped CRLF) says; *ret has slices of `raw`. */
enum refuse head_parse(struct slice raw, struct http_head *ret);

bool head_is_tchar(uint8_t c);      /* what tokens are of */
bool head_is_token(struct slice s); /* RFC 9110 section 5.6.2; an empty one is not */
struct slice head_trim(struct slice s);
/* Takes the next element of a comma-separated list off `list`, without white space around it. False
 * at the end; an empty list has one empty element. Start with *more = true. */
bool head_next_element(struct slice *list, bool *more, struct slice *ret);

#endif
