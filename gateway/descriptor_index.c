/* descriptor_index.c - walks the fields of a FileDescriptorSet (numbers of google/protobuf/
 * descriptor.proto). */
#include "descriptor_index.h"

#include "err.h"

enum kind { K_FILE, K_MESSAGE, K_ENUM, K_SERVICE, K_LEAF };

enum { F_NAME = 1 };                                            /* of whatever has a name */
enum { F_SET_FILE = 1, F_FILE_PACKAGE = 2, F_FILE_IMPORT = 3 }; /* the others are in declares() */
enum { F_ENUM_VALUE = 2 };

/* --- the wire --- */

struct field {
    unsigned number;
    struct slice bytes; /* of a length-delimited one, else of no use */
};

static bool take_varint(struct slice *rest, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; rest->data != NULL && i < rest->len && i < 10; i++) {
        value |= (uint64_t) (rest->data[i] & 0x7f) << (7 * i);
        if (rest->data[i] < 0x80) {
            *rest = slice_from(*rest, i + 1);
            *ret = value;
            return true;
        }
    }
    return false;
}

/* The next field of `rest`, which is shortened by it; false at the end. */
static bool next_field(struct slice *rest, struct field *ret)
{
    uint64_t tag, len = 0;
    if (!take_varint(rest, &tag))
        return false;
    switch (tag & 7) {
    case 0:
        if (!take_varint(rest, &len))
            return false;
        len = 0;
        break;
    case 1:
        len = 8;
        break;
    case 2:
        if (!take_varint(rest, &len))
            return false;
        break;
    case 5:
        len = 4;
        break;
    default:
        return false;
    }
    if (len > rest->len)
        return false;
    ret->number = (unsigned) (tag >> 3);
    ret->bytes = slice_sub(*rest, 0, (size_t) len);
    *rest = slice_from(*rest, (size_t) len);
    return true;
}

/* The first field of that number; empty when there is none. */
static struct slice field_of(struct slice message, unsigned number)
{
    struct field f;
    while (next_field(&message, &f))
        if (f.number == number)
            return f.bytes;
    return (struct slice){0};
}

/* --- symbols --- */

/* Which of its fields declare a name, and what that is. */
static bool declares(enum kind kind, unsigned number, enum kind *ret)
{
    static const struct {
        enum kind in;
        unsigned number;
        enum kind is;
    } DECLARE[] = {
        {K_FILE, 4, K_MESSAGE},    /* message_type */
        {K_FILE, 5, K_ENUM},       /* enum_type */
        {K_FILE, 6, K_SERVICE},    /* service */
        {K_FILE, 7, K_LEAF},       /* extension */
        {K_MESSAGE, 2, K_LEAF},    /* field */
        {K_MESSAGE, 3, K_MESSAGE}, /* nested_type */
        {K_MESSAGE, 4, K_ENUM},    /* enum_type */
        {K_MESSAGE, 6, K_LEAF},    /* extension */
        {K_MESSAGE, 8, K_LEAF},    /* oneof_decl */
        {K_SERVICE, 2, K_LEAF},    /* method */
    };
    for (size_t i = 0; i < ARRAY_LEN(DECLARE); i++) {
        if (DECLARE[i].in == kind && DECLARE[i].number == number) {
            *ret = DECLARE[i].is;
            return true;
        }
    }
    return false;
}

/* Cuts "name." off the front of a symbol. */
static bool cut_scope(struct slice *symbol, struct slice name)
{
    if (symbol->len <= name.len || symbol->data[name.len] != '.' ||
        !slice_eq(slice_sub(*symbol, 0, name.len), name))
        return false;
    *symbol = slice_from(*symbol, name.len + 1);
    return true;
}

static bool enum_has(struct slice one, struct slice value)
{
    struct field f;
    while (next_field(&one, &f))
        if (f.number == F_ENUM_VALUE && slice_eq(field_of(f.bytes, F_NAME), value))
            return true;
    return false;
}

/* Whether a scope declares the symbol. The depth is that of the set, which is ours. */
static bool scope_has(struct slice scope, enum kind kind, struct slice symbol, enum kind *ret)
{
    struct field f;
    enum kind is;
    while (next_field(&scope, &f)) {
        if (!declares(kind, f.number, &is))
            continue;
        const struct slice name = field_of(f.bytes, F_NAME);
        struct slice inside = symbol;
        if (slice_eq(name, symbol)) {
            *ret = is;
            return true;
        }
        if (is == K_ENUM && enum_has(f.bytes, symbol)) {
            *ret = K_LEAF;
            return true;
        }
        if (cut_scope(&inside, name) && scope_has(f.bytes, is, inside, ret))
            return true;
    }
    return false;
}

static bool find_symbol(struct slice set, struct slice symbol, enum kind *ret_kind,
                        struct slice *ret)
{
    struct field f;
    while (next_field(&set, &f)) {
        if (f.number != F_SET_FILE)
            continue;
        const struct slice package = field_of(f.bytes, F_FILE_PACKAGE);
        struct slice inside = symbol;
        if (package.len > 0 && !cut_scope(&inside, package))
            continue;
        if (scope_has(f.bytes, K_FILE, inside, ret_kind)) {
            *ret = f.bytes;
            return true;
        }
    }
    return false;
}

bool descriptor_index_symbol(struct slice set, struct slice symbol, struct slice *ret)
{
    enum kind kind;
    return find_symbol(set, symbol, &kind, ret);
}

bool descriptor_index_is_message(struct slice set, struct slice symbol)
{
    enum kind kind;
    struct slice file;
    return find_symbol(set, symbol, &kind, &file) && kind == K_MESSAGE;
}

/* --- files --- */

bool descriptor_index_file(struct slice set, struct slice name, struct slice *ret)
{
    struct field f;
    while (next_field(&set, &f)) {
        if (f.number == F_SET_FILE && slice_eq(field_of(f.bytes, F_NAME), name)) {
            *ret = f.bytes;
            return true;
        }
    }
    return false;
}

static bool has_file(const struct slice *files, size_t n, struct slice file)
{
    while (n > 0)
        if (files[--n].data == file.data)
            return true;
    return false;
}

size_t descriptor_index_imports(struct slice set, struct slice file, struct slice *ret, size_t max)
{
    size_t n = 0;
    if (max > 0)
        ret[n++] = file;
    for (size_t i = 0; i < n; i++) {
        struct slice rest = ret[i], import;
        struct field f;
        while (n < max && next_field(&rest, &f))
            if (f.number == F_FILE_IMPORT && descriptor_index_file(set, f.bytes, &import) &&
                !has_file(ret, n, import))
                ret[n++] = import;
    }
    return n;
}
