/* What management reads back from clients and from disk: filters, page tokens, stored triggers and
 * operations. The first byte says which; what is accepted is printed and read again the same. */
#include "list_filter.h"
#include "mem.h"
#include "operation.h"
#include "page_token.h"
#include "trigger_spec.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_filter(const char *text)
{
    struct list_filter f, again;
    char printed[LIST_FILTER_NAME_SIZE + 10];
    if (!list_filter_parse(text, &f))
        return;
    ASSERT(strlen(f.name) < sizeof(f.name));
    if (f.name[0] == '\0' || strchr(f.name, '"') != NULL)
        return;
    (void) snprintf(printed, sizeof(printed), "name=\"%s\"", f.name);
    ASSERT(list_filter_parse(printed, &again) && strcmp(f.name, again.name) == 0);
}

static void try_token(const char *text)
{
    struct page_place place;
    char printed[PAGE_TOKEN_SIZE];
    if (!page_token_read(text, SLICE_LIT("list"), &place))
        return;
    page_token_print(&place, SLICE_LIT("list"), printed);
    ASSERT(strcmp(printed, text) == 0);
}

static void try_spec(struct slice packed)
{
    struct trigger_spec t, again, copy;
    struct buf out, out_again;
    if (trigger_spec_unpack(packed, &t) < 0)
        return;
    buf_init(&out, packed.len + 1000);
    buf_init(&out_again, packed.len + 1000);
    ASSERT(trigger_spec_pack(&t, &out) == 0);
    ASSERT(trigger_spec_unpack(buf_slice(&out), &again) == 0);
    trigger_spec_copy(&again, &copy);
    ASSERT(trigger_spec_pack(&copy, &out_again) == 0);
    ASSERT(slice_eq(buf_slice(&out), buf_slice(&out_again)));
    trigger_spec_fini(&copy);
    trigger_spec_fini(&again);
    trigger_spec_fini(&t);
    buf_fini(&out);
    buf_fini(&out_again);
}

static void try_operation(struct slice packed)
{
    struct operation o, again;
    struct buf out;
    if (operation_unpack(packed, &o) < 0)
        return;
    ASSERT(operation_description(o.kind) != NULL && operation_metadata_type(&o) != NULL);
    buf_init(&out, packed.len + 1000);
    ASSERT(operation_pack(&o, &out) == 0);
    ASSERT(operation_unpack(buf_slice(&out), &again) == 0);
    ASSERT(strcmp(o.id, again.id) == 0 && o.kind == again.kind && o.api == again.api &&
           slice_eq(buf_slice(&o.response), buf_slice(&again.response)));
    operation_fini(&again);
    operation_fini(&o);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* Copies of exactly their size: the sanitizer sees each byte read past the end. */
    struct slice rest = slice_of(data + 1, size - 1);
    uint8_t *bytes = xmalloc(rest.len);
    char *text = xslicedup(rest);
    if (rest.len > 0)
        memcpy(bytes, rest.data, rest.len);
    if (data[0] == 'f')
        try_filter(text);
    else if (data[0] == 'p')
        try_token(text);
    else if (data[0] == 't')
        try_spec(slice_of(bytes, rest.len));
    else
        try_operation(slice_of(bytes, rest.len));
    free(text);
    free(bytes);
    return 0;
}
