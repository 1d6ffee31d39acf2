// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/trap_message.h"

#include <string.h>

#include "hosts/inproc/publish.h"
#include "hosts/inproc/ring_question.h"
#include "hosts/inproc/site_cache.h"

namespace kebound::inproc {
namespace {

static_assert(KEBOUND_QUESTION_ANSWER == KEBOUND_RING_DETAIL);

struct Message {
  char text[KEBOUND_RING_DETAIL];
};
constinit SiteCache<Message, 512> g_messages{};

}  // namespace

void find_trap_message(uint64_t ip, char (&message)[KEBOUND_RING_DETAIL]) noexcept {
  message[0] = '\0';
  kebound_ring_header* const ring = ring_header();
  if (ring == nullptr) return;
  Message answer;
  if (!g_messages.find(ip, answer)) {
    if (!ask_about_trap(*ring, ip, answer.text)) return;
    g_messages.put(ip, answer);
  }
  memcpy(message, answer.text, sizeof message);
}

bool find_arrays(uint64_t address, x86::ArrayNest& out) noexcept {
  kebound_ring_header* const ring = ring_header();
  char bytes[KEBOUND_QUESTION_ANSWER];
  if (ring == nullptr || !ask_reader(*ring, KEBOUND_QUESTION_ABOUT_ARRAYS, address, bytes)) {
    return false;
  }
  kebound_arrays_answer answer;
  static_assert(sizeof answer < sizeof bytes);
  static_assert(KEBOUND_ARRAYS_ANSWERED == x86::ArrayNest::kMax);
  memcpy(&answer, bytes, sizeof answer);
  if (answer.count == 0 || answer.count > KEBOUND_ARRAYS_ANSWERED) return false;
  out = {};
  out.count = answer.count;
  out.more_within = answer.more_within;
  for (uint32_t i = 0; i < answer.count; ++i) {
    const kebound_array_around& level = answer.arrays[i];
    out.levels[i] = {level.offset, level.count, level.element_size};
  }
  return true;
}

bool find_function_facts(uint64_t address, x86::FunctionFacts& out) noexcept {
  kebound_ring_header* const ring = ring_header();
  char bytes[KEBOUND_QUESTION_ANSWER];
  if (ring == nullptr || !ask_reader(*ring, KEBOUND_QUESTION_ABOUT_FUNCTION, address, bytes)) {
    return false;
  }
  kebound_function_answer answer;
  static_assert(sizeof answer < sizeof bytes);
  memcpy(&answer, bytes, sizeof answer);
  out = {};
  out.compiler = static_cast<x86::Compiler>(answer.compiler);
  out.linkage = static_cast<x86::Linkage>(answer.linkage);
  out.checks = static_cast<x86::IndexChecks>(answer.checks);
  out.version = answer.version;
  for (unsigned i = 0; i < sizeof answer.parameter_bits; ++i) {
    out.parameters[i] = {answer.parameter_bits[i], (answer.is_signed >> i & 1) != 0};
  }
  return are_sound(out) && out != x86::FunctionFacts();
}

void forget_trap_messages(x86::CodeRange range) noexcept { g_messages.forget(range); }

}  // namespace kebound::inproc
