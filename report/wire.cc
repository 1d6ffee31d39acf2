// SPDX-License-Identifier: Apache-2.0
#include "report/wire.h"

namespace kebound::report::wire {

void put(Writer& out, const events::Mapping& mapping) {
  out.value(mapping.begin);
  out.value(mapping.end);
  out.value(mapping.file_offset);
  out.value(uint8_t{mapping.executable});
  out.text(mapping.path);
  out.text(mapping.open_path);
  out.text(mapping.build_id);
  out.value(uint8_t{mapping.bias.has_value()});
  out.value(mapping.bias.value_or(0));
}

events::Mapping get_mapping(Reader& in) {
  events::Mapping mapping;
  mapping.begin = in.value<uint64_t>();
  mapping.end = in.value<uint64_t>();
  mapping.file_offset = in.value<uint64_t>();
  mapping.executable = in.flag();
  mapping.path = in.text();
  mapping.open_path = in.text();
  mapping.build_id = in.text();
  const bool has_bias = in.flag();
  const auto bias = in.value<uint64_t>();
  if (has_bias) mapping.bias = bias;
  return mapping;
}

void put(Writer& out, const std::vector<StackFrame>& frames) {
  out.value(static_cast<uint32_t>(frames.size()));
  for (const auto& frame : frames) {
    out.value(frame.pc);
    out.text(frame.location.module);
    out.text(frame.location.build_id);
    out.value(uint8_t{frame.location.offset.has_value()});
    out.value(frame.location.offset.value_or(0));
    out.text(frame.location.trap_message);
    out.value(static_cast<uint32_t>(frame.location.frames.size()));
    for (const auto& function : frame.location.frames) {
      out.text(function.function);
      out.text(function.file);
      out.value(function.line);
      out.value(uint8_t{function.inlined});
    }
  }
}

std::vector<StackFrame> get_frames(Reader& in) {
  std::vector<StackFrame> frames;
  const auto count = in.value<uint32_t>();
  if (!in.can_hold(count, 1)) return frames;
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    StackFrame frame;
    frame.pc = in.value<uint64_t>();
    frame.location.module = in.text();
    frame.location.build_id = in.text();
    const bool has_offset = in.flag();
    const auto offset = in.value<uint64_t>();
    if (has_offset) frame.location.offset = offset;
    frame.location.trap_message = in.text();
    const auto functions = in.value<uint32_t>();
    for (uint32_t k = 0; k < functions && in.ok(); ++k) {
      SourceFrame function;
      function.function = in.text();
      function.file = in.text();
      function.line = in.value<uint32_t>();
      function.inlined = in.flag();
      frame.location.frames.push_back(std::move(function));
    }
    frames.push_back(std::move(frame));
  }
  return in.ok() ? frames : std::vector<StackFrame>();
}

}  // namespace kebound::report::wire
