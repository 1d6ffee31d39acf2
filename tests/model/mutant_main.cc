// SPDX-License-Identifier: Apache-2.0
//
// Built over a registry_impl.h with a fault planted in its text. Succeeds if the checker finds the
// fault. usage: mutant SCENARIO VIOLATION
#include <cstdio>
#include <memory>
#include <string_view>

#include "tests/model/scenarios.h"

namespace kebound::model {
namespace {

std::unique_ptr<Scenario> scenario_named(std::string_view name) {
  if (name == "dispatch-against-remover") return std::make_unique<DispatchAgainstRemovers<>>(1, 2);
  if (name == "self-removal") return std::make_unique<SelfRemoval<>>(2);
  if (name == "ring") return std::make_unique<RingRemoval<>>(2, true);
  if (name == "shared-callback-ring") return std::make_unique<SharedCallbackRing<>>();
  if (name == "slot-reuse") return std::make_unique<SlotReuse<>>();
  if (name == "add-against-dispatch") return std::make_unique<AddAgainstDispatch<>>();
  if (name == "others-callback") return std::make_unique<OthersCallback<>>();
  return nullptr;
}

int run(std::string_view scenario_name, std::string_view violation) {
  const std::unique_ptr<Scenario> scenario = scenario_named(scenario_name);
  if (scenario == nullptr) {
    fprintf(stderr, "no such scenario\n");
    return 2;
  }
  Scheduler scheduler;
  const Result result = scheduler.explore(*scenario, Options{.preemptions = 2, .random_walks = 100'000});
  printf("execution %llu: %s\n%s", static_cast<unsigned long long>(result.executions),
         result.violation.empty() ? "no fault found" : result.violation.c_str(),
         result.trace.c_str());
  return result.violation.find(violation) != std::string::npos ? 0 : 1;
}

}  // namespace
}  // namespace kebound::model

int main(int argc, char** argv) { return argc == 3 ? kebound::model::run(argv[1], argv[2]) : 2; }
