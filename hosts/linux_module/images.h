// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nt/facility.h"

namespace kebound::linux_module {

// Null for a module that was there before this one. The image lives until its module has gone.
[[nodiscard]] nt::Image* image_of_module(const void* module) noexcept;

void free_images() noexcept;

// A driver's threads end before its code does; one that does not is reported. Context: task.
void wait_for_system_threads_of(const nt::Image& image);

}  // namespace kebound::linux_module
