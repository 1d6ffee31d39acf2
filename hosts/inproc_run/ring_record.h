// SPDX-License-Identifier: Apache-2.0
//
// From what a process wrote into the ring to a record of kebound's. Pure functions of the bytes;
// what /proc adds is added by the caller.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "events/record.h"
#include "include/kebound/abi.h"

namespace kebound::inproc_run {

// The callbacks that were asked, as addresses in the process; at most KEBOUND_RING_ANSWERS.
struct RingAnswer {
  uint64_t routine = 0;
  uint32_t status = 0;
  bool edited = false;
  bool builtin = false;
};

// Which file an image was, for one that finds another file at its path.
struct ImageId {
  std::string
      build_id;  // bytes, at most KEBOUND_RING_BUILD_ID; empty: it has none, or it is not known
  // As stat(2) has them; an inode of 0 says that they are not known.
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t changed_ns = 0;
  [[nodiscard]] bool is_known() const noexcept { return !build_id.empty() || inode != 0; }
  bool operator==(const ImageId&) const = default;
};

// A record that has been checked.
struct RingRecord {
  int32_t pid = 0;  // above 0, as is tid
  int32_t tid = 0;
  bool is_64bit = false;
  uint32_t rule = 0;     // that decided about an exception, counted from 1; may be any number
  uint64_t routine = 0;  // bug check, verifier: the callback at fault, 0 if none
  std::string thread_name;
  // Where the failing instruction is, as the process says: an absolute path, or empty.
  std::string image;
  uint64_t image_bias = 0;
  bool image_is_program = false;
  ImageId image_id;
  std::vector<RingAnswer> answers;
  // Without program, names and modules.
  events::Record record;
};

// Nothing if the bytes are what no writer of ours writes. Context: any thread.
[[nodiscard]] std::optional<RingRecord> check_ring_record(const kebound_ring_record& raw);

}  // namespace kebound::inproc_run
