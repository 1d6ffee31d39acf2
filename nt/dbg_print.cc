// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>

#include "include/nt/wdm.h"
#include "nt/dbg_format.h"
#include "nt/report.h"

namespace kebound::nt {

namespace {

ULONG print(ULONG component, ULONG level, uint64_t caller, PCSTR format, va_list arguments) {
  char text[kDebugOutputLimit];
  const size_t length = format_debug_output(text, sizeof text, format, arguments);
  DebugOutput output;
  output.driver = name_of(image_at(caller));
  output.component = component;
  output.level = level;
  output.text = std::string_view(text, length);
  host().debug_output(output);
  return STATUS_SUCCESS;
}

}  // namespace

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

ULONG DbgPrint(PCSTR Format, ...) {
  va_list arguments;
  va_start(arguments, Format);
  const ULONG status =
      print(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, KEBOUND_CALLER(), Format, arguments);
  va_end(arguments);
  return status;
}

ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...) {
  va_list arguments;
  va_start(arguments, Format);
  const ULONG status = print(ComponentId, Level, KEBOUND_CALLER(), Format, arguments);
  va_end(arguments);
  return status;
}

ULONG vDbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, __builtin_va_list ArgList) {
  return print(ComponentId, Level, KEBOUND_CALLER(), Format, ArgList);
}

}  // extern "C"
