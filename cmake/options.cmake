# Compiler settings that every target of ours gets.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(REGCAST_SANITIZE "" CACHE STRING "Sanitizers for every target, e.g. address,undefined or thread")
option(REGCAST_CRASH_POINTS "Compile in the named places where tests kill the process" OFF)
option(REGCAST_FUZZ "Build the libFuzzer targets (needs clang)" OFF)

add_library(regcast_options INTERFACE)
target_compile_options(regcast_options INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes
    -fno-common -fstack-protector-strong)
target_compile_definitions(regcast_options INTERFACE _GNU_SOURCE REGCAST_VERSION="${PROJECT_VERSION}")
target_link_options(regcast_options INTERFACE -pie -Wl,-z,relro,-z,now)

if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_definitions(regcast_options INTERFACE _FORTIFY_SOURCE=2)
endif()
if(REGCAST_CRASH_POINTS)
    target_compile_definitions(regcast_options INTERFACE REGCAST_CRASH_POINTS)
endif()
if(REGCAST_SANITIZE)
    target_compile_options(regcast_options INTERFACE
        -fsanitize=${REGCAST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(regcast_options INTERFACE -fsanitize=${REGCAST_SANITIZE})
endif()
if(REGCAST_FUZZ)
    target_compile_options(regcast_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
