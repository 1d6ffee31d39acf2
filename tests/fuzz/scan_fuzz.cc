// SPDX-License-Identifier: Apache-2.0
//
// The input is an ELF file. Whatever it is, a scan refuses it with a reason or comes to an end, and
// what it finds lies in functions that it has found.
#include "scan/scan.h"
#include "tests/fuzz/fuzz_target.h"

using kebound::fuzz::fail_if;
using namespace kebound::scan;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Refusal refusal;
  const auto image = Image::from_bytes({data, data + size}, refusal);
  if (!image) {
    fail_if(refusal.why.empty() || refusal.remedy.empty() ? "refused without a reason" : "");
    return 0;
  }
  const Result result = scan_image(*image, nullptr);
  uint64_t end = 0;
  for (const FunctionResult& function : result.functions) {
    fail_if(function.begin < end || function.end <= function.begin ? "functions overlap" : "");
    end = function.end;
  }
  for (const Check& check : result.checks) {
    fail_if(check.function >= result.functions.size() ? "a check in no function" : "");
    fail_if(check.resumable && check.known == Known::No ? "resumable without an index" : "");
  }
  fail_if(text_report(result, true).empty() ? "no text" : "");
  fail_if(json_report(result).empty() ? "no JSON" : "");
  return 0;
}
