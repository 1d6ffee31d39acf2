// SPDX-License-Identifier: Apache-2.0
//
// The input is an event ring as a hostile program leaves it: counters and records. The reader comes
// to an end, and what it lets through is within its bounds.
#include <string.h>

#include <algorithm>
#include <memory>

#include "hosts/inproc_run/ring_reader.h"
#include "hosts/inproc_run/ring_record.h"
#include "tests/fuzz/fuzz_target.h"

using kebound::fuzz::fail_if;
using kebound::fuzz::Input;
using namespace kebound;
using namespace kebound::inproc_run;

namespace {

constexpr uint32_t kCapacity = 4;

void check(const kebound_ring_record& raw) {
  const auto record = check_ring_record(raw);
  if (!record) return;
  fail_if(record->pid > 0 && record->tid > 0 ? "" : "a process number that is none");
  fail_if(record->answers.size() <= KEBOUND_RING_ANSWERS ? "" : "too many answers");
  fail_if(record->image.empty() || record->image[0] == '/' ? "" : "a relative path");
  if (const auto* exception = std::get_if<events::BoundException>(&record->record)) {
    fail_if(exception->code_size <= sizeof exception->code ? "" : "too much code");
    fail_if(exception->event.index_register < 16 ? "" : "no register");
    fail_if(strcmp(source_name(exception->event.source), "unknown") != 0 ? "" : "no source");
    fail_if(strcmp(events::disposition_name(exception->disposition), "unknown") != 0
                ? ""
                : "no disposition");
    fail_if(exception->time_ns >= 0 ? "" : "a time before all times");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  auto header = std::make_unique<kebound_ring_header>();
  const auto records = std::make_unique<kebound_ring_record[]>(kCapacity);
  header->head = input.take<uint8_t>() % 8 == 7 ? input.take<uint64_t>() : input.take<uint8_t>();
  header->tail = input.take<uint8_t>();
  header->capacity = input.take<uint32_t>();
  for (uint32_t i = 0; i < kCapacity; ++i) {
    // The places that decide come first, so that a short input reaches them.
    records[i].sequence = input.take<uint8_t>();
    records[i].kind = input.take<uint8_t>();
    records[i].pid = input.take<int8_t>();
    records[i].tid = 1;
    records[i].event.source = input.take<uint8_t>();
    records[i].code_size = input.take<uint8_t>();
    records[i].answer_count = input.take<uint8_t>();
  }
  for (uint32_t i = 0; i < kCapacity; ++i) {
    const auto rest = input.take_bytes(sizeof records[i]);
    if (!rest.empty())
      memcpy(reinterpret_cast<char*>(&records[i]) + 8, rest.data(),
             std::min(rest.size(), sizeof records[i] - 8));
  }
  RingReader reader(header.get(), records.get(), kCapacity);
  kebound_ring_record raw;
  uint64_t taken = 0;
  for (int step = 0; step < 64; ++step) {
    const RingReader::Next next = reader.next(raw);
    if (next == RingReader::Next::Record) {
      fail_if(raw.sequence == ++taken + reader.skipped() ? "" : "a record out of its order");
      check(raw);
    } else if (next == RingReader::Next::Incomplete) {
      reader.skip();
    } else {
      break;
    }
    fail_if(header->tail == taken + reader.skipped() ? "" : "the writers are told another tail");
  }
  return 0;
}
