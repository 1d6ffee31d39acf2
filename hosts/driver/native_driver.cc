// SPDX-License-Identifier: Apache-2.0
#include "hosts/driver/native_driver.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "hosts/driver/driver_object.h"
#include "hosts/driver/elf_check.h"
#include "hosts/driver/trial_load.h"
#include "nt/deferred.h"
#include "nt/host.h"
#include "nt/object_namespace.h"
#include "nt/pool.h"
#include "nt/report.h"
#include "nt/system_threads.h"

namespace kebound::driver {

struct NativeDriver::State {
  std::string name;
  std::string path;
  void* library = nullptr;
  std::unique_ptr<nt::Image> image;
  std::unique_ptr<DriverObject> object;
};

namespace {

using Kind = LoadError::Kind;

// What must outlive its driver is kept here until the host ends.
template <class T>
void keep(std::unique_ptr<T> object) {
  static auto* mutex = new std::mutex;
  static auto* kept = new std::vector<std::unique_ptr<T>>;
  const std::lock_guard lock(*mutex);
  kept->push_back(std::move(object));
}

[[nodiscard]] std::string stem_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  std::string base = slash == std::string::npos ? path : path.substr(slash + 1);
  if (base.size() > 3 && base.compare(base.size() - 3, 3, ".so") == 0) base.resize(base.size() - 3);
  return base;
}

[[nodiscard]] std::string demangled(const std::string& name) {
  if (name.compare(0, 2, "_Z") != 0) return name;
  int status = 0;
  const std::unique_ptr<char, decltype(&free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &free);
  return status == 0 && text != nullptr ? std::string(text.get()) : name;
}

// All that the driver imports and nobody here, nor a library that it names, provides. False if such
// a library cannot be loaded: then the loader's message is the better one.
[[nodiscard]] bool find_missing(const ElfFacts& facts, std::vector<std::string>& missing) {
  std::vector<void*> libraries;
  bool complete = true;
  for (const std::string& needed : facts.needed) {
    void* library = dlopen(needed.c_str(), RTLD_LAZY | RTLD_LOCAL);
    complete = complete && library != nullptr;
    if (library != nullptr) libraries.push_back(library);
  }
  for (const std::string& name : facts.imports) {
    const auto provides = [&name](void* library) {
      return dlsym(library, name.c_str()) != nullptr;
    };
    if (dlsym(RTLD_DEFAULT, name.c_str()) != nullptr) continue;
    if (std::none_of(libraries.begin(), libraries.end(), provides)) missing.push_back(name);
  }
  for (void* library : libraries) dlclose(library);
  return complete;
}

[[nodiscard]] std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Where the loader put it.
struct Mapping {
  uint64_t load_address;
  nt::Image* image;
};

int collect_ranges(dl_phdr_info* info, size_t, void* argument) {
  auto& mapping = *static_cast<Mapping*>(argument);
  if (info->dlpi_addr != mapping.load_address) return 0;
  nt::Image& image = *mapping.image;
  image.base = UINT64_MAX;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const uint64_t begin = info->dlpi_addr + header.p_vaddr;
    const uint64_t end = begin + header.p_memsz;
    image.base = std::min(image.base, begin);
    image.end = std::max(image.end, end);
    if ((header.p_flags & PF_X) != 0 && image.executable_count < nt::Image::kMaxRanges) {
      image.executable[image.executable_count++] = {begin, end};
    }
  }
  return 1;
}

[[nodiscard]] std::unique_ptr<nt::Image> make_image(const std::string& name, void* library,
                                                    const ElfFacts& facts) {
  auto image = std::make_unique<nt::Image>();
  image->name = name;
  link_map* map = nullptr;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return nullptr;
  Mapping mapping = {map->l_addr, image.get()};
  if (dl_iterate_phdr(collect_ranges, &mapping) != 1) return nullptr;
  for (const ElfSymbol& function : facts.functions) {
    image->symbols.push_back(
        {map->l_addr + function.value, function.size, demangled(function.name)});
  }
  std::stable_sort(image->symbols.begin(), image->symbols.end(),
                   [](const auto& a, const auto& b) { return a.address < b.address; });
  return image;
}

void report(const nt::Image& image, const char* rule, std::string message) {
  nt::Violation violation;
  violation.rule = rule;
  violation.driver = image.name;
  violation.message = std::move(message);
  nt::host().violation(violation);
}

// CONTRACT, Driver life. False when something of the driver still runs, so that its memory must
// stay mapped.
bool take_leftovers(nt::Image& image, const DRIVER_OBJECT& object) {
  for (const std::string& what : nt::cancel_deferred_of(image)) {
    report(image, "timer-left-behind",
           what + " is still pending while " + image.name + " unloads; it was cancelled");
  }
  nt::Facility::remove_image(&image);
  // After the wait above: what ran until then may have made more of it.
  for (const std::string& what : nt::cancel_deferred_of(image)) {
    report(image, "timer-left-behind",
           what + " is still pending while " + image.name + " unloads; it was cancelled");
  }
  for (const std::string& what : nt::take_objects_left(image, &object)) {
    report(image, "object-left-behind",
           what + " still exists while " + image.name + " unloads; it was deleted");
  }
  for (const nt::PoolLeak& leak : nt::take_pool_leaks(image)) {
    report(image, "pool-leak",
           std::to_string(leak.bytes) + " bytes in " + std::to_string(leak.blocks) +
               " pool blocks with tag '" + leak.tag + "' were not freed by " + image.name);
  }
  const size_t threads = nt::system_threads_of(image);
  if (threads == 0) return true;
  report(image, "thread-left-behind",
         std::to_string(threads) + " system threads of " + image.name +
             " still run while it unloads; its code stays mapped");
  return false;
}

NTSTATUS enter(nt::Thread& thread, const nt::Image& image, PDRIVER_INITIALIZE entry,
               DriverObject& object) {
  const nt::ScopedInside inside(thread, &image);
  return entry(&object.object(), &object.registry_path());
}

bool fail(LoadError& error, Kind kind, std::string why, std::string remedy) {
  error.kind = kind;
  error.why = std::move(why);
  error.remedy = std::move(remedy);
  return false;
}

// Everything up to the moment at which code of the driver may run.
bool check(const std::string& path, ElfFacts& facts, LoadError& error) {
  if (!read_elf(path, facts, error)) return false;
  std::vector<std::string> missing;
  if (find_missing(facts, missing) && !missing.empty()) {
    return fail(error, Kind::MissingSymbols,
                "needs routines that kebound does not export: " + joined(missing),
                "remove the calls, or link what provides them into the driver");
  }
  if (void* loaded = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD)) {
    dlclose(loaded);
    return fail(error, Kind::LoaderRefused, "is loaded already",
                "load each driver once; a copy of the file counts as another");
  }
  std::string why;
  if (!trial_load(path, why))
    return fail(error, Kind::LoaderRefused, std::move(why), "build the driver again");
  return true;
}

}  // namespace

NativeDriver::NativeDriver(std::unique_ptr<State> state)
    : name_(state->name), state_(std::move(state)) {}

std::unique_ptr<NativeDriver> NativeDriver::load(const std::string& path, LoadError& error) {
  nt::Thread* const thread = nt::current_thread();
  if (thread == nullptr) {
    fail(error, Kind::LoaderRefused, "is loaded on a thread that is no NT thread",
         "call enter_thread() first");
    return nullptr;
  }
  // The loader searches its path for a name without a slash; we mean the file.
  const std::unique_ptr<char, decltype(&free)> resolved(realpath(path.c_str(), nullptr), &free);
  auto state = std::make_unique<State>();
  state->path = resolved != nullptr ? resolved.get() : path;
  state->name = stem_of(path);
  ElfFacts facts;
  if (!check(state->path, facts, error)) return nullptr;

  state->library = dlopen(state->path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (state->library == nullptr) {
    const char* why = dlerror();
    fail(
        error, Kind::LoaderRefused,
        std::string("the dynamic loader refuses it: ") + (why != nullptr ? why : "no reason given"),
        "build the driver again");
    return nullptr;
  }
  auto* entry = reinterpret_cast<PDRIVER_INITIALIZE>(dlsym(state->library, "DriverEntry"));
  state->image = make_image(state->name, state->library, facts);
  if (entry == nullptr || state->image == nullptr ||
      !state->image->contains_code(reinterpret_cast<uint64_t>(entry))) {
    dlclose(state->library);
    fail(error, Kind::NoDriverEntry, "has a DriverEntry outside its code",
         "build the driver again");
    return nullptr;
  }
  state->object =
      std::make_unique<DriverObject>(state->name, state->path, state->image->base,
                                     state->image->end - state->image->base, facts.loader_flags);
  state->object->object().DriverInit = entry;
  state->image->loader_entry = &state->object->loader_entry();
  nt::Facility::add_image(state->image.get());

  const NTSTATUS status = enter(*thread, *state->image, entry, *state->object);
  std::unique_ptr<NativeDriver> driver(new NativeDriver(std::move(state)));
  if (NT_SUCCESS(status)) return driver;
  driver->discard();
  fail(error, Kind::EntryFailed, "DriverEntry returned " + nt::hex(static_cast<uint32_t>(status)),
       "see the driver's output for its reason");
  return nullptr;
}

void NativeDriver::discard() {
  const std::unique_ptr<State> state = std::move(state_);
  const bool quiet = take_leftovers(*state->image, state->object->object());
  state->image->loader_entry = nullptr;
  keep(std::move(state->image));  // an event that is still being reported may name it
  if (quiet) {
    dlclose(state->library);
  } else {
    keep(std::move(state->object));  // what still runs may use it
  }
}

bool NativeDriver::unload() {
  if (state_ == nullptr) return true;
  const PDRIVER_UNLOAD routine = state_->object->object().DriverUnload;
  if (routine == nullptr) return false;
  if (nt::Thread* const thread = nt::current_thread()) {
    const nt::ScopedInside inside(*thread, state_->image.get());
    routine(&state_->object->object());
  } else {
    return false;
  }
  discard();
  return true;
}

NativeDriver::~NativeDriver() {
  // As on NT, a driver without DriverUnload stays: its registrations, its code and what describes
  // it.
  if (!unload()) keep(std::move(state_));
}

const std::string& NativeDriver::name() const noexcept { return name_; }

}  // namespace kebound::driver
