// SPDX-License-Identifier: Apache-2.0
#include "nt/export_table.h"

#include <algorithm>

namespace kebound::nt {

const void* find_export(std::string_view name) noexcept {
  const Export* const end = kExports + kExportCount;
  const Export* found =
      std::lower_bound(kExports, end, name, [](const Export& entry, std::string_view wanted) {
        return std::string_view(entry.name) < wanted;
      });
  return found != end && found->name == name ? found->address : nullptr;
}

}  // namespace kebound::nt
