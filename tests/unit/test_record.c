/* Records: round trips, and what is damaged is refused or read as something well-formed. */
#include "mem.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "crt0f8a1b2c3d4e5f6g7"

/* Any of the three; false when `in` begins with none. */
static bool read_any(struct slice *in, size_t *ret_text)
{
    struct event *e;
    struct catalog_note n;
    struct record_letter l;
    const struct slice before = *in;
    if (record_next_event(in, &e) == 0) {
        *ret_text = strlen(e->registry_id) + strlen(e->repository) + strlen(e->digest) +
                    strlen(e->tag) + strlen(e->actor) + e->json.len;
        assert_true(e->type < EVENT_N_TYPES);
        assert_int_equal(strlen(e->id), ID_LEN);
        event_unref(e);
    } else if (record_next_note(in, &n) == 0) {
        assert_true(n.kind <= NOTE_TOMBSTONE_GONE);
        *ret_text = 0;
        if (n.registry_id != NULL)
            *ret_text = strlen(n.registry_id) + strlen(n.repository) + strlen(n.digest);
        if (n.name != NULL)
            *ret_text += strlen(n.name);
    } else if (record_next_letter(in, &l) == 0) {
        *ret_text = strlen(l.registry_id) + strlen(l.reason) + l.body.len + l.headers.len;
    } else {
        assert_ptr_equal(in->data, before.data);
        assert_int_equal(in->len, before.len);
        return false;
    }
    assert_true(*ret_text < before.len);
    return true;
}

/* Cut anywhere and changed anywhere, in memory of exactly that size. */
static void damage(struct slice whole)
{
    size_t text;
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *copy = xmalloc(len);
        memcpy(copy, whole.data, len);
        struct slice in = slice_of(copy, len);
        assert_false(read_any(&in, &text));
        free(copy);
    }
    uint8_t *copy = xmalloc(whole.len);
    memcpy(copy, whole.data, whole.len);
    for (size_t i = 0; i < whole.len; i++) {
        for (unsigned value = 0; value < 256; value++) {
            copy[i] = (uint8_t) value;
            struct slice in = slice_of(copy, whole.len);
            if (read_any(&in, &text))
                assert_true(in.data > copy && in.data + in.len == copy + whole.len);
            else
                assert_int_not_equal(value, whole.data[i]);
        }
        copy[i] = whole.data[i];
    }
    free(copy);
}

static void test_event(void **state)
{
    (void) state;
    static const struct {
        const char *name, *registry_id, *repository, *digest, *tag, *json, *actor;
    } CASES[] = {
        {"usual", "crt1", "team/app", "sha256:1", "v1", "{\"a\":1}", ""},
        {"nothing", "", "", "", "", "", ""},
        {"some", "", "r", "", "t", "{}", ""},
        {"not ASCII", "crt1", "\xd0\xba", "d", "\xd1\x82", "{\"\xf0\x9f\x90\xb3\":\"\"}", ""},
        {"an actor", "crt1", "team/app", "sha256:1", "", "{}", "robot$ci"},
        {"an actor alone", "", "", "", "", "", "\xd0\xba"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct buf out;
        buf_init(&out, 1 << 16);
        for (unsigned type = 0; type < EVENT_N_TYPES; type++) {
            struct event *e = event_restore((enum event_type) type, ID, CASES[i].registry_id,
                                            CASES[i].repository, CASES[i].digest, CASES[i].tag,
                                            CASES[i].actor, slice_str(CASES[i].json));
            e->seq = 7;
            assert_int_equal(record_put_event(&out, e), 0);
            event_unref(e);
        }
        struct slice in = buf_slice(&out);
        for (unsigned type = 0; type < EVENT_N_TYPES; type++) {
            struct event *e;
            assert_int_equal(record_next_event(&in, &e), 0);
            assert_int_equal(e->type, type);
            assert_int_equal(e->seq, 0);
            assert_int_equal(e->refs, 1);
            assert_string_equal(e->id, ID);
            assert_string_equal(e->registry_id, CASES[i].registry_id);
            assert_string_equal(e->repository, CASES[i].repository);
            assert_string_equal(e->digest, CASES[i].digest);
            assert_string_equal(e->tag, CASES[i].tag);
            assert_true(slice_eq_str(e->json, CASES[i].json));
            assert_string_equal(e->actor, CASES[i].actor);
            event_unref(e);
        }
        assert_int_equal(in.len, 0);
        damage(slice_sub(buf_slice(&out), 0, out.len / EVENT_N_TYPES));
        buf_fini(&out);
    }
}

static void test_large_event(void **state)
{
    (void) state;
    enum { LEN = 128 * 1024 };
    uint8_t *json = xmalloc(LEN);
    memset(json, 'x', LEN);
    json[5] = 0; /* bytes are bytes */
    struct event *e = event_restore(EVENT_DELETE_IMAGE, ID, "a", "b", "c", "d", "",
                                    slice_of(json, LEN)),
                 *back;
    struct buf out;
    buf_init(&out, LEN + 100);
    assert_int_equal(record_put_event(&out, e), 0);
    size_t len = out.len;
    assert_int_equal(record_put_event(&out, e), -EMSGSIZE);
    assert_int_equal(out.len, len);
    struct slice in = buf_slice(&out);
    assert_int_equal(record_next_event(&in, &back), 0);
    assert_int_equal(in.len, 0);
    assert_true(slice_eq(back->json, slice_of(json, LEN)));
    event_unref(back);
    event_unref(e);
    buf_fini(&out);
    free(json);
}

/* As they lie in stores from before events had an actor; and there is one way to say that nobody is
 * known. */
static void test_events_of_old(void **state)
{
    (void) state;
    static const uint8_t OLD[] = "E\2\0\0\0\0\0\0\0\0\0\0\0" /* kind, type, packed id */
                                 "\1\0\0\0r\0"
                                 "\1\0\0\0a\0"
                                 "\1\0\0\0d\0"
                                 "\1\0\0\0t\0"
                                 "\2\0\0\0{}\0\0\0\0\0"; /* and an actor's empty field */
    struct slice in = slice_of(OLD, sizeof(OLD) - 5);
    struct event *e;
    assert_int_equal(record_next_event(&in, &e), 0);
    assert_int_equal(in.len, 0);
    assert_int_equal(e->type, EVENT_CREATE_IMAGE_TAG);
    assert_string_equal(e->tag, "t");
    assert_string_equal(e->actor, "");
    assert_true(slice_eq_str(e->json, "{}"));
    event_unref(e);
    uint8_t new[sizeof(OLD)];
    memcpy(new, OLD, sizeof(OLD));
    new[0] = 'A';
    in = slice_of(new, sizeof(new));
    assert_int_equal(record_next_event(&in, &e), -EBADMSG);
}

static void test_bad_event_id(void **state)
{
    (void) state;
    struct event *e = event_restore(EVENT_CREATE_IMAGE, "crt0f8a1b2c3d4e5f6gz", "", "", "", "", "",
                                    SLICE_LIT("{}"));
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(record_put_event(&out, e), -EINVAL);
    assert_int_equal(out.len, 0);
    event_unref(e);
    buf_fini(&out);
}

static void test_notes(void **state)
{
    (void) state;
    static const struct catalog_note NOTES[] = {
        {NOTE_IMAGE, 1, 0, "crt1", "r", "d1", NULL, 1700000000123456789, 0, false},
        {NOTE_IMAGE, UINT64_MAX, 0, "", "", "", NULL, 0, 0, false},
        {NOTE_IMAGE_TIME, 1, 0, "crt1", "r", "d1", NULL, UINT64_MAX, 0, false},
        {NOTE_TAG, 2, 1, NULL, NULL, NULL, "v1", 1, 0, false},
        {NOTE_TAG, 0x0102030405060708, UINT64_MAX, NULL, NULL, NULL, "", 0, 0, false},
        {NOTE_TAG_TIME, 2, 1, NULL, NULL, NULL, "v1", 2, 0, false},
        {NOTE_TOMBSTONE, 3, 0, "crt1", "r", "d1", "v1", 5, 6, false},
        {NOTE_TOMBSTONE, 4, 0, "crt1", "r", "", "v1", UINT64_MAX, UINT64_MAX, true},
        {.kind = NOTE_TAG_GONE, .id = 2},
        {.kind = NOTE_IMAGE_GONE, .id = 1},
        {.kind = NOTE_TOMBSTONE_GONE, .id = 3},
    };
    struct buf out, one;
    buf_init(&out, 4096);
    buf_init(&one, 4096);
    for (size_t i = 0; i < ARRAY_LEN(NOTES); i++) {
        assert_int_equal(record_put_note(&out, &NOTES[i]), 0);
        buf_clear(&one);
        assert_int_equal(record_put_note(&one, &NOTES[i]), 0);
        damage(buf_slice(&one));
    }
    struct slice in = buf_slice(&out);
    for (size_t i = 0; i < ARRAY_LEN(NOTES); i++) {
        struct catalog_note n;
        const struct catalog_note *want = &NOTES[i];
        assert_int_equal(record_next_note(&in, &n), 0);
        assert_int_equal(n.kind, want->kind);
        assert_int_equal(n.id, want->id);
        assert_int_equal(n.image_id, want->image_id);
        assert_true(n.at_ns == want->at_ns && n.made_ms == want->made_ms);
        assert_true(n.pushed == want->pushed);
        if (want->registry_id != NULL) {
            assert_string_equal(n.registry_id, want->registry_id);
            assert_string_equal(n.repository, want->repository);
            assert_string_equal(n.digest, want->digest);
        } else {
            assert_null(n.registry_id);
        }
        if (want->name != NULL)
            assert_string_equal(n.name, want->name);
        else
            assert_null(n.name);
    }
    struct catalog_note n;
    assert_int_equal(in.len, 0);
    assert_int_equal(record_next_note(&in, &n), -EBADMSG);
    buf_fini(&out);
    buf_fini(&one);
}

static void test_letter(void **state)
{
    (void) state;
    static const struct record_letter LETTERS[] = {
        {.wall_ms = 1599477000123, .registry_id = "crt1", .reason = "no digest"},
        {.wall_ms = 0, .registry_id = "", .reason = ""},
    };
    static const uint8_t BODY[] = {'{', 0, 0xff, '}'};
    for (size_t i = 0; i < ARRAY_LEN(LETTERS); i++) {
        struct record_letter l = LETTERS[i], back;
        struct buf out;
        buf_init(&out, 4096);
        if (i == 0) {
            l.body = slice_of(BODY, sizeof(BODY));
            l.headers = SLICE_LIT("X-A: 1\r\nX-B: 2\r\n");
        }
        assert_int_equal(record_put_letter(&out, &l), 0);
        damage(buf_slice(&out));
        struct slice in = buf_slice(&out);
        assert_int_equal(record_next_letter(&in, &back), 0);
        assert_int_equal(in.len, 0);
        assert_int_equal(back.wall_ms, l.wall_ms);
        assert_string_equal(back.registry_id, l.registry_id);
        assert_string_equal(back.reason, l.reason);
        assert_true(slice_eq(back.body, l.body));
        assert_true(slice_eq(back.headers, l.headers));
        buf_fini(&out);
    }
}

static void test_too_many_headers(void **state)
{
    (void) state;
    enum { LENGTH_AT = 1 + 8 + 5 + 5 + 5 }; /* of the headers */
    uint8_t headers[RECORD_HEADERS_MAX];
    memset(headers, 'h', sizeof(headers));
    struct record_letter l = {.registry_id = "", .reason = "", .headers = slice_of(headers, 4096)};
    struct buf out;
    buf_init(&out, 8192);
    assert_int_equal(record_put_letter(&out, &l), 0);
    assert_int_equal(buf_append(&out, SLICE_LIT("\0")), 0);
    struct slice in = buf_slice(&out);
    assert_int_equal(record_next_letter(&in, &l), 0);
    assert_int_equal(l.headers.len, RECORD_HEADERS_MAX);
    out.data[LENGTH_AT]++;
    out.data[out.len - 2] = 'h';
    in = buf_slice(&out);
    assert_int_equal(record_next_letter(&in, &l), -EBADMSG);
    buf_fini(&out);
}

/* No room and no memory: nothing is written. */
static void test_no_room(void **state)
{
    (void) state;
    const struct catalog_note n = {.kind = NOTE_TAG, .id = 1, .image_id = 2, .name = "0123456789"};
    struct buf out;
    buf_init(&out, 30);
    assert_int_equal(record_put_note(&out, &n), -EMSGSIZE);
    buf_fini(&out);
    buf_init(&out, 4096);
    mem_fail_at(1);
    assert_int_equal(record_put_note(&out, &n), -ENOMEM);
    mem_fail_at(0);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void test_nul_in_text(void **state)
{
    (void) state;
    static const uint8_t TAG[] = "N\1\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0a\0c";
    struct slice in = slice_of(TAG, sizeof(TAG));
    struct catalog_note n;
    assert_int_equal(record_next_note(&in, &n), -EBADMSG);
    uint8_t fixed[sizeof(TAG)];
    memcpy(fixed, TAG, sizeof(TAG));
    fixed[sizeof(TAG) - 3] = 'b';
    in = slice_of(fixed, sizeof(fixed));
    assert_int_equal(record_next_note(&in, &n), 0);
    assert_string_equal(n.name, "abc");
}

static void test_checksum(void **state)
{
    (void) state;
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t) (i * 7);
    const struct slice s = slice_of(bytes, sizeof(bytes)), none = {NULL, 0};
    uint32_t sum = record_checksum(1, 2, s);
    assert_int_equal(record_checksum(1, 2, s), sum);
    assert_int_not_equal(record_checksum(2, 1, s), sum);
    assert_int_not_equal(record_checksum(1, 3, s), sum);
    assert_int_not_equal(record_checksum(1, 2, slice_sub(s, 0, 63)), sum);
    assert_int_not_equal(record_checksum(1, 2, none), record_checksum(1, 3, none));
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) { /* a CRC finds each changed bit */
        bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
        assert_int_not_equal(record_checksum(1, 2, s), sum);
        bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }
    /* On disk, so it must stay what it is: CRC-32 (ISO-HDLC) of "0123456789abcdef". */
    assert_int_equal(record_checksum(0x3736353433323130, 0x6665646362613938, SLICE_LIT("")),
                     0x68c4f033);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event),         cmocka_unit_test(test_large_event),
        cmocka_unit_test(test_events_of_old), cmocka_unit_test(test_too_many_headers),
        cmocka_unit_test(test_bad_event_id),  cmocka_unit_test(test_notes),
        cmocka_unit_test(test_letter),        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_nul_in_text),   cmocka_unit_test(test_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
