# SPDX-License-Identifier: Apache-2.0
#
# kebound_kernel_module(<target> DIRECTORY <directory> KBUILD <lines> MODULES <name>... SOURCES <file>... [SYMBOLS <target>])
#
# A custom target that has Kbuild make modules in a directory of the build tree. KBUILD is the text of the Kbuild file there;
# SYMBOLS names another such target whose exported symbols are used. Sets the target's property MODULE_DIRECTORY.

# The newest kernel whose headers are installed, or what KEBOUND_KERNEL_BUILD says.
if(NOT KEBOUND_KERNEL_BUILD)
  file(GLOB builds LIST_DIRECTORIES true /lib/modules/*/build)
  list(SORT builds COMPARE NATURAL)
  foreach(build IN LISTS builds)
    if(EXISTS ${build}/Module.symvers)
      set(KEBOUND_KERNEL_BUILD ${build})
    endif()
  endforeach()
endif()
set(KEBOUND_KERNEL_BUILD ${KEBOUND_KERNEL_BUILD} CACHE PATH "Build directory of the kernel that modules are made for")

function(kebound_kernel_module target)
  cmake_parse_arguments(M "" "DIRECTORY;KBUILD;SYMBOLS" "MODULES;SOURCES" ${ARGN})
  file(CONFIGURE OUTPUT ${M_DIRECTORY}/Kbuild CONTENT "KEBOUND := ${PROJECT_SOURCE_DIR}\n${M_KBUILD}\n" @ONLY)
  set(symbols)
  set(depends)
  if(M_SYMBOLS)
    get_target_property(directory ${M_SYMBOLS} MODULE_DIRECTORY)
    set(symbols KBUILD_EXTRA_SYMBOLS=${directory}/Module.symvers)
    set(depends ${M_SYMBOLS} ${directory}/Module.symvers)
  endif()
  list(TRANSFORM M_MODULES PREPEND ${M_DIRECTORY}/ OUTPUT_VARIABLE outputs)
  list(TRANSFORM outputs APPEND .ko)
  # W: and not the whole environment: Kbuild takes CC, ARCH and the like from it.
  add_custom_command(
    OUTPUT ${outputs} ${M_DIRECTORY}/Module.symvers
    COMMAND ${CMAKE_COMMAND} -E env --unset=MAKEFLAGS --unset=MFLAGS --unset=CC --unset=CXX
            make -s -C ${KEBOUND_KERNEL_BUILD} M=${M_DIRECTORY} ${symbols} modules
    DEPENDS ${M_SOURCES} ${M_DIRECTORY}/Kbuild ${depends}
    COMMENT "Kbuild: ${M_MODULES}"
    VERBATIM)
  add_custom_target(${target} ALL DEPENDS ${outputs})
  set_target_properties(${target} PROPERTIES MODULE_DIRECTORY ${M_DIRECTORY} SOURCES_OF "${M_SOURCES}")
endfunction()
