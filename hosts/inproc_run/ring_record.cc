// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/ring_record.h"

#include <string.h>

#include <algorithm>

namespace kebound::inproc_run {
namespace {

static_assert(static_cast<int>(BoundSource::X86Bound) == KEBOUND_SOURCE_X86_BOUND);
static_assert(static_cast<int>(BoundSource::ClangTrap) == KEBOUND_SOURCE_CLANG_TRAP);
static_assert(static_cast<int>(kLastSource) == KEBOUND_SOURCE_X86_MPX);
static_assert(static_cast<int>(kLastCheckKind) == KEBOUND_CHECK_STACK_SMASH);
static_assert(static_cast<int>(Confidence::Unknown) == KEBOUND_CONFIDENCE_UNKNOWN);
static_assert(static_cast<int>(Confidence::Certain) == KEBOUND_CONFIDENCE_CERTAIN);
static_assert(static_cast<int>(events::Disposition::Handled) == KEBOUND_DISPOSITION_HANDLED);
static_assert(static_cast<int>(events::Disposition::Terminated) == KEBOUND_DISPOSITION_TERMINATED);

template <size_t N>
std::string text_of(const char (&text)[N]) {
  return {text, strnlen(text, N)};
}

x86::Registers from_ring(const kebound_registers& from) {
  x86::Registers to;
  std::copy(std::begin(from.gpr), std::end(from.gpr), to.gpr);
  to.rip = from.ip;
  to.rflags = from.flags;
  to.fs_base = from.fs_base;
  to.gs_base = from.gs_base;
  to.cs = from.cs;
  to.ss = from.ss;
  to.ds = from.ds;
  to.es = from.es;
  to.fs = from.fs;
  to.gs = from.gs;
  return to;
}

bool is_possible(const kebound_event& event) {
  const unsigned width = event.index_width;
  return event.source >= KEBOUND_SOURCE_X86_BOUND && event.source <= KEBOUND_SOURCE_X86_MPX &&
         event.confidence <= KEBOUND_CONFIDENCE_CERTAIN && event.index_register < 16 &&
         (width == 0 || width == 8 || width == 16 || width == 32 || width == 64) &&
         event.check <= KEBOUND_CHECK_STACK_SMASH && event.resumable <= 1 &&
         event.doubt <= static_cast<unsigned>(kLastDoubt);
}

ImageId image_id_of(const kebound_ring_record& raw) {
  ImageId id;
  const size_t size = std::min<size_t>(raw.build_id_size, sizeof raw.build_id);
  id.build_id.assign(reinterpret_cast<const char*>(raw.build_id), size);
  id.device = raw.image_device;
  id.inode = raw.image_inode;
  id.size = raw.image_size;
  id.changed_ns = raw.image_changed_ns;
  return id;
}

bool take_exception(const kebound_ring_record& raw, RingRecord& out) {
  if (!is_possible(raw.event) || raw.disposition > KEBOUND_DISPOSITION_TERMINATED) return false;
  events::BoundException exception;
  exception.time_ns = raw.time_ns;
  exception.pid = raw.pid;
  exception.tid = raw.tid;
  BoundEvent& event = exception.event;
  event.source = static_cast<BoundSource>(raw.event.source);
  event.confidence = static_cast<Confidence>(raw.event.confidence);
  event.instruction_length = raw.event.instruction_length;
  event.index_register = raw.event.index_register;
  event.index_width = raw.event.index_width;
  event.ip = raw.event.ip;
  event.index = raw.event.index;
  event.lower = raw.event.lower;
  event.upper = raw.event.upper;
  event.bounds_address = raw.event.bounds_address;
  event.check = static_cast<CheckKind>(raw.event.check);
  event.resumable = raw.event.resumable != 0;
  event.doubt = static_cast<Doubt>(raw.event.doubt);
  event.trap_ip = raw.event.trap_ip;
  event.index_raw = raw.event.index_raw;
  event.index_address = raw.event.index_address;
  event.line_ip = raw.event.line_ip;
  exception.before = from_ring(raw.before);
  exception.after = from_ring(raw.after);
  exception.code_size = std::min<uint8_t>(raw.code_size, sizeof exception.code);
  memcpy(exception.code, raw.code, exception.code_size);
  exception.disposition = static_cast<events::Disposition>(raw.disposition);
  exception.reason = text_of(raw.text);
  exception.detail = text_of(raw.detail);
  const size_t kept = std::min<size_t>(raw.answer_count, KEBOUND_RING_ANSWERS);
  for (size_t i = 0; i < kept; ++i) {
    const kebound_ring_answer& answer = raw.answers[i];
    out.answers.push_back({answer.routine, answer.status, answer.edited != 0, answer.builtin != 0});
  }
  out.record = std::move(exception);
  return true;
}

void take_bug_check(const kebound_ring_record& raw, RingRecord& out) {
  events::BugCheckRecord record;
  record.time_ns = raw.time_ns;
  record.pid = raw.pid;
  record.tid = raw.tid;
  record.code = raw.bug_check;
  std::copy_n(raw.before.gpr, 4, record.parameters);
  record.explanation = text_of(raw.text);
  out.record = std::move(record);
}

bool take_verifier(const kebound_ring_record& raw, RingRecord& out) {
  const std::string text = text_of(raw.text);
  const size_t colon = text.find(": ");
  if (colon == std::string::npos || colon == 0) return false;
  events::VerifierRecord record;
  record.time_ns = raw.time_ns;
  record.pid = raw.pid;
  record.tid = raw.tid;
  record.rule = text.substr(0, colon);
  record.message = text.substr(colon + 2);
  out.record = std::move(record);
  return true;
}

}  // namespace

std::optional<RingRecord> check_ring_record(const kebound_ring_record& raw) {
  RingRecord out;
  if (raw.pid <= 0 || raw.tid <= 0 || raw.time_ns < 0) return std::nullopt;
  out.pid = raw.pid;
  out.tid = raw.tid;
  out.is_64bit = raw.is_64bit != 0;
  out.routine = raw.routine;
  out.rule = raw.rule;
  out.thread_name = text_of(raw.thread_name);
  out.image = text_of(raw.image);
  if (!out.image.starts_with('/')) out.image.clear();
  out.image_bias = raw.image_bias;
  out.image_is_program = raw.image_is_program != 0;
  if (!out.image.empty()) out.image_id = image_id_of(raw);
  switch (raw.kind) {
    case KEBOUND_RECORD_EXCEPTION:
      if (!take_exception(raw, out)) return std::nullopt;
      return out;
    case KEBOUND_RECORD_BUG_CHECK:
      take_bug_check(raw, out);
      return out;
    case KEBOUND_RECORD_VERIFIER:
      if (!take_verifier(raw, out)) return std::nullopt;
      return out;
    default:
      return std::nullopt;
  }
}

}  // namespace kebound::inproc_run
