// SPDX-License-Identifier: Apache-2.0
//
// Writes one JSON line per kind of record, plain and nasty, and real captured exceptions, to
// standard output, for the check against the schema. Arguments: programs to capture.
#include <stdio.h>
#include <unistd.h>

#include <utility>

#include "report/reporter.h"
#include "report/testing/records.h"

int main(int argc, char** argv) {
  using namespace kebound;
  report::Options options;
  options.format = report::Format::Jsonl;
  options.fd = STDOUT_FILENO;
  options.gen_suppressions = true;
  report::Reporter reporter(options);
  for (auto& record : report::testing::one_of_each()) reporter.accept(std::move(record));
  for (int i = 1; i < argc; ++i) {
    const auto capture = report::testing::capture_fault({argv[i]});
    if (!capture.ok) {
      fprintf(stderr, "%s: %s\n", argv[i], capture.why.c_str());
      return 1;
    }
    reporter.accept(report::testing::exception_of(capture));
  }
  const std::string nasty = report::testing::nasty_text();
  reporter.add_rules({{"rules.txt:3", "ignore function=f", 5, 0, 5}, {nasty, nasty, 7, 2, 0}});
  const auto result = reporter.finish();
  if (!result.ok) fprintf(stderr, "%s\n", result.why.c_str());
  return result.ok ? 0 : 1;
}
