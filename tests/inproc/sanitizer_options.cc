// SPDX-License-Identifier: Apache-2.0
//
// The sanitizers' own handlers of these signals would stand in front of what is tested.
extern "C" const char* __asan_default_options();
extern "C" const char* __tsan_default_options();
extern "C" const char* __asan_default_options() {
  return "handle_segv=0:handle_sigill=0:handle_abort=0";
}
extern "C" const char* __tsan_default_options() {
  return "handle_segv=0:handle_sigill=0:handle_abort=0";
}
