// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "include/nt/kebound_nt/loader_entry.h"
#include "include/nt/wdm.h"

namespace kebound::driver {

// A DRIVER_OBJECT with all that it points to. Not movable: it points into itself.
class DriverObject {
 public:
  DriverObject(const std::string& name, const std::string& path, uint64_t base, uint64_t size,
               uint32_t loader_flags);
  DriverObject(const DriverObject&) = delete;
  DriverObject& operator=(const DriverObject&) = delete;

  [[nodiscard]] DRIVER_OBJECT& object() noexcept { return object_; }
  [[nodiscard]] KEBOUND_LOADER_ENTRY& loader_entry() noexcept { return loader_entry_; }
  // \Registry\Machine\System\CurrentControlSet\Services\<name>
  [[nodiscard]] UNICODE_STRING& registry_path() noexcept { return registry_path_; }

 private:
  std::u16string driver_name_;
  std::u16string service_name_;
  std::u16string file_path_;
  std::u16string file_name_;
  std::u16string registry_text_;
  UNICODE_STRING registry_path_;
  KEBOUND_LOADER_ENTRY loader_entry_{};
  DRIVER_EXTENSION extension_{};
  DRIVER_OBJECT object_{};
};

}  // namespace kebound::driver
