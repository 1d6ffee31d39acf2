// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/registry.h"

namespace kebound::torture {

using SystemUnderTest = HostSystem;

}  // namespace kebound::torture
