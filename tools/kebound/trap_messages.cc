// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/trap_messages.h"

#include "trap/calls/assertion.h"

namespace kebound::tool {

std::string TrapMessages::at(const events::ModuleMap& modules, uint64_t address) {
  if (resolver_ == nullptr) return {};
  const std::string message = resolver_->locate(modules, address).trap_message;
  char detail[calls::kDetailSize];
  return calls::read_hardening_message(message.c_str(), detail) ? detail : "";
}

std::optional<x86::ArrayNest> TrapMessages::arrays_at(const events::ModuleMap& modules,
                                                      uint64_t address) {
  return resolver_ == nullptr ? std::nullopt : resolver_->arrays_at(modules, address);
}

std::optional<x86::FunctionFacts> TrapMessages::function_at(const events::ModuleMap& modules,
                                                            uint64_t address) {
  return resolver_ == nullptr ? std::nullopt : resolver_->function_at(modules, address);
}

}  // namespace kebound::tool
