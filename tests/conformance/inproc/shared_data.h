// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kebound::conformance {

// Makes the writable data of the loaded image that `address` lies in shared with all future
// children. Before any thread uses it. False when the system refuses.
[[nodiscard]] bool share_data_of_image(const void* address);

}  // namespace kebound::conformance
