/* Records: whatever bytes are read as an event, a note or a letter are the very bytes that it is
 * written as. */
#include "mem.h"
#include "record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads one record of any kind and writes it again. False when there is none. */
static bool again(struct slice *in, struct buf *out)
{
    struct event *e;
    struct catalog_note n;
    struct record_letter l;
    int r;
    if (record_next_event(in, &e) == 0) {
        ASSERT(strlen(e->id) == ID_LEN && e->refs == 1 && e->seq == 0);
        r = record_put_event(out, e);
        event_unref(e);
    } else if (record_next_note(in, &n) == 0) {
        r = record_put_note(out, &n);
    } else if (record_next_letter(in, &l) == 0) {
        r = record_put_letter(out, &l);
    } else {
        return false;
    }
    ASSERT(r == 0);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly its size: the sanitizer sees each byte read past the end. */
    uint8_t *copy = xmalloc(size);
    if (size > 0)
        memcpy(copy, data, size);
    struct slice in = slice_of(copy, size);
    struct buf out;
    buf_init(&out, size + 1);
    while (again(&in, &out))
        ASSERT(in.data == copy + out.len && in.len == size - out.len);
    ASSERT(out.len == 0 || memcmp(out.data, copy, out.len) == 0);
    (void) record_checksum(1, size, in); /* reads to the end */
    buf_fini(&out);
    free(copy);
    return 0;
}
