# SPDX-License-Identifier: Apache-2.0
# How every target of the project is compiled.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

option(KEBOUND_WERROR "Treat warnings as errors" OFF)
set(KEBOUND_SANITIZE "" CACHE STRING "Sanitizers for every target, as -fsanitize= takes them")

add_compile_options(-Wall -Wextra -Wshadow "$<$<COMPILE_LANGUAGE:CXX>:-Wconversion>")
if(KEBOUND_WERROR)
  add_compile_options(-Werror)
endif()
if(KEBOUND_SANITIZE)
  add_compile_options(-fsanitize=${KEBOUND_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${KEBOUND_SANITIZE})
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# A library of the house: found by its target name, sees the headers of the tree.
function(kebound_library name)
  add_library(${name} STATIC ${ARGN})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
endfunction()

# Freestanding parts: what compiles with kernel flags must not lean on the hosted runtime here either.
function(kebound_freestanding name)
  target_compile_options(${name} PRIVATE -ffreestanding -fno-exceptions -fno-rtti
                         -fno-threadsafe-statics -fno-asynchronous-unwind-tables)
endfunction()

# A GoogleTest program whose cases are ctest tests with the given label. OPTIMIZED: its own code takes most of its time.
function(kebound_test name)
  cmake_parse_arguments(T "OPTIMIZED" "LABEL;TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT KEBOUND_TESTS)
    return()
  endif()
  if(NOT T_LABEL)
    set(T_LABEL unit)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE ${T_LIBRARIES} GTest::gmock GTest::gtest_main Threads::Threads)
  # What is tested is compiled as users have it; the tests themselves need not be, and take half the time to compile.
  if(T_LABEL STREQUAL unit AND NOT T_OPTIMIZED)
    target_compile_options(${name} PRIVATE -O0 -g1)
  endif()
  # The unit tests alone, for builds under a sanitizer.
  if(NOT TARGET unit-tests)
    add_custom_target(unit-tests)
  endif()
  if(T_LABEL STREQUAL unit)
    add_dependencies(unit-tests ${name})
  endif()
  gtest_discover_tests(${name} TEST_PREFIX "${T_LABEL}/" PROPERTIES LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT})
endfunction()
