# The library `proto`: the messages of gateway/proto/ and those of Google's that they import, generated
# for protobuf-c at build time, and their descriptors (descriptors.h) for reflection.
set(PROTO_DIR ${CMAKE_SOURCE_DIR}/gateway/proto)
set(PROTO_OUT ${CMAKE_BINARY_DIR}/generated/proto)
set(PROTO_WELL_KNOWN google/protobuf/any.proto google/protobuf/duration.proto google/protobuf/empty.proto
    google/protobuf/field_mask.proto google/protobuf/timestamp.proto)
find_path(PROTO_WELL_KNOWN_DIR google/protobuf/timestamp.proto REQUIRED)

file(GLOB_RECURSE PROTO_OURS CONFIGURE_DEPENDS RELATIVE ${PROTO_DIR} ${PROTO_DIR}/*.proto)
set(PROTO_SOURCES)
set(PROTO_INPUTS)
foreach(file ${PROTO_OURS})
    list(APPEND PROTO_INPUTS ${PROTO_DIR}/${file})
endforeach()
foreach(file ${PROTO_OURS} ${PROTO_WELL_KNOWN})
    string(REGEX REPLACE "\\.proto$" ".pb-c" stem ${file})
    list(APPEND PROTO_SOURCES ${PROTO_OUT}/${stem}.c)
    set_source_files_properties(${PROTO_OUT}/${stem}.h PROPERTIES GENERATED TRUE)
endforeach()

# One call for all: they import each other.
file(MAKE_DIRECTORY ${PROTO_OUT})
add_custom_command(OUTPUT ${PROTO_SOURCES} ${PROTO_OUT}/descriptors.bin VERBATIM
    DEPENDS ${PROTO_INPUTS}
    COMMAND ${PROTOC} --plugin=protoc-gen-c=${PROTOC_C} -I ${PROTO_DIR} -I ${PROTO_WELL_KNOWN_DIR}
        --c_out=${PROTO_OUT} --include_imports --descriptor_set_out=${PROTO_OUT}/descriptors.bin
        ${PROTO_OURS} ${PROTO_WELL_KNOWN})
add_custom_command(OUTPUT ${PROTO_OUT}/descriptors.h VERBATIM
    DEPENDS ${PROTO_OUT}/descriptors.bin ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    COMMAND ${CMAKE_COMMAND} -DIN=${PROTO_OUT}/descriptors.bin -DOUT=${PROTO_OUT}/descriptors.h
        -DNAME=DESCRIPTORS -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake)

# Generated code is not ours to keep free of warnings.
add_library(proto STATIC ${PROTO_SOURCES} ${PROTO_OUT}/descriptors.h)
target_include_directories(proto SYSTEM PUBLIC ${PROTO_OUT})
target_link_libraries(proto PUBLIC deps_protobuf_c)
