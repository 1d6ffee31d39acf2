// SPDX-License-Identifier: Apache-2.0
//
// A plugin with a callback: counts the bound exceptions that it is asked about, and leaves them to
// others.
#include <atomic>
#include <kebound/kebound.hpp>
#include <memory>

namespace {

std::atomic<int> g_seen{0};
std::unique_ptr<kebound::Registration> g_registration;

}  // namespace

extern "C" bool plugin_begin() {
  g_registration =
      std::make_unique<kebound::Registration>([](const kebound::Event&, kebound::EventRegisters&) {
        ++g_seen;
        return kebound::Answer::ContinueSearch;
      });
  return static_cast<bool>(*g_registration);
}

// Waits for callbacks that run; then this code may be unmapped.
extern "C" int plugin_end() {
  g_registration.reset();
  return g_seen;
}
