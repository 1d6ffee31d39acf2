// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/trap_message.h"

#include <string.h>

#include "hosts/inproc/publish.h"
#include "hosts/inproc/ring_question.h"
#include "trap/x86/recovery_cache.h"

namespace kebound::inproc {
namespace {

static_assert(KEBOUND_QUESTION_ANSWER == KEBOUND_RING_DETAIL);

struct Message {
  char text[KEBOUND_RING_DETAIL];
};
using Messages = x86::CacheTable<Message, 512>;
constinit Messages g_messages{};

void remember(uint64_t ip, const Message& message) noexcept {
  constexpr x86::CodeRange kAny{0, UINT64_MAX};
  for (unsigned attempt = 0; attempt < 2; ++attempt) {
    for (size_t way = 0; way < Messages::kWays; ++way) {
      Messages::Slot& slot = *g_messages.slot(ip, way);
      if (Message* const free = slot.claim()) {
        *free = message;
        slot.publish(ip);
        slot.release();
        return;
      }
    }
    g_messages.slot(ip, ip % Messages::kWays)->forget(kAny);
  }
}

}  // namespace

void find_trap_message(uint64_t ip, char (&message)[KEBOUND_RING_DETAIL]) noexcept {
  message[0] = '\0';
  kebound_ring_header* const ring = ring_header();
  if (ring == nullptr) return;
  for (size_t way = 0; way < Messages::kWays; ++way) {
    Messages::Slot& slot = *g_messages.slot(ip, way);
    if (const Message* const known = slot.acquire(ip)) {
      memcpy(message, known->text, sizeof message);
      slot.release();
      return;
    }
  }
  Message answer;
  if (!ask_about_trap(*ring, ip, answer.text)) return;
  remember(ip, answer);
  memcpy(message, answer.text, sizeof message);
}

void forget_trap_messages(x86::CodeRange range) noexcept { g_messages.forget(range); }

}  // namespace kebound::inproc
