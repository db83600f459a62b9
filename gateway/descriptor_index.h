/* descriptor_index.h - finds files and symbols in a packed google.protobuf.FileDescriptorSet, for
 * reflection. (pure) Any thread.
 *
 * The set is read as it lies there, with no memory and no index: ours has 20 KB, and clients ask a
 * few times when they start. What is found is borrowed from the set. In a set that is malformed the
 * search ends at the fault. */
#ifndef GATEWAY_DESCRIPTOR_INDEX_H
#define GATEWAY_DESCRIPTOR_INDEX_H

#include "slice.h"

/* Of a file's name, "grpc/health/v1/health.proto". True: *ret is its packed FileDescriptorProto. */
bool descriptor_index_file(struct slice set, struct slice name, struct slice *ret);
/* Of the file that declares a fully qualified name, without a dot in front: of a message, field,
 * oneof, enum, enum value, extension, service or method. Values are named beside their enum, not in
 * it (descriptor.proto: EnumValueDescriptorProto). */
bool descriptor_index_symbol(struct slice set, struct slice symbol, struct slice *ret);
/* Whether `symbol` is a message. */
bool descriptor_index_is_message(struct slice set, struct slice symbol);
/* `file`, then what it imports, directly or not; each file once, `max` at most. Returns how many.
 */
size_t descriptor_index_imports(struct slice set, struct slice file, struct slice *ret, size_t max);

#endif
