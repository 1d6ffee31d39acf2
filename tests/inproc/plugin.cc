// SPDX-License-Identifier: Apache-2.0
//
// A plugin that registers a callback when it is asked to, and perhaps forgets about it.
#include <atomic>

#include "include/kebound/kebound.h"

namespace {

kebound_handle g_handle;
std::atomic<int> g_calls{0};

kebound_answer skip(const kebound_event* event, kebound_registers* registers, void*) {
  ++g_calls;
  registers->ip += event->instruction_length;
  return KEBOUND_HANDLED;
}

}  // namespace

kebound_answer pass(const kebound_event*, kebound_registers*, void*) {
  ++g_calls;
  return KEBOUND_CONTINUE_SEARCH;
}

extern "C" __attribute__((visibility("default"))) int plugin_register() {
  g_handle = kebound_register(skip, nullptr);
  return g_handle != 0 ? 1 : 0;
}
extern "C" __attribute__((visibility("default"))) int plugin_register_passing() {
  g_handle = kebound_register(pass, nullptr);
  return g_handle != 0 ? 1 : 0;
}
extern "C" __attribute__((visibility("default"))) void plugin_deregister() {
  kebound_deregister(g_handle);
}
extern "C" __attribute__((visibility("default"))) int plugin_calls() { return g_calls; }
