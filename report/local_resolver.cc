// SPDX-License-Identifier: Apache-2.0
#include "report/resolver.h"
#include "report/symbolizer.h"
#include "report/unwinder.h"

namespace kebound::report {
namespace {

class LocalResolver final : public Resolver {
 public:
  explicit LocalResolver(const std::string& debug_path) : symbolizer_(debug_path) {}

  Location locate(const events::ModuleMap& modules, uint64_t address) override {
    return symbolizer_.locate(modules, address);
  }

  std::optional<x86::ArrayNest> arrays_at(const events::ModuleMap& modules,
                                          uint64_t address) override {
    return symbolizer_.arrays_at(modules, address);
  }

  std::optional<x86::FunctionFacts> function_at(const events::ModuleMap& modules,
                                                uint64_t address) override {
    return symbolizer_.function_at(modules, address);
  }

  std::vector<StackFrame> backtrace(const x86::Registers& registers,
                                    const events::StackSnapshot& stack,
                                    const events::ModuleMap& modules) override {
    const auto trace = unwinder_.unwind(registers, stack, modules);
    std::vector<StackFrame> frames;
    for (size_t i = 0; i < trace.addresses.size(); ++i) {
      const uint64_t pc = trace.addresses[i];
      frames.push_back({pc, symbolizer_.locate(modules, pc, !trace.exact[i])});
    }
    return frames;
  }

 private:
  Symbolizer symbolizer_;
  Unwinder unwinder_{symbolizer_};
};

}  // namespace

std::unique_ptr<Resolver> make_local_resolver(const std::string& debug_path) {
  return std::make_unique<LocalResolver>(debug_path);
}

}  // namespace kebound::report
