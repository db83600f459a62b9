# Compiler settings that every target of ours gets.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(REGCAST_SANITIZE "" CACHE STRING "Sanitizers for every target, e.g. address,undefined or thread")
option(REGCAST_CRASH_POINTS "Compile in the named places where tests kill the process" OFF)
option(REGCAST_COVERAGE "Count which regions of the code run (needs clang)" OFF)
option(REGCAST_FUZZ "Build the libFuzzer targets (needs clang)" OFF)

add_library(regcast_options INTERFACE)
target_compile_options(regcast_options INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes
    -fno-common -fstack-protector-strong)
target_compile_definitions(regcast_options INTERFACE _GNU_SOURCE REGCAST_VERSION="${PROJECT_VERSION}")
target_link_options(regcast_options INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)

# What makes a mistake of ours harder to use, as far as compiler, C library and processor have it.
# tests/e2e/hardening.test.mjs looks for it in the program.
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    include(CheckCCompilerFlag)
    include(CheckCSourceCompiles)
    check_c_compiler_flag(-fstack-clash-protection HAVE_STACK_CLASH_PROTECTION)
    check_c_compiler_flag(-fcf-protection HAVE_CF_PROTECTION)
    set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
    check_c_source_compiles("#include <stdlib.h>
#if __USE_FORTIFY_LEVEL < 3
#error less
#endif
int main(void) { return 0; }" HAVE_FORTIFY_3)
    unset(CMAKE_REQUIRED_FLAGS)
    set(REGCAST_FORTIFY 2)
    if(HAVE_FORTIFY_3)
        set(REGCAST_FORTIFY 3)
    endif()
    target_compile_options(regcast_options INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${REGCAST_FORTIFY}
        $<$<BOOL:${HAVE_STACK_CLASH_PROTECTION}>:-fstack-clash-protection>
        $<$<BOOL:${HAVE_CF_PROTECTION}>:-fcf-protection>)
endif()
if(REGCAST_CRASH_POINTS)
    target_compile_definitions(regcast_options INTERFACE REGCAST_CRASH_POINTS)
endif()
if(REGCAST_SANITIZE)
    target_compile_options(regcast_options INTERFACE
        -fsanitize=${REGCAST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(regcast_options INTERFACE -fsanitize=${REGCAST_SANITIZE})
    # Hundreds of test programs with a sanitizer's tables in them: GNU ld takes seconds for each.
    find_program(LLD ld.lld)
    if(LLD)
        target_link_options(regcast_options INTERFACE -fuse-ld=lld)
    endif()
endif()
if(REGCAST_COVERAGE)
    target_compile_options(regcast_options INTERFACE -fprofile-instr-generate -fcoverage-mapping)
    target_link_options(regcast_options INTERFACE -fprofile-instr-generate)
endif()
if(REGCAST_FUZZ)
    target_compile_options(regcast_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
