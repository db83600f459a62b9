# The libraries of the system, and those that scripts/setup put into .deps/ because the system's are
# too old. Each becomes one target deps_<name>.
find_package(PkgConfig REQUIRED)
set(DEPS_DIR ${CMAKE_SOURCE_DIR}/.deps CACHE PATH "Where scripts/setup puts newer libraries")

pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44)
add_library(deps_uv INTERFACE)
target_link_libraries(deps_uv INTERFACE PkgConfig::UV)

pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1>=0.2.5)
add_library(deps_yaml INTERFACE)
target_link_libraries(deps_yaml INTERFACE PkgConfig::YAML)

pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson>=1.7.15)
add_library(deps_cjson INTERFACE)
target_link_libraries(deps_cjson INTERFACE PkgConfig::CJSON)

pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.40)
add_library(deps_sqlite INTERFACE)
target_link_libraries(deps_sqlite INTERFACE PkgConfig::SQLITE)

pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib>=1.2.13)
add_library(deps_zlib INTERFACE)
target_link_libraries(deps_zlib INTERFACE PkgConfig::ZLIB)

pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
add_library(deps_curl INTERFACE)
target_link_libraries(deps_curl INTERFACE PkgConfig::CURL)

find_library(WSLAY_LIBRARY wslay REQUIRED)
add_library(deps_wslay INTERFACE)
target_link_libraries(deps_wslay INTERFACE ${WSLAY_LIBRARY})

# mbedTLS and llhttp: built by scripts/setup into .deps when the distribution's are too old. Looked for
# afresh at every configuration, first in .deps, so that a later scripts/setup is noticed.
find_path(MBEDTLS_INCLUDE_DIR mbedtls/ssl.h HINTS ${DEPS_DIR}/mbedtls/include NO_CACHE)
find_library(MBEDTLS_LIBRARY NAMES mbedtls HINTS ${DEPS_DIR}/mbedtls/lib NO_CACHE)
find_library(MBEDTLS_X509_LIBRARY NAMES mbedx509 HINTS ${DEPS_DIR}/mbedtls/lib NO_CACHE)
find_library(MBEDTLS_CRYPTO_LIBRARY NAMES mbedcrypto HINTS ${DEPS_DIR}/mbedtls/lib NO_CACHE)
if(NOT MBEDTLS_INCLUDE_DIR OR NOT MBEDTLS_LIBRARY OR NOT MBEDTLS_X509_LIBRARY OR NOT MBEDTLS_CRYPTO_LIBRARY)
    message(FATAL_ERROR "mbedTLS is missing: run scripts/setup")
endif()
file(STRINGS ${MBEDTLS_INCLUDE_DIR}/mbedtls/build_info.h MBEDTLS_VERSION_LINE
    REGEX "define MBEDTLS_VERSION_STRING ")
string(REGEX MATCH "[0-9.]+" MBEDTLS_VERSION "${MBEDTLS_VERSION_LINE}")
if(MBEDTLS_VERSION VERSION_LESS 3.6 OR MBEDTLS_VERSION VERSION_GREATER_EQUAL 4)
    message(FATAL_ERROR "mbedTLS ${MBEDTLS_VERSION} is not 3.6 or newer of series 3: run scripts/setup")
endif()
add_library(deps_mbedcrypto INTERFACE)
target_include_directories(deps_mbedcrypto SYSTEM INTERFACE ${MBEDTLS_INCLUDE_DIR})
target_link_libraries(deps_mbedcrypto INTERFACE ${MBEDTLS_CRYPTO_LIBRARY})
add_library(deps_mbedtls INTERFACE)
target_link_libraries(deps_mbedtls INTERFACE ${MBEDTLS_LIBRARY} ${MBEDTLS_X509_LIBRARY} deps_mbedcrypto)

find_path(LLHTTP_INCLUDE_DIR llhttp.h HINTS ${DEPS_DIR}/llhttp/include NO_CACHE)
find_library(LLHTTP_LIBRARY NAMES llhttp HINTS ${DEPS_DIR}/llhttp/lib NO_CACHE)
if(NOT LLHTTP_INCLUDE_DIR OR NOT LLHTTP_LIBRARY)
    message(FATAL_ERROR "llhttp is missing: run scripts/setup")
endif()
file(STRINGS ${LLHTTP_INCLUDE_DIR}/llhttp.h LLHTTP_VERSION_LINES REGEX "LLHTTP_VERSION_(MAJOR|MINOR) ")
string(REGEX MATCHALL "[0-9]+" LLHTTP_VERSION_PARTS "${LLHTTP_VERSION_LINES}")
list(JOIN LLHTTP_VERSION_PARTS "." LLHTTP_VERSION)
if(LLHTTP_VERSION VERSION_LESS 9.4)
    message(FATAL_ERROR "llhttp ${LLHTTP_VERSION} lets smuggled requests through; 9.4 or newer is needed: run scripts/setup")
endif()
add_library(deps_llhttp INTERFACE)
target_include_directories(deps_llhttp SYSTEM INTERFACE ${LLHTTP_INCLUDE_DIR})
target_link_libraries(deps_llhttp INTERFACE ${LLHTTP_LIBRARY})

pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52)
add_library(deps_nghttp2 INTERFACE)
target_link_libraries(deps_nghttp2 INTERFACE PkgConfig::NGHTTP2)

pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c>=1.4)
add_library(deps_protobuf_c INTERFACE)
target_link_libraries(deps_protobuf_c INTERFACE PkgConfig::PROTOBUF_C)
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_C protoc-gen-c REQUIRED) # protoc's plug-in for C
