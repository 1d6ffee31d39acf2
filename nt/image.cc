// SPDX-License-Identifier: Apache-2.0
//
// The list of loaded images, and names for addresses in them.
#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "nt/facility.h"
#include "nt/image_list.h"
#include "nt/report.h"

namespace kebound::nt {

namespace {

struct ImageList {
  std::shared_mutex mutex;
  std::vector<Image*> images;
};

// Never destroyed: callbacks of other threads may still ask while the process exits.
ImageList& image_list() noexcept {
  static auto* list = new ImageList;
  return *list;
}

}  // namespace

bool Image::contains_code(uint64_t address) const noexcept {
  const size_t count = std::min(executable_count, kMaxRanges);
  return std::any_of(executable, executable + count, [address](const Range& range) {
    return address >= range.begin && address < range.end;
  });
}

void list_image(Image* image) {
  ImageList& list = image_list();
  const std::unique_lock lock(list.mutex);
  list.images.push_back(image);
}

void unlist_image(const Image* image) noexcept {
  ImageList& list = image_list();
  const std::unique_lock lock(list.mutex);
  std::erase(list.images, image);
}

// The smallest that holds it: the program as an image may enclose the built-in driver's section.
const Image* Facility::image_of(uint64_t address) noexcept {
  ImageList& list = image_list();
  const std::shared_lock lock(list.mutex);
  const Image* found = nullptr;
  for (const Image* image : list.images) {
    if (!image->contains_code(address)) continue;
    if (found == nullptr || image->end - image->base < found->end - found->base) found = image;
  }
  return found;
}

std::string Facility::describe(uint64_t address) {
  const Image* image = image_of(address);
  if (image == nullptr) return hex(address);
  const auto after = std::upper_bound(
      image->symbols.begin(), image->symbols.end(), address,
      [](uint64_t wanted, const Image::Symbol& symbol) { return wanted < symbol.address; });
  if (after != image->symbols.begin()) {
    const Image::Symbol& symbol = *(after - 1);
    const uint64_t offset = address - symbol.address;
    if (symbol.size == 0 || offset < symbol.size) {
      return image->name + "!" + symbol.name + (offset != 0 ? "+" + hex(offset) : std::string());
    }
  }
  return image->name + "+" + hex(address - image->base);
}

}  // namespace kebound::nt
