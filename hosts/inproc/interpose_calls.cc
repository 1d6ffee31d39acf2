// SPDX-License-Identifier: Apache-2.0
//
// Checks that end in a call, for the preload library: it stands in front of the functions that
// compilers and libraries call when an index or a size is wrong. A call that is no bounds failure,
// or that nobody handles, goes on in the function itself.
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic.h"
#include "hosts/inproc/bug_check.h"
#include "hosts/inproc/call_entry.h"
#include "hosts/inproc/check_trap.h"
#include "hosts/inproc/image.h"
#include "hosts/inproc/interpose.h"
#include "hosts/inproc/machine.h"
#include "hosts/inproc/trap_handler.h"
#include "trap/calls/call_event.h"

namespace kebound::inproc {
namespace {

using calls::CallFrame;
using calls::CallSource;
using calls::Shape;

constexpr bool kIs64bit = sizeof(void*) == 8;

#define KEBOUND_NAME(number, symbol) #symbol,
constexpr const char* kNames[] = {
    KEBOUND_CALL_SYMBOLS(KEBOUND_NAME, KEBOUND_NAME, KEBOUND_NAME, KEBOUND_NAME)};
#undef KEBOUND_NAME
static_assert(sizeof kNames / sizeof *kNames == KEBOUND_CALL_SYMBOL_COUNT);

constinit Atomic<const CallSource*> g_sources[KEBOUND_CALL_SYMBOL_COUNT];
constinit Atomic<const void*> g_found[KEBOUND_CALL_SYMBOL_COUNT];
constinit Atomic<calls::FamilySet> g_families{0};

const CallSource* source_of(unsigned number) noexcept {
  const CallSource* source = g_sources[number].load(MemoryOrder::Relaxed);
  if (source != nullptr) return source;
  source = calls::find_call_source(kNames[number], strlen(kNames[number]), kIs64bit);
  g_sources[number].store(source, MemoryOrder::Relaxed);
  return source;
}

size_t read_own(void*, uint64_t address, void* buffer, size_t size) noexcept {
  return kebound_copy(buffer, reinterpret_cast<const void*>(static_cast<uintptr_t>(address)), size);
}

// What the caller would have called without us. In a plugin's own libraries it is not found by the
// way that all images share: then by the caller's.
const void* find_original(unsigned number, uint64_t caller) noexcept {
  const void* found = g_found[number].load(MemoryOrder::Acquire);
  if (found != nullptr) return found;
  const char* const name = kNames[number];
  found = dlsym(RTLD_NEXT, name);
  if (found != nullptr) {
    g_found[number].store(found, MemoryOrder::Release);
    __atomic_store_n(&kebound_originals[number], found, __ATOMIC_RELEASE);
    return found;
  }
  const Image image = image_of(caller);
  if (!image.found() || *image.path == '\0') return nullptr;
  void* const handle = dlopen(image.path, RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return nullptr;
  found = dlsym(handle, name);
  dlclose(handle);
  return found != kebound_call_entries[number] ? found : nullptr;
}

// Asked about every call of a function that the entry does not judge by itself.
bool exceeds(const CallSource& source, const CallFrame& frame) noexcept {
  if (source.shape != Shape::String && source.shape != Shape::Concatenation) {
    return calls::exceeds_object(source, frame);
  }
  // What the function is going to read anyway, with the C library's own speed.
  uint64_t text = 0;
  uint64_t size = 0;
  uint64_t object = 0;
  uint64_t limit = SIZE_MAX;
  if (!frame.argument(source.count, text) || !frame.argument(source.size, size)) return false;
  if (source.limit != calls::kNoArgument && !frame.argument(source.limit, limit)) return false;
  const auto pointer = [](uint64_t address) {
    return reinterpret_cast<const char*>(static_cast<uintptr_t>(address));
  };
  uint64_t before = 0;
  if (source.shape == Shape::Concatenation) {
    if (!frame.argument(source.object, object)) return false;
    before = strnlen(pointer(object), static_cast<size_t>(size));
  }
  const uint64_t room = before < size ? size - before : 0;
  const uint64_t most = limit < room ? limit : room;
  return strnlen(pointer(text), static_cast<size_t>(most)) >= room;
}

// Whether a format has %n.
bool stores(const char* format) noexcept {
  for (const char* at = format; (at = strchr(at, '%')) != nullptr; ++at) {
    ++at;
    at += strspn(at, "0123456789$*.-+ #'hlLqjzt");
    if (*at == 'n') return true;
    if (*at == '\0') return false;
  }
  return false;
}

enum class Printing : uint8_t {
  NotTried,  // that is the function's
  Done,      // all of it fits; `saved` returns
  Exceeds,   // `length` says what there would be
};

// Writes no more than there is room for, as the function would; if that is all, it is done.
Printing print(const CallSource& source, const CallFrame& frame, CallRegisters& saved,
               int& length) noexcept {
  constexpr unsigned kFormat = 3;
  const bool is_list = strcmp(source.symbol, "__vsprintf_chk") == 0;
  uint64_t object = 0;
  uint64_t size = 0;
  uint64_t format = 0;
  if (!frame.argument(0, object) || !frame.argument(source.size, size) ||
      !frame.argument(kFormat, format) || size == 0 || size > INT_MAX) {
    return Printing::NotTried;
  }
  // What it stores would be stored twice.
  if (stores(reinterpret_cast<const char*>(static_cast<uintptr_t>(format)))) {
    return Printing::NotTried;
  }
  length = print_arguments(saved, reinterpret_cast<char*>(static_cast<uintptr_t>(object)),
                           static_cast<size_t>(size), kFormat, is_list);
  if (length < 0) return Printing::NotTried;
  if (static_cast<uint64_t>(length) >= size) return Printing::Exceeds;
  return_from_call(saved, length);
  return Printing::Done;
}

void say_printed(int length, uint64_t size, calls::CallEvent& call) noexcept {
  BoundEvent& event = call.event;
  event.confidence = Confidence::Certain;
  event.doubt = Doubt::CallNotResumable;
  event.index = length;  // the 0 behind the text
  event.index_raw = static_cast<uint64_t>(length);
  event.index_width = sizeof(void*) * 8;
  event.upper = static_cast<int64_t>(size) - 1;
}

// True: handled, `saved` says how the thread goes on.
bool ask_callbacks(const CallSource& source, const CallFrame& frame, int printed,
                   CallRegisters& saved) noexcept {
  calls::CallEvent call;
  if (!calls::read_call_event(source, frame, call)) return false;
  recover_called_check(call);
  if (source.shape == Shape::Printed) {
    uint64_t size = 0;
    static_cast<void>(frame.argument(source.size, size));
    say_printed(printed, size, call);
  }
  x86::Registers resumed;
  if (!dispatch_call(call, resumed)) return false;
  write_call_registers(resumed, saved);
  return true;
}

[[noreturn]] void no_such_function(const char* name) noexcept {
  Line line;
  line.text("kebound: ").text(name).text(": called, but no library of the program has it").write();
  abort();
}

}  // namespace

void watch_calls(calls::FamilySet families) noexcept {
  // The C library is there from the beginning, and this is the time to ask the loader.
  for (unsigned i = 0; i < KEBOUND_CALL_SYMBOL_COUNT; ++i) {
    const CallSource* const source = source_of(i);
    if (source != nullptr && source->family == calls::Family::Fortify) {
      static_cast<void>(find_original(i, 0));
    }
  }
  g_families.store(families, MemoryOrder::Release);
}

}  // namespace kebound::inproc

int kebound_on_call(kebound::inproc::CallRegisters* saved, unsigned number) noexcept {
  using namespace kebound;
  using namespace kebound::inproc;
  const int error = errno;
  const CallSource* const source = source_of(number);
  CallFrame frame;
  frame.is_64bit = kIs64bit;
  frame.memory = {nullptr, read_own};
  read_call_registers(*saved, frame.entry);
  frame.entry.rip = reinterpret_cast<uintptr_t>(kebound_call_entries[number]);
  uint64_t caller = 0;
  memcpy(&caller, reinterpret_cast<const void*>(static_cast<uintptr_t>(frame.entry.gpr[x86::Rsp])),
         sizeof(void*));
  const void* const original = find_original(number, caller);
  // Nothing has such a function: whoever calls it found ours by asking for it.
  if (original == nullptr) no_such_function(kNames[number]);
  go_on_at(*saved, original);
  errno = error;
  const bool on = source != nullptr &&
                  (g_families.load(MemoryOrder::Acquire) & calls::family_bit(source->family)) != 0;
  if (!on) return 0;
  int printed = 0;
  if (source->family == calls::Family::Fortify) {
    if (source->shape == Shape::Printed) {
      const Printing printing = print(*source, frame, *saved, printed);
      if (printing != Printing::Exceeds) return printing == Printing::Done;
    } else if (!exceeds(*source, frame)) {
      return 0;
    }
  }
  const bool handled = ask_callbacks(*source, frame, printed, *saved);
  errno = error;
  return handled;
}
