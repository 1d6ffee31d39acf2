// SPDX-License-Identifier: Apache-2.0
//
// What a host in a kernel says in the kernel's log. One line each:
//   verifier rule=R driver="D" callback="C" message="M"
//   bug-check code=0x.. p1=0x.. .. driver="D" callback="C" pid=.. tid=.. explanation="E"
//   terminated pid=.. tid=.. callback="C" reason="R"
//   debug driver="D" text="T"
#pragma once

#include <string>

#include "nt/host.h"
#include "nt/report.h"

namespace kebound {

// A driver's text must not make a line of ours look like another one.
[[nodiscard]] inline std::string quoted(std::string_view text) {
  std::string out("\"");
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text.data()[i];
    if (c == '"' || c == '\\') {
      const char escaped[] = {'\\', c};
      out += std::string_view(escaped, 2);
    } else if (c == '\n') {
      if (i + 1 != text.size()) out += "\\n";
    } else if (static_cast<unsigned char>(c) < ' ') {
      out += "?";
    } else {
      out += std::string_view(&c, 1);
    }
  }
  out += "\"";
  return out;
}

[[nodiscard]] inline std::string debug_line(const nt::DebugOutput& output) {
  return std::string("debug driver=") + quoted(output.driver) + " text=" + quoted(output.text);
}

[[nodiscard]] inline std::string violation_line(const nt::Violation& violation) {
  return std::string("verifier rule=") + violation.rule + " driver=" + quoted(violation.driver) +
         " callback=" + quoted(violation.callback) + " message=" + quoted(violation.message);
}

[[nodiscard]] inline std::string bug_check_line(const nt::BugCheck& record) {
  std::string line("bug-check code=");
  line += nt::hex(record.code);
  for (unsigned i = 0; i < 4; ++i) {
    line += std::string(" p") + std::to_string(i + 1) + "=" + nt::hex(record.parameters[i]);
  }
  line += std::string(" driver=") + quoted(record.driver) + " callback=" + quoted(record.callback) +
          " pid=" + std::to_string(record.pid) + " tid=" + std::to_string(record.tid) +
          " explanation=" + quoted(record.explanation);
  return line;
}

[[nodiscard]] inline std::string termination_line(uint64_t pid, uint64_t tid, uint64_t routine,
                                                  const char* reason) {
  return std::string("terminated pid=") + std::to_string(pid) + " tid=" + std::to_string(tid) +
         " callback=" + quoted(nt::Facility::describe(routine)) + " reason=" + quoted(reason);
}

}  // namespace kebound
