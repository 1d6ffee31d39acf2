// SPDX-License-Identifier: Apache-2.0
//
// The names of devices and symbolic links: flat, compared without case, as far as drivers can tell.
#pragma once

#include <string>
#include <vector>

#include "include/nt/wdm.h"
#include "nt/facility.h"

namespace kebound::nt {

// What the driver made and did not delete ("device \Device\x", "symbolic link \??\x"); removes the
// names and the devices. `driver`: its driver object, may be null. Context: any thread.
[[nodiscard]] std::vector<std::string> take_objects_left(const Image& image,
                                                         const DRIVER_OBJECT* driver);

}  // namespace kebound::nt
