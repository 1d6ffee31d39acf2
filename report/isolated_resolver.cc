// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "report/resolver.h"
#include "report/symbol_process.h"
#include "report/symbolizer.h"
#include "report/wire.h"

namespace kebound::report {
namespace {

enum class Request : uint8_t { Locate = 1, Backtrace = 2, Arrays = 3, Function = 4 };

// After as many dead workers the report goes on without names: each may have cost its whole time
// limit.
constexpr unsigned kMaxWorkers = 4;

// The worker's side.
class Server {
 public:
  explicit Server(ResolverFactory factory) : factory_(std::move(factory)) {}

  std::string answer(std::string_view request) {
    if (!resolver_) resolver_ = factory_();
    wire::Reader in(request);
    wire::Writer out;
    switch (in.value<Request>()) {
      case Request::Locate:
        locate(in, out);
        break;
      case Request::Arrays:
        find(&Resolver::arrays_at, in, out);
        break;
      case Request::Function:
        find(&Resolver::function_at, in, out);
        break;
      case Request::Backtrace:
        backtrace(in, out);
        break;
    }
    return out.bytes();
  }

 private:
  // One mapping is all that is needed: most requests are of this kind, and maps can be long.
  void get_one_mapping(wire::Reader& in, events::ModuleMap& map) {
    map.generation = next_generation_--;
    map.is_64bit = in.flag();
    map.mappings.push_back(wire::get_mapping(in));
  }

  void locate(wire::Reader& in, wire::Writer& out) {
    events::ModuleMap map;
    get_one_mapping(in, map);
    const auto address = in.value<uint64_t>();
    std::vector<StackFrame> frames;
    if (in.ok()) frames.push_back({address, resolver_->locate(map, address)});
    wire::put(out, frames);
  }

  // An answer of nothing is one that has its first values.
  template <class Answer>
  void find(std::optional<Answer> (Resolver::*question)(const events::ModuleMap&, uint64_t),
            wire::Reader& in, wire::Writer& out) {
    events::ModuleMap map;
    get_one_mapping(in, map);
    const auto address = in.value<uint64_t>();
    std::optional<Answer> answer;
    if (in.ok()) answer = (resolver_.get()->*question)(map, address);
    out.value(answer.value_or(Answer()));
  }

  void backtrace(wire::Reader& in, wire::Writer& out) {
    if (in.flag()) {
      map_ = std::make_unique<events::ModuleMap>();
      map_->generation = in.value<uint64_t>();
      map_->is_64bit = in.flag();
      for (auto count = in.value<uint32_t>(); count > 0 && in.ok(); --count) {
        map_->mappings.push_back(wire::get_mapping(in));
      }
    }
    const auto registers = in.value<x86::Registers>();
    events::StackSnapshot stack;
    stack.address = in.value<uint64_t>();
    const auto bytes = in.text();
    stack.bytes.assign(bytes.begin(), bytes.end());
    std::vector<StackFrame> frames;
    if (in.ok() && map_) frames = resolver_->backtrace(registers, stack, *map_);
    wire::put(out, frames);
  }

  ResolverFactory factory_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<events::ModuleMap> map_;
  uint64_t next_generation_ = ~uint64_t{0} - 1;  // from the far end: the hosts count upwards
};

class IsolatedResolver final : public Resolver {
 public:
  explicit IsolatedResolver(std::unique_ptr<SymbolProcess> process)
      : process_(std::move(process)) {}

  Location locate(const events::ModuleMap& modules, uint64_t address) override {
    const auto* mapping = find_mapping(modules, address);
    if (mapping == nullptr || !is_module(*mapping)) return {};
    auto frames = ask(about(Request::Locate, modules, *mapping, address));
    if (frames.empty()) return {mapping->path, std::nullopt, {}, {}};
    return std::move(frames[0].location);
  }

  std::optional<x86::ArrayNest> arrays_at(const events::ModuleMap& modules,
                                          uint64_t address) override {
    const auto* mapping = find_data_mapping(modules, address);
    if (mapping == nullptr) return std::nullopt;
    const auto arrays = find<x86::ArrayNest>(Request::Arrays, modules, *mapping, address);
    const bool known = arrays && arrays->count != 0 && arrays->count <= x86::ArrayNest::kMax;
    return known ? arrays : std::nullopt;
  }

  std::optional<x86::FunctionFacts> function_at(const events::ModuleMap& modules,
                                                uint64_t address) override {
    const auto* mapping = find_mapping(modules, address);
    if (mapping == nullptr || !is_module(*mapping)) return std::nullopt;
    const auto facts = find<x86::FunctionFacts>(Request::Function, modules, *mapping, address);
    const bool knows = facts && are_sound(*facts) && *facts != x86::FunctionFacts();
    return knows ? facts : std::nullopt;
  }

  std::vector<StackFrame> backtrace(const x86::Registers& registers,
                                    const events::StackSnapshot& stack,
                                    const events::ModuleMap& modules) override {
    std::vector<StackFrame> frames;
    if (process_->workers_started() <= kMaxWorkers && process_->ensure_worker()) {
      const auto known = std::pair(process_->workers_started(), modules.generation);
      wire::Writer out;
      out.value(Request::Backtrace);
      out.value(uint8_t{known != known_});
      if (known != known_) put_map(out, modules);
      out.value(registers);
      out.value(stack.address);
      out.text({reinterpret_cast<const char*>(stack.bytes.data()), stack.bytes.size()});
      frames = ask(out.bytes());
      known_ = known;
    }
    if (frames.empty()) frames.push_back({registers.rip, locate(modules, registers.rip)});
    return frames;
  }

 private:
  template <class Answer>
  std::optional<Answer> find(Request request, const events::ModuleMap& modules,
                             const events::Mapping& mapping, uint64_t address) {
    if (process_->workers_started() > kMaxWorkers) return std::nullopt;
    const auto answer = process_->ask(about(request, modules, mapping, address));
    if (!answer) return std::nullopt;
    wire::Reader in(*answer);
    const auto found = in.value<Answer>();
    return in.ok() ? std::optional(found) : std::nullopt;
  }

  std::string about(Request request, const events::ModuleMap& modules,
                    const events::Mapping& mapping, uint64_t address) const {
    wire::Writer out;
    out.value(request);
    out.value(uint8_t{modules.is_64bit});
    put_mapping(out, mapping);
    out.value(address);
    return out.bytes();
  }

  void put_mapping(wire::Writer& out, const events::Mapping& mapping) const {
    static constexpr std::string_view kOwn = "/proc/self/";
    if (!mapping.open_path.starts_with(kOwn)) {
      wire::put(out, mapping);
      return;
    }
    auto there = mapping;
    there.open_path =
        "/proc/" + std::to_string(getpid()) + "/" + mapping.open_path.substr(kOwn.size());
    wire::put(out, there);
  }

  void put_map(wire::Writer& out, const events::ModuleMap& modules) const {
    out.value(modules.generation);
    out.value(uint8_t{modules.is_64bit});
    out.value(static_cast<uint32_t>(modules.mappings.size()));
    for (const auto& mapping : modules.mappings) put_mapping(out, mapping);
  }

  std::vector<StackFrame> ask(const std::string& request) {
    if (process_->workers_started() > kMaxWorkers) return {};
    const auto answer = process_->ask(request);
    if (!answer) return {};
    wire::Reader in(*answer);
    return wire::get_frames(in);
  }

  std::unique_ptr<SymbolProcess> process_;
  std::pair<unsigned, uint64_t> known_ = {0,
                                          0};  // worker, and the generation of the map that it has
};

}  // namespace

std::unique_ptr<Resolver> make_isolated_resolver(ResolverFactory factory, unsigned seconds) {
  auto server = std::make_shared<Server>(std::move(factory));
  auto process = SymbolProcess::start(
      [server](std::string_view request) { return server->answer(request); }, seconds);
  if (!process) return nullptr;
  return std::make_unique<IsolatedResolver>(std::move(process));
}

std::unique_ptr<Resolver> make_isolated_resolver(const std::string& debug_path, unsigned seconds) {
  return make_isolated_resolver([debug_path] { return make_local_resolver(debug_path); }, seconds);
}

}  // namespace kebound::report
