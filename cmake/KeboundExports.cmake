# SPDX-License-Identifier: Apache-2.0
# What is made from nt/exports.def.

# The names in a .def file; those marked DATA too.
function(kebound_read_exports def out)
  file(STRINGS ${def} lines REGEX "^  [A-Za-z_]")
  set(names)
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^ *([A-Za-z0-9_]+).*" "\\1" name "${line}")
    list(APPEND names ${name})
  endforeach()
  list(SORT names COMPARE STRING)
  set(${out} ${names} PARENT_SCOPE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${def})
endfunction()

# A C++ source with the table of nt/export_table.h.
function(kebound_write_export_table def source)
  kebound_read_exports(${def} names)
  set(declarations "")
  set(entries "")
  foreach(name IN LISTS names)
    string(APPEND declarations "extern \"C\" const char kebound_export_${name} __asm__(\"${name}\");\n")
    string(APPEND entries "    {\"${name}\", &kebound_export_${name}},\n")
  endforeach()
  list(LENGTH names count)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT "// Made from exports.def.
#include \"nt/export_table.h\"

@declarations@
namespace kebound::nt {

const Export kExports[] = {
@entries@};
const size_t kExportCount = @count@;

}  // namespace kebound::nt
")
endfunction()

# A dynamic list for the linker: nothing but these names is exported.
function(kebound_write_dynamic_list def list)
  kebound_read_exports(${def} names)
  list(JOIN names ";\n  " body)
  file(CONFIGURE OUTPUT ${list} @ONLY CONTENT "{
  @body@;
};
")
endfunction()
