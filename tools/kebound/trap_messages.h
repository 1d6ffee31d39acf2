// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "events/trap_messages.h"
#include "report/resolver.h"

namespace kebound::tool {

// The words by a resolver, which may be null: then nothing is known. Borrowed.
class TrapMessages final : public events::TrapMessages {
 public:
  explicit TrapMessages(report::Resolver* resolver) : resolver_(resolver) {}
  [[nodiscard]] std::string at(const events::ModuleMap& modules, uint64_t address) override;
  [[nodiscard]] std::optional<x86::ArrayNest> arrays_at(const events::ModuleMap& modules,
                                                        uint64_t address) override;
  [[nodiscard]] std::optional<x86::FunctionFacts> function_at(const events::ModuleMap& modules,
                                                              uint64_t address) override;

 private:
  report::Resolver* const resolver_;
};

}  // namespace kebound::tool
