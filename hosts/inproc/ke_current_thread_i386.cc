// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/thread_state.h"

PKTHREAD KeGetCurrentThread(void) {
  kebound::inproc::ThreadState* const state = kebound::inproc::current_thread_state();
  return state != nullptr && state->in_nt_callback ? &state->kthread.thread : nullptr;
}
