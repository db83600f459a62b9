/* deflate_offer.c - see deflate_offer.h. One pass over the lines, nothing is copied but the value
 * of a parameter as far as it can be a number of bits. */
#include "deflate_offer.h"

#include "http_head.h"

#define BITS_MIN 8 /* RFC 7692 section 7.1.2 */
#define BITS_MAX 15

/* In the order of NAMES; an offer notes which it has seen. */
enum parameter { SERVER_NO_TAKEOVER, CLIENT_NO_TAKEOVER, SERVER_BITS, CLIENT_BITS, N_PARAMETERS };

static const char *const NAMES[N_PARAMETERS] = {
    [SERVER_NO_TAKEOVER] = "server_no_context_takeover",
    [CLIENT_NO_TAKEOVER] = "client_no_context_takeover",
    [SERVER_BITS] = "server_max_window_bits",
    [CLIENT_BITS] = "client_max_window_bits",
};

/* A value without its quotes and backslashes. */
struct value {
    bool given;
    size_t len;
    uint8_t start[2];
};

struct offer {
    unsigned n_parameters;
    bool declined;
    bool seen[N_PARAMETERS];
    struct deflate_terms terms;
};

static bool take_char(struct slice *in, uint8_t c)
{
    if (in->len == 0 || in->data[0] != c)
        return false;
    *in = head_trim(slice_from(*in, 1));
    return true;
}

static bool take_token(struct slice *in, struct slice *ret)
{
    size_t len = 0;
    while (len < in->len && head_is_tchar(in->data[len]))
        len++;
    *ret = slice_sub(*in, 0, len);
    *in = head_trim(slice_from(*in, len));
    return len > 0;
}

/* A token, or a quoted string whose content is one. */
static bool take_value(struct slice *in, struct value *ret)
{
    bool quoted = in->len > 0 && in->data[0] == '"';
    size_t i = quoted ? 1 : 0;
    for (; i < in->len; i++) {
        bool escaped = quoted && in->data[i] == '\\' && i + 1 < in->len;
        uint8_t c = in->data[escaped ? ++i : i];
        if (!head_is_tchar(c)) {
            if (escaped)
                return false;
            break;
        }
        if (ret->len < sizeof(ret->start))
            ret->start[ret->len] = c;
        ret->len++;
    }
    *in = slice_from(*in, i);
    ret->given = true;
    if (quoted && !take_char(in, '"'))
        return false;
    *in = head_trim(*in);
    return ret->len > 0;
}

/* 8 to 15 in decimal, without a leading zero; 0: it is not. */
static uint8_t bits_of(const struct value *v)
{
    if (v->len == 1 && (v->start[0] == '8' || v->start[0] == '9'))
        return (uint8_t) (v->start[0] - '0');
    if (v->len == 2 && v->start[0] == '1' && v->start[1] >= '0' && v->start[1] <= '5')
        return (uint8_t) (10 + v->start[1] - '0');
    return 0;
}

/* False: the offer cannot be met. */
static bool accept_parameter(struct offer *o, struct slice name, const struct value *v)
{
    size_t which = 0;
    while (which < N_PARAMETERS && !slice_eq_str(name, NAMES[which]))
        which++;
    if (which == N_PARAMETERS || o->seen[which])
        return false;
    o->seen[which] = true;
    uint8_t bits = bits_of(v);
    if (which == SERVER_BITS) {
        o->terms.server_bits = true;
        return bits == DEFLATE_SERVER_BITS;
    }
    if (which == CLIENT_BITS) {
        bool less = bits != 0 && bits < DEFLATE_CLIENT_BITS;
        o->terms.client_bits = less ? bits : DEFLATE_CLIENT_BITS;
        return !v->given || bits != 0;
    }
    return !v->given; /* we do both anyway, asked or not */
}

/* One offer up to the comma behind it, or the end. False: that is not the grammar. */
static bool take_offer(struct slice *in, struct offer *ret)
{
    struct slice name;
    if (!take_token(in, &name))
        return false;
    ret->declined = !slice_eq_str(name, "permessage-deflate");
    while (take_char(in, ';')) {
        struct value value = {0};
        if (ret->n_parameters++ == DEFLATE_MAX_PARAMETERS || !take_token(in, &name))
            return false;
        if (take_char(in, '=') && !take_value(in, &value))
            return false;
        if (!ret->declined && !accept_parameter(ret, name, &value))
            ret->declined = true;
    }
    ret->terms.agreed = !ret->declined;
    return true;
}

/* Empty elements are passed over (RFC 9110 section 5.6.1.2) and count as offers. */
static bool take_line(struct slice in, unsigned *n_offers, struct deflate_terms *chosen)
{
    do {
        struct offer offer = {0};
        if ((*n_offers)++ == DEFLATE_MAX_OFFERS)
            return false;
        bool empty = in.len == 0 || in.data[0] == ',';
        if (!empty && !take_offer(&in, &offer))
            return false;
        if (!chosen->agreed && offer.terms.agreed)
            *chosen = offer.terms;
    } while (take_char(&in, ','));
    return in.len == 0;
}

struct deflate_terms deflate_offer_choose(const struct http_head *head)
{
    struct deflate_terms chosen = {0};
    unsigned n_offers = 0;
    for (size_t i = 0; i < head->n_headers; i++) {
        const struct header *h = &head->headers[i];
        if (slice_eq_nocase(h->name, SLICE_LIT("Sec-WebSocket-Extensions")) &&
            !take_line(head_trim(h->value), &n_offers, &chosen))
            return (struct deflate_terms){0};
    }
    return chosen;
}

int deflate_offer_answer(struct buf *out, const struct deflate_terms *terms)
{
    size_t before = out->len;
    int r = buf_append_str(out, "Sec-WebSocket-Extensions: permessage-deflate; "
                                "server_no_context_takeover; client_no_context_takeover");
    if (r == 0 && terms->server_bits)
        r = buf_printf(out, "; server_max_window_bits=%u", DEFLATE_SERVER_BITS);
    if (r == 0 && terms->client_bits != 0)
        r = buf_printf(out, "; client_max_window_bits=%u", terms->client_bits);
    if (r == 0)
        r = buf_append_str(out, "\r\n");
    if (r < 0)
        out->len = before;
    return r;
}
