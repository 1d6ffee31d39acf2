// SPDX-License-Identifier: Apache-2.0
//
// Maps of a process' modules that are made from what a record says of an image.
#pragma once

#include <stdint.h>

#include <memory>

#include "events/record.h"
#include "hosts/inproc_run/ring_record.h"

namespace kebound::inproc_run {

// The mapping around an address; null if there is none.
[[nodiscard]] const events::Mapping* mapping_at(const events::ModuleMap& map, uint64_t address);

// What the process itself said of the image, for one that is gone; null if its file is no such one.
// The file is believed only as far as the instruction is in it, and the build is the record's.
[[nodiscard]] std::shared_ptr<const events::ModuleMap> map_of_image(const RingRecord& record);

// The mappings of `from`, those of the image around `ip` with its build ID: the file is read later,
// and may be another one by then. `from` itself where the record has no build ID.
[[nodiscard]] std::shared_ptr<const events::ModuleMap> with_build_id(
    const std::shared_ptr<const events::ModuleMap>& from, const RingRecord& record, uint64_t ip);

// Of an image whose file is no more: as much as the event's addresses need.
[[nodiscard]] std::shared_ptr<const events::ModuleMap> map_without_file(const RingRecord& record,
                                                                        const BoundEvent& event);

}  // namespace kebound::inproc_run
