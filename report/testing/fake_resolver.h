// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "report/resolver.h"

namespace kebound::report::testing {

// pick() inlined in main(), guest.c, called from libc; or whatever a test makes of it.
class FakeResolver final : public Resolver {
 public:
  Location locate(const events::ModuleMap&, uint64_t address) override {
    Location location;
    location.module = module;
    location.offset = address - 0x8048000;
    location.build_id = build_id;
    if (known) location.frames = {{function, file, line, true}, {"main", file, 30, false}};
    return location;
  }
  std::vector<StackFrame> backtrace(const x86::Registers& registers, const events::StackSnapshot&,
                                    const events::ModuleMap& modules) override {
    return {{registers.rip, locate(modules, registers.rip)},
            {caller, {"/lib/libc.so.6", caller - 0x8048000, {}, {}}}};
  }

  bool known = true;
  std::string module = "/usr/bin/guest";
  std::string build_id = "0123456789abcdef";
  std::string function = "pick";
  std::string file = "/src/guest.c";
  uint32_t line = 14;
  uint64_t caller = 0x8049000;
};

}  // namespace kebound::report::testing
