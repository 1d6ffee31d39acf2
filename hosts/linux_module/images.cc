// SPDX-License-Identifier: Apache-2.0
//
// Modules as images. Whoever uses what this module exports was loaded after it, so that all images there
// can be are announced while they come.
#include "hosts/linux_module/images.h"

#include <new>

#include "hosts/linux_module/native.h"
#include "hosts/linux_module/threads.h"
#include "nt/image_list.h"
#include "nt/report.h"

namespace kebound::linux_module {

namespace {

constexpr uint32_t kMaxImages = 512;

struct ListedImage {
  nt::Image image;
  void* module = nullptr;
};

// A hole is a module that has gone.
constinit Atomic<ListedImage*> g_images[kMaxImages];

// Readers look without a lock; who takes an image away waits for them in unlist_image().
constinit Atomic<uint64_t> g_readers;

class ScopedReader {
 public:
  ScopedReader() noexcept { g_readers.fetch_add(1); }
  ScopedReader(const ScopedReader&) = delete;
  ScopedReader& operator=(const ScopedReader&) = delete;
  ~ScopedReader() { g_readers.fetch_add(~uint64_t{0}, MemoryOrder::Release); }
};

[[nodiscard]] Atomic<ListedImage*>* slot_of_module(const void* module) noexcept {
  for (Atomic<ListedImage*>& slot : g_images) {
    const ListedImage* const listed = slot.load(MemoryOrder::Acquire);
    if (listed != nullptr && listed->module == module) return &slot;
  }
  return nullptr;
}

}  // namespace

nt::Image* image_of_module(const void* module) noexcept {
  Atomic<ListedImage*>* const slot = slot_of_module(module);
  return slot != nullptr ? &slot->load(MemoryOrder::Acquire)->image : nullptr;
}

void free_images() noexcept {
  for (Atomic<ListedImage*>& slot : g_images) {
    ListedImage* const listed = slot.exchange(nullptr);
    if (listed == nullptr) continue;
    listed->~ListedImage();
    kb_free(listed);
  }
}

}  // namespace kebound::linux_module

using namespace kebound::linux_module;

extern "C" {

void kb_module_coming(void* module, const kb_image* from) {
  void* const memory = kb_allocate(sizeof(ListedImage));
  if (memory == nullptr) return;  // it cannot register anything, then
  auto* const listed = new (memory) ListedImage;
  kebound::nt::Image& image = listed->image;
  listed->module = module;
  image.name = std::string_view(from->name);
  image.base = from->begin;
  image.end = from->end;
  image.executable[image.executable_count++] = {from->text_begin, from->text_end};
  for (auto& slot : g_images) {
    ListedImage* expected = nullptr;
    if (slot.load(kebound::MemoryOrder::Relaxed) == nullptr && slot.compare_exchange(expected, listed))
      return;
  }
  listed->~ListedImage();
  kb_free(memory);
}

void kb_module_going(void* module) {
  kebound::nt::Image* const image = image_of_module(module);
  if (image == nullptr) return;
  remove_atomic_callbacks_of(*image);
  TaskThread* const thread = enter_running_task();
  if (thread == nullptr) {
    kebound::nt::Facility::remove_image(image);
  } else {
    // A bug check (windows profile) ends the search for what was left behind; the second one finds what
    // it did not remove.
    while (!run_guarded(*thread, [&] { kebound::nt::Facility::remove_image(image); })) {
    }
    release_thread(*thread);
  }
  forget_native_callbacks_of(image);
}

}  // extern "C"

namespace kebound::nt {

bool Image::contains_code(uint64_t address) const noexcept {
  for (size_t i = 0; i < executable_count; ++i) {
    if (address >= executable[i].begin && address < executable[i].end) return true;
  }
  return false;
}

void list_image(Image*) {}

void unlist_image(const Image* image) noexcept {
  for (auto& slot : g_images) {
    ListedImage* const listed = slot.load(MemoryOrder::Acquire);
    if (listed == nullptr || &listed->image != image) continue;
    slot.store(nullptr);
    while (g_readers.load() != 0) kb_sleep_ns(1'000'000);
    listed->~ListedImage();
    kb_free(listed);
    return;
  }
}

const Image* Facility::image_of(uint64_t address) noexcept {
  const ScopedReader reader;
  for (const auto& slot : g_images) {
    const ListedImage* const listed = slot.load();
    if (listed != nullptr && listed->image.contains_code(address)) return &listed->image;
  }
  return nullptr;
}

std::string Facility::describe(uint64_t address) {
  char text[160];
  kb_describe(address, text, sizeof text);
  return std::string(text);
}

}  // namespace kebound::nt
