// SPDX-License-Identifier: Apache-2.0
//
// guest [--where] [NAME...]: runs each shape, or those named, in a child. Lines on standard output:
//   begin NAME PID INPUT INDEX LOWER UPPER   the child, before
//   result NAME VALUE                        the child, if it came through
//   trap NAME ADDRESS REGISTER=HEX...        the child, --where only: at its first SIGILL, the
//                                            address as the file has it
//   end NAME exit STATUS | end NAME signal NUMBER
#define _GNU_SOURCE
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "shape.h"

// Past stdio: nothing may be left in a buffer that a dying child would lose or a fork would double.
static void say(const char* format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= sizeof line || write(1, line, (size_t)length) != length)
    _exit(99);
}

struct named_register {
  const char* name;
  int number;
};
#ifdef __x86_64__
#define PROGRAM_COUNTER REG_RIP
static const struct named_register registers[] = {
    {"rax", REG_RAX}, {"rcx", REG_RCX}, {"rdx", REG_RDX}, {"rbx", REG_RBX},
    {"rsp", REG_RSP}, {"rbp", REG_RBP}, {"rsi", REG_RSI}, {"rdi", REG_RDI},
    {"r8", REG_R8},   {"r9", REG_R9},   {"r10", REG_R10}, {"r11", REG_R11},
    {"r12", REG_R12}, {"r13", REG_R13}, {"r14", REG_R14}, {"r15", REG_R15}};
#else
#define PROGRAM_COUNTER REG_EIP
static const struct named_register registers[] = {
    {"eax", REG_EAX}, {"ecx", REG_ECX}, {"edx", REG_EDX}, {"ebx", REG_EBX},
    {"esp", REG_ESP}, {"ebp", REG_EBP}, {"esi", REG_ESI}, {"edi", REG_EDI}};
#endif

static const char* running;  // name of the child's shape
static unsigned long load_bias;

// The program itself comes first.
static int take_bias(struct dl_phdr_info* object, size_t size, void* context) {
  (void)size;
  (void)context;
  load_bias = (unsigned long)object->dlpi_addr;
  return 1;
}

static void say_where(int number, siginfo_t* info, void* context) {
  (void)info;
  const ucontext_t* const thread = context;
  const unsigned long at = (unsigned long)thread->uc_mcontext.gregs[PROGRAM_COUNTER];
  char line[1024];
  int length = snprintf(line, sizeof line, "trap %s 0x%lx", running, at - load_bias);
  for (size_t i = 0; i < sizeof registers / sizeof *registers; ++i)
    length += snprintf(line + length, sizeof line - (size_t)length, " %s=0x%lx", registers[i].name,
                       (unsigned long)thread->uc_mcontext.gregs[registers[i].number]);
  say("%s\n", line);
  // The trap is met again, and ends the child.
  signal(number, SIG_DFL);
}

static void run_here(const struct shape* shape) {
  running = shape->name;
  say("begin %s %d %ld %ld %ld %ld\n", shape->name, (int)getpid(), shape->input, shape->index,
      shape->lower, shape->upper);
  // A repaired loop can be an endless one.
  const struct rlimit cpu = {2, 2};
  if (setrlimit(RLIMIT_CPU, &cpu) != 0) _exit(99);
  long (*volatile run)(long) = shape->run;
  volatile long input = shape->input;
  say("result %s %ld\n", shape->name, run(input));
  _exit(0);
}

static void run_in_child(const struct shape* shape) {
  const pid_t child = fork();
  if (child < 0) exit(99);
  if (child == 0) run_here(shape);
  int status = 0;
  if (waitpid(child, &status, 0) != child) exit(99);
  if (WIFSIGNALED(status))
    say("end %s signal %d\n", shape->name, WTERMSIG(status));
  else
    say("end %s exit %d\n", shape->name, WEXITSTATUS(status));
}

static int wanted(const char* name, int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (strcmp(argv[i], name) == 0) return 1;
  return argc == 1;
}

int main(int argc, char** argv) {
  // One byte: no core file, and no core handler either, which 0 would not keep from running.
  const struct rlimit core = {1, 1};
  if (setrlimit(RLIMIT_CORE, &core) != 0) return 99;
  if (argc > 1 && strcmp(argv[1], "--where") == 0) {
    const struct sigaction action = {.sa_sigaction = say_where, .sa_flags = SA_SIGINFO};
    if (dl_iterate_phdr(take_bias, NULL) != 1 || sigaction(SIGILL, &action, NULL) != 0) return 99;
    --argc;
    ++argv;
  }
  for (size_t i = 0; i < shape_list_count; ++i)
    for (size_t k = 0; k < shape_lists[i]->count; ++k)
      if (wanted(shape_lists[i]->shapes[k].name, argc, argv))
        run_in_child(&shape_lists[i]->shapes[k]);
  return 0;
}
