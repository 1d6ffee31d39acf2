// SPDX-License-Identifier: Apache-2.0
#include "scan/scan.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "report/demangle.h"
#include "scan/names.h"
#include "scan/recovered.h"
#include "scan/sweep.h"
#include "trap/x86/compiler_trap.h"

namespace kebound::scan {
namespace {

// Greater than any kind of clang's, and kinds that C and C++ have no use for.
constexpr uint8_t kLastKnownKind = 0x1f;
constexpr uint8_t kKindsOfOthers[] = {0x02, 0x09, 0x0e, 0x0f};
constexpr size_t kMostKinds = 16;

// With -ubsan-unique-traps clang numbers the traps of a function: many different numbers, and ones
// that are no kinds.
bool are_unique(const std::vector<Trap>& traps) {
  std::set<uint8_t> numbers;
  for (const Trap& trap : traps) {
    if (trap.numbered) numbers.insert(trap.number);
  }
  if (numbers.empty()) return false;
  const auto foreign = std::count_if(std::begin(kKindsOfOthers), std::end(kKindsOfOthers),
                                     [&](uint8_t kind) { return numbers.contains(kind); });
  return *numbers.rbegin() > kLastKnownKind || numbers.size() > kMostKinds || foreign > 1;
}

std::optional<CheckKind> kind_of_number(uint8_t number) {
  switch (number) {
    case x86::kUbsanOutOfBounds:
      return CheckKind::ArrayBounds;
    case x86::kUbsanPointerOverflow:
      return CheckKind::PointerOverflow;
    case x86::kUbsanTypeMismatch:
      return CheckKind::ObjectSize;
    default:
      return std::nullopt;
  }
}

class Scanner {
 public:
  Scanner(const Image& image, Names* names, bool everything)
      : image_(image), names_(names), everything_(everything), swept_(sweep(image)) {}

  Result run() {
    ImageResult& about = out_.image;
    about.bits64 = image_.mode() == CodeMode::Bits64;
    about.position_independent = image_.is_position_independent();
    about.has_symbols = image_.has_symbols();
    about.has_unwind_table = image_.has_unwind_table();
    about.code_bytes = swept_.code_bytes;
    about.unknown_bytes = swept_.unknown_bytes;
    about.unique_traps = are_unique(swept_.traps);
    for (const SweptFunction& function : swept_.functions) {
      FunctionResult result;
      result.begin = function.range.begin;
      result.end = function.range.end;
      result.accesses = function.accesses;
      out_.functions.push_back(std::move(result));
    }
    const std::vector<RecoveredTrap> recovered = recover_all(image_, swept_, names_);
    for (size_t i = 0; i < recovered.size(); ++i) add_trap(swept_.traps[i], recovered[i]);
    for (const CheckCall& call : swept_.calls) add_call(call);
    for (const HardwareCheck& check : swept_.hardware) add_hardware(check);
    finish();
    return std::move(out_);
  }

 private:
  std::vector<report::SourceFrame> frames_at(uint64_t address) {
    return names_ != nullptr ? names_->frames_at(address) : std::vector<report::SourceFrame>();
  }

  void add_trap(const Trap& trap, const RecoveredTrap& recovered) {
    Check check;
    check.failure = check.address = trap.address;
    if (trap.numbered && !out_.image.unique_traps) {
      const auto kind = kind_of_number(trap.number);
      if (!kind) {
        ++out_.other_traps;
        return;
      }
      check.source = BoundSource::ClangTrap;
      check.kind = *kind;
      add_edges(recovered, check, true);
      return;
    }
    if (trap.numbered) {
      check.source = BoundSource::ClangTrap;
    } else {
      check.message = recovered.message;
      if (!check.message.empty()) {
        check.source = BoundSource::LibcxxHardening;
        check.kind = CheckKind::Assertion;
        add_edges(recovered, check, true);
        return;
      }
    }
    add_edges(recovered, check, false);
  }

  // A check for each branch that leads to the trap. `is_bounds`: it is one of bounds in any case;
  // else only where the code behind it shows that.
  void add_edges(const RecoveredTrap& recovered, const Check& prototype, bool is_bounds) {
    size_t added = 0;
    for (const Recovered& edge : recovered.checks) {
      if (!is_bounds && !edge.is_check) continue;
      ++added;
      Check check = prototype;
      check.branch = edge.branch;
      check.address = edge.compare != 0 ? edge.compare : edge.branch;
      // Of pointers and objects something else than an index is compared.
      const bool indexed = check.kind == CheckKind::ArrayBounds ||
                           (check.kind == CheckKind::Assertion && edge.known != Known::No);
      if (indexed) {
        check.known = edge.known;
        check.index = edge.index;
        check.limit = edge.limit;
        check.limit_passes = edge.limit_passes;
        check.width = edge.width;
        check.resumable = edge.resumable && edge.known != Known::No;
        check.why = doubt_text(edge.doubt);
      } else {
        check.why = doubt_text(Doubt::NotABoundsCheck);
      }
      if (out_.image.unique_traps && check.why.empty() && !check.resumable) {
        check.why = doubt_text(Doubt::UniqueTraps);
      }
      check.place = place_of(frames_at(check.branch));
      add(std::move(check));
    }
    if (added > 0) return;
    if (!is_bounds) {
      ++out_.other_traps;
      return;
    }
    Check check = prototype;
    check.why = doubt_text(recovered.doubt == Doubt::None ? Doubt::NoBranch : recovered.doubt);
    check.place = place_of(frames_at(check.failure));
    add(std::move(check));
  }

  void add_call(const CheckCall& call) {
    // What a checking function calls is a part of it: statically linked runtimes.
    const Function* caller = image_.function_at(call.address);
    if (caller != nullptr && checking_function(caller->symbol)) return;
    Check check;
    check.source = call.checking.source;
    check.kind = call.checking.kind;
    check.known = call.checking.known;
    check.why = call.checking.why;
    check.address = check.failure = call.address;
    check.callee = report::demangle(std::string(call.callee).c_str());
    check.place = place_of(frames_at(call.address));
    add(std::move(check));
  }

  void add_hardware(const HardwareCheck& hardware) {
    Check check;
    check.source = hardware.source;
    check.address = check.failure = hardware.address;
    if (hardware.source == BoundSource::X86Bound) {
      check.known = Known::Certain;
      check.resumable = true;
    } else {
      check.kind = CheckKind::PointerOverflow;
      check.why = "the bounds are in registers that are not saved with the others";
    }
    check.place = place_of(frames_at(hardware.address));
    add(std::move(check));
  }

  void add(Check check) {
    const uint64_t at = check.branch != 0 ? check.branch : check.failure;
    auto after = std::upper_bound(
        out_.functions.begin(), out_.functions.end(), at,
        [](uint64_t value, const FunctionResult& function) { return value < function.begin; });
    if (after == out_.functions.begin()) return;  // the sweep has seen it in one of them
    --after;
    check.function = static_cast<size_t>(after - out_.functions.begin());
    ++after->checks;
    after->guarded |= check.source != BoundSource::StackProtector;
    out_.image.has_lines |= check.place.line != 0;
    out_.checks.push_back(std::move(check));
  }

  void finish() {
    std::sort(out_.checks.begin(), out_.checks.end(), [](const Check& a, const Check& b) {
      return std::pair(a.address, a.failure) < std::pair(b.address, b.failure);
    });
    for (FunctionResult& function : out_.functions) {
      if (const Function* known = image_.function_at(function.begin)) {
        function.name = report::demangle(known->symbol.c_str());
      }
      if (function.checks > 0) find_place(function);
    }
    std::vector<size_t> unguarded = unguarded_functions(out_);
    if (!everything_ && unguarded.size() > kFewFunctions) unguarded.resize(kFewFunctions);
    for (const size_t index : unguarded) find_place(out_.functions[index]);
  }

  void find_place(FunctionResult& function) {
    if (function.place.line != 0) return;
    const auto frames = frames_at(function.begin);
    if (frames.empty()) return;
    // The function itself, not what is inlined at its beginning.
    const report::SourceFrame& own = frames.back();
    if (function.name.empty()) function.name = own.function;
    function.place = {own.file, own.line};
    out_.image.has_lines |= own.line != 0;
  }

  const Image& image_;
  Names* names_;
  bool everything_;
  const Sweep swept_;
  Result out_;
};

}  // namespace

const char* known_name(Known known) {
  switch (known) {
    case Known::No:
      return "unknown";
    case Known::Likely:
      return "likely";
    case Known::Certain:
      return "certain";
    case Known::Arguments:
      return "arguments";
  }
  return "unknown";
}

std::vector<size_t> unguarded_functions(const Result& result) {
  std::vector<size_t> indexes;
  for (size_t i = 0; i < result.functions.size(); ++i) {
    if (result.functions[i].accesses > 0 && !result.functions[i].guarded) indexes.push_back(i);
  }
  std::stable_sort(indexes.begin(), indexes.end(), [&](size_t a, size_t b) {
    return result.functions[a].accesses > result.functions[b].accesses;
  });
  return indexes;
}

Result scan_image(const Image& image, Names* names, bool everything) {
  return Scanner(image, names, everything).run();
}

}  // namespace kebound::scan
