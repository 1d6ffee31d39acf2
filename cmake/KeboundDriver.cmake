# SPDX-License-Identifier: Apache-2.0
#
# kebound_add_driver(<name> SOURCES <file>... [INTEGRITYCHECK] [NO_SYS])
#
# Builds an NT driver from C or C++ sources that include <ntddk.h>:
#   <name>       target: <build>/lib/drivers/<name>.so, for kebound run --driver
#   <name>-sys   target: <build>/lib/drivers/<name>.sys, from the same sources; only where a mingw-w64 compiler for
#                every language of the sources is installed, and without NO_SYS
# INTEGRITYCHECK marks both as linked /INTEGRITYCHECK, which the windows profile asks of a driver that registers
# a bound callback.
#
# Works in kebound's own tree and, through find_package(kebound), with an installed one.

if(NOT DEFINED kebound_NT_INCLUDE_DIR)
  get_filename_component(kebound_NT_INCLUDE_DIR ${CMAKE_CURRENT_LIST_DIR}/../include/nt ABSOLUTE)
endif()
foreach(candidate IN ITEMS ${CMAKE_CURRENT_LIST_DIR}/exports.def ${CMAKE_CURRENT_LIST_DIR}/../nt/exports.def)
  if(EXISTS ${candidate})
    get_filename_component(KEBOUND_EXPORTS_DEF ${candidate} ABSOLUTE)
    break()
  endif()
endforeach()
find_program(KEBOUND_MINGW_C x86_64-w64-mingw32-gcc)
find_program(KEBOUND_MINGW_CXX x86_64-w64-mingw32-g++)
find_program(KEBOUND_MINGW_DLLTOOL x86_64-w64-mingw32-dlltool)
mark_as_advanced(KEBOUND_MINGW_C KEBOUND_MINGW_CXX KEBOUND_MINGW_DLLTOOL)

# The ELF note that stands for IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY: owner "kebound", type 1, loader flags 0x20.
set(KEBOUND_INTEGRITYCHECK_SOURCE [=[
__asm__(
    ".pushsection .note.kebound,\"a\",@note\n"
    "  .balign 4\n"
    "  .long 8, 4, 1\n"
    "  .asciz \"kebound\"\n"
    "  .long 0x20\n"
    "  .popsection\n");
]=])

function(kebound_add_driver name)
  cmake_parse_arguments(D "INTEGRITYCHECK;NO_SYS" "" "SOURCES" ${ARGN})
  if(NOT D_SOURCES OR D_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "kebound_add_driver(${name} SOURCES <file>... [INTEGRITYCHECK] [NO_SYS])")
  endif()
  set(output ${PROJECT_BINARY_DIR}/lib/drivers)

  # Only DriverEntry is for the outside; everything else is the driver's own and binds to itself.
  set(exports ${CMAKE_CURRENT_BINARY_DIR}/kebound-driver.map)
  file(CONFIGURE OUTPUT ${exports} CONTENT "{ global: DriverEntry; local: *; };\n")

  add_library(${name} MODULE ${D_SOURCES})
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".so" LIBRARY_OUTPUT_DIRECTORY ${output} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${name} SYSTEM PRIVATE ${kebound_NT_INCLUDE_DIR})
  # UTF-16 wide strings as on NT; no C++ run-time support, which a .sys would not have either.
  target_compile_options(${name} PRIVATE -fshort-wchar -fno-strict-aliasing
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics>)
  target_link_options(${name} PRIVATE -Wl,--version-script=${exports})
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${exports})
  if(D_INTEGRITYCHECK)
    set(note ${CMAKE_CURRENT_BINARY_DIR}/kebound-integritycheck.c)
    file(CONFIGURE OUTPUT ${note} CONTENT "${KEBOUND_INTEGRITYCHECK_SOURCE}" @ONLY)
    target_sources(${name} PRIVATE ${note})
  endif()
  if(NOT D_NO_SYS)
    kebound_add_sys(${name} ${output} "${D_SOURCES}" "${D_INTEGRITYCHECK}")
  endif()
endfunction()

# The import library, once per build tree.
function(kebound_import_library out)
  set(library ${PROJECT_BINARY_DIR}/lib/drivers/libntoskrnl-kebound.a)
  if(NOT TARGET kebound-ntoskrnl)
    add_custom_command(
      OUTPUT ${library}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/lib/drivers
      COMMAND ${KEBOUND_MINGW_DLLTOOL} -m i386:x86-64 -d ${KEBOUND_EXPORTS_DEF} -D ntoskrnl.exe -l ${library}
      DEPENDS ${KEBOUND_EXPORTS_DEF}
      COMMENT "Building the import library of ntoskrnl.exe"
      VERBATIM)
    add_custom_target(kebound-ntoskrnl DEPENDS ${library})
  endif()
  set(${out} ${library} PARENT_SCOPE)
endfunction()

# Context: called by kebound_add_driver(). Nothing is built where the compiler is missing.
function(kebound_add_sys name output sources integritycheck)
  if(NOT KEBOUND_MINGW_C OR NOT KEBOUND_MINGW_DLLTOOL OR NOT KEBOUND_EXPORTS_DEF)
    return()
  endif()
  set(compiler ${KEBOUND_MINGW_C})
  set(options)
  set(paths)
  foreach(source IN LISTS sources)
    get_filename_component(path ${source} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    list(APPEND paths ${path})
    if(NOT source MATCHES "\\.c$")
      if(NOT KEBOUND_MINGW_CXX)
        return()
      endif()
      set(compiler ${KEBOUND_MINGW_CXX})
      set(options -fno-exceptions -fno-rtti -fno-threadsafe-statics)
    endif()
  endforeach()
  set(link -nostdlib -Wl,--subsystem,native:6.1 -Wl,--entry,DriverEntry -Wl,--image-base,0x140000000
           -Wl,--dynamicbase -Wl,--nxcompat)
  if(integritycheck)
    list(APPEND link -Wl,--forceinteg)
  endif()
  kebound_import_library(library)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${kebound_NT_INCLUDE_DIR}/*.h)
  add_custom_command(
    OUTPUT ${output}/${name}.sys
    COMMAND ${compiler} -O2 -g -Wall -Wextra -fno-strict-aliasing -fno-stack-protector ${options}
            -isystem ${kebound_NT_INCLUDE_DIR} ${link} -o ${output}/${name}.sys ${paths} ${library}
    DEPENDS ${paths} ${headers} ${library} kebound-ntoskrnl
    COMMENT "Building the PE driver ${name}.sys"
    COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_target(${name}-sys ALL DEPENDS ${output}/${name}.sys)
endfunction()
