// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nt/facility.h"

namespace kebound::nt {

// The bare list behind Facility::add_image() and remove_image(). Context: any thread.
void list_image(Image* image);
void unlist_image(const Image* image) noexcept;

}  // namespace kebound::nt
