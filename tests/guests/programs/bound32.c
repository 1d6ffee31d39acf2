// SPDX-License-Identifier: Apache-2.0
//
// Raises one kind of bound exception, as often as asked, and says what it was resumed with.
//
//   bound32 [--index N] [--lower N] [--upper N] [--times N] [--operand 16|32]
//           [--form base|disp8|disp32|sib|ebp|gs|absolute] [--handler skip|exit] [--expect N]
//           [--block first|second]
//
// --handler installs a SIGSEGV handler of the program's own: `skip` prints what it got and steps
// over the BOUND, `exit` exits with status 42. --expect checks the index register behind each
// BOUND. --block blocks SIGSEGV before the first or the second BOUND (the kernel then kills there,
// handler or not) and says at the end whether handler and mask are still there.
#include "guest.h"

static struct bounds32 bounds = {0, 9};
static int16_t bounds16[2];
static __thread struct bounds32 thread_bounds;
static volatile sig_atomic_t handled_here;
static int handler_exits;

static unsigned bound_length(const unsigned char* code) {
  // Enough for the forms of this program: prefixes 66 and 65, then ModRM with its SIB and
  // displacement.
  unsigned at = 0;
  while (code[at] == 0x66 || code[at] == 0x65) ++at;
  if (code[at++] != 0x62)
    fail("the handler was called at something else than a BOUND: %02x", code[at - 1]);
  const unsigned char modrm = code[at++];
  if ((modrm & 7) == 4) ++at;
  if (modrm >> 6 == 1) at += 1;
  if (modrm >> 6 == 2 || (modrm >> 6 == 0 && (modrm & 7) == 5)) at += 4;
  return at;
}

static void on_segv(int number, siginfo_t* info, void* opaque) {
  greg_t* const registers = ((ucontext_t*)opaque)->uc_mcontext.gregs;
  if (handler_exits) _exit(42);
  if (handled_here++ == 0) {
    printf("handler: signal %d code %d address %p trap %d index %d\n", number, info->si_code,
           info->si_addr, (int)registers[REG_TRAPNO], (int)registers[REG_EAX]);
  }
  registers[REG_EIP] += (greg_t)bound_length((const unsigned char*)registers[REG_EIP]);
}

// The register that addresses the bounds differs from form to form, the index register is eax.
#define BOUND_AT(operand, input) \
  __asm__ volatile("boundl %%eax, " operand : "+a"(index) : input : "memory")

__attribute__((noinline)) static int32_t raise_once(const char* form, int operand, int32_t index) {
  if (operand == 16) {
    __asm__ volatile("boundw %%ax, (%%edx)" : "+a"(index) : "d"(bounds16) : "memory");
    return (int16_t)index;
  }
  if (strcmp(form, "base") == 0) {
    BOUND_AT("(%%edx)", "d"(&bounds));
  } else if (strcmp(form, "disp8") == 0) {
    BOUND_AT("-16(%%esi)", "S"((uintptr_t)&bounds + 16));
  } else if (strcmp(form, "disp32") == 0) {
    BOUND_AT("0x12345678(%%edi)", "D"((uintptr_t)&bounds - 0x12345678u));
  } else if (strcmp(form, "sib") == 0) {
    const uintptr_t scaled = 3;
    __asm__ volatile("boundl %%eax, 8(%%ecx,%%edx,8)"
                     : "+a"(index)
                     : "c"((uintptr_t)&bounds - 8 - 8 * scaled), "d"(scaled)
                     : "memory");
  } else if (strcmp(form, "ebp") == 0) {
    __asm__ volatile("push %%ebp; mov %%edx, %%ebp; boundl %%eax, 0(%%ebp); pop %%ebp"
                     : "+a"(index)
                     : "d"(&bounds)
                     : "memory");
  } else if (strcmp(form, "gs") == 0) {
    uintptr_t base;
    __asm__("movl %%gs:0, %0" : "=r"(base));
    thread_bounds = bounds;
    BOUND_AT("%%gs:(%%edx)", "d"((uintptr_t)&thread_bounds - base));
  } else if (strcmp(form, "absolute") == 0) {
    // A disp32 alone cannot be known before a PIE runs, so the instruction is made here.
    __asm__ volatile(
        "call 1f\n1: pop %%edi\n"
        "boundl %%eax, 2f-1b(%%edi)\njmp 3f\n"
        "2: .long 0, 9\n3:"
        : "+a"(index)
        :
        : "edi", "memory");
  } else {
    fprintf(stderr, "guest: no such form: %s\n", form);
    exit(2);
  }
  return index;
}

static void block_segv(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGSEGV);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
}

int main(int argc, char** argv) {
  int32_t index = 12;
  long times = 1;
  int operand = 32;
  int expecting = 0;
  long block_before = -1;
  int32_t expected = 0;
  const char* form = "base";
  for (int i = 1; i + 1 < argc; i += 2) {
    const char* const value = argv[i + 1];
    if (strcmp(argv[i], "--index") == 0) {
      index = (int32_t)parse_number(value);
    } else if (strcmp(argv[i], "--lower") == 0) {
      bounds.lower = (int32_t)parse_number(value);
    } else if (strcmp(argv[i], "--upper") == 0) {
      bounds.upper = (int32_t)parse_number(value);
    } else if (strcmp(argv[i], "--times") == 0) {
      times = parse_number(value);
    } else if (strcmp(argv[i], "--operand") == 0) {
      operand = (int)parse_number(value);
    } else if (strcmp(argv[i], "--form") == 0) {
      form = value;
    } else if (strcmp(argv[i], "--handler") == 0) {
      handler_exits = strcmp(value, "exit") == 0;
      install_handler(SIGSEGV, on_segv, 0);
    } else if (strcmp(argv[i], "--block") == 0) {
      block_before = strcmp(value, "second") == 0 ? 1 : 0;
    } else if (strcmp(argv[i], "--expect") == 0) {
      expecting = 1;
      expected = (int32_t)parse_number(value);
    } else {
      fprintf(stderr, "guest: no such option: %s\n", argv[i]);
      return 2;
    }
  }
  bounds16[0] = (int16_t)bounds.lower;
  bounds16[1] = (int16_t)bounds.upper;
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("raising: index %d bounds [%d, %d] times %ld\n", (int)index, (int)bounds.lower,
         (int)bounds.upper, times);
  for (long i = 0; i < times; ++i) {
    if (i == block_before) block_segv();
    const int32_t resumed = raise_once(form, operand, index);
    if (i == 0 || resumed != expected) printf("resumed: index %d\n", (int)resumed);
    if (expecting && resumed != expected)
      fail("resumed with %d, expected %d", (int)resumed, (int)expected);
  }
  if (handled_here != 0) printf("handler: called %d times\n", (int)handled_here);
  if (block_before >= 0) {
    struct sigaction action;
    sigset_t set;
    CHECK(sigaction(SIGSEGV, NULL, &action) == 0 && sigprocmask(SIG_BLOCK, NULL, &set) == 0);
    printf("left: handler %d blocked %d\n", action.sa_sigaction == on_segv,
           sigismember(&set, SIGSEGV));
  }
  succeed();
}
