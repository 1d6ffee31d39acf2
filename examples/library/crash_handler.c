/* SPDX-License-Identifier: Apache-2.0
 *
 * kebound beside a crash handler that a program has already: the handler is installed first and
 * stays what it was. A bound exception goes to the callback; a crash goes to the crash handler,
 * which does what such handlers do.
 *
 *   crash_handler bound|crash
 */
#include <kebound/kebound.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void say(const char* text) {
  if (write(STDOUT_FILENO, text, strlen(text)) < 0) _exit(1);
}

static void crash_handler(int number, siginfo_t* info, void* context) {
  (void)info;
  (void)context;
  say("crash handler: here a report would be written\n");
  signal(number, SIG_DFL); /* and the signal comes again, with a core */
}

static kebound_answer on_bound(const kebound_event* event, kebound_registers* registers,
                               void* context) {
  (void)context;
  if (event->source == KEBOUND_SOURCE_X86_BOUND) {
    registers->gpr[event->index_register] = (uint32_t)event->upper;
    say("callback: index repaired\n");
    return KEBOUND_HANDLED;
  }
  say("callback: an array index was out of range; the request is dropped\n");
  return KEBOUND_CONTINUE_SEARCH; /* to the guard */
}

static void access_out_of_range(void) {
#ifdef __i386__
  static const int bounds[2] = {0, 9};
  __asm__ volatile("boundl %0, %1" : : "r"(12), "m"(bounds));
#else
  __asm__ volatile(".byte 0x67, 0x0f, 0xb9, 0x40, 0x12"); /* clang's array-bounds trap */
#endif
}

int main(int argc, char** argv) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = crash_handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, NULL);

  if (kebound_register(on_bound, NULL) == 0) return 1;
  if (argc > 1 && strcmp(argv[1], "crash") == 0) {
    *(volatile int*)(uintptr_t)(argc & 0) = 1;
  }
  kebound_guard guard;
  if (kebound_guard_begin(&guard) == 0) {
    access_out_of_range();
    kebound_guard_end(&guard);
  }
  say("the program goes on\n");
  return 0;
}
