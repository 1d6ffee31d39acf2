// SPDX-License-Identifier: Apache-2.0
//
// libkebound-preload.so: kebound in a program that knows nothing of it. Set up before the program's
// constructors; KEBOUND_OPTIONS, KEBOUND_RING and
// KEBOUND_RULES say how.
#include <pthread.h>
#include <stdlib.h>

#include "hosts/inproc/bug_check.h"
#include "hosts/inproc/interpose.h"
#include "hosts/inproc/preload_options.h"
#include "hosts/inproc/publish.h"
#include "hosts/inproc/rule_policy.h"
#include "hosts/inproc/runtime.h"

namespace kebound::inproc {
namespace {

void complain(const char* what, const char* why, const char* remedy) noexcept {
  Line line;
  line.text("kebound: ").text(what).text(": ").text(why).text("; ").text(remedy).write();
}

[[gnu::constructor(101)]] void start_preloaded() {
  remember_process();
  find_thread_functions();
  pthread_atfork(nullptr, nullptr, remember_process);

  PreloadOptions options;
  char wrong[64];
  // Not for programs that run with other rights than their caller's.
  const char* const text = secure_getenv("KEBOUND_OPTIONS");
  if (text != nullptr && !parse_preload_options(text, options, wrong, sizeof wrong)) {
    complain(wrong, "not an option that a preloaded library has, or not a value of it",
             "correct KEBOUND_OPTIONS; the rest of it is used");
  }
  const char* const ring = secure_getenv("KEBOUND_RING");
  if (ring != nullptr && !open_ring(ring)) {
    complain(ring, "no event ring", "start the program with 'kebound run --host inproc'");
  }
  // Whoever reads the ring reports. When it has gone, the program does not begin to do it itself.
  set_text_report(options.report && ring == nullptr);

  if (start(&options.library) != KEBOUND_OK) {
    complain("preload", "the handlers cannot be installed", "the program runs without kebound");
    return;
  }
  watch_calls(options.calls);
  const char* const rules = secure_getenv("KEBOUND_RULES");
  const bool has_rules = rules != nullptr && open_rules(rules);
  if (rules != nullptr && !has_rules) {
    complain(rules, "no table of rules", "start the program with 'kebound run --host inproc'");
  }
  const kebound_callback callback =
      has_rules ? rules_callback(options.on_bound) : policy_callback(options.on_bound);
  set_builtin_routine(reinterpret_cast<void*>(callback));
  if (callback != nullptr &&
      add_callback(reinterpret_cast<void*>(callback), nullptr, nullptr) == 0) {
    complain("preload", "the policy cannot be registered (is /proc mounted?)",
             "the program runs without it");
  }
}

}  // namespace
}  // namespace kebound::inproc
