// SPDX-License-Identifier: Apache-2.0
//
// near32 CASE: what looks like a bound exception and is none. The program must get exactly what it
// gets without kebound, so it prints all that its handler can see of the signal.
//   null-ds | prefixes | unmapped | protected | straddling | killed | forged |
//   forged-before-exceeded int5 | locked | into | read-null | user-segv
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "guest.h"

static sigjmp_buf behind;
static uintptr_t start_of_case;
static volatile sig_atomic_t calls;

static void on_signal(int number, siginfo_t* info, void* opaque) {
  const greg_t* const registers = ((ucontext_t*)opaque)->uc_mcontext.gregs;
  const uintptr_t ip = (uintptr_t)registers[REG_EIP];
  ++calls;
  printf("handler: signal %d code %d", number, info->si_code);
  if (info->si_code > 0) {
    // Relative where it is code, so that two runs print the same.
    if ((uintptr_t)info->si_addr == ip) {
      printf(" address ip");
    } else {
      printf(" address %p", info->si_addr);
    }
    printf(" trap %d error %#x at +%ld eax %d", (int)registers[REG_TRAPNO],
           (unsigned)registers[REG_ERR], (long)(ip - start_of_case), (int)registers[REG_EAX]);
  } else {
    printf(" from here %d", info->si_pid == getpid());
  }
  puts("");
  siglongjmp(behind, 1);
}

// Returns to where it came from, once; the second exception in a row is left by a jump.
static void on_signal_return(int number, siginfo_t* info, void* opaque) {
  const greg_t* const registers = ((ucontext_t*)opaque)->uc_mcontext.gregs;
  printf("handler: signal %d code %d at +%ld eax %d\n", number, info->si_code,
         (long)((uintptr_t)registers[REG_EIP] - start_of_case), (int)registers[REG_EAX]);
  if (++calls == 2) siglongjmp(behind, 1);
}

struct shared {
  volatile int received;
  volatile int strange;
};
static struct shared* shared;

static void on_signal_count(int number, siginfo_t* info, void* opaque) {
  (void)number;
  (void)opaque;
  if (info->si_code != SI_USER) ++shared->strange;
  ++shared->received;
}

static const struct bounds32 bounds = {0, 9};

#define START_OF_CASE()                                       \
  __asm__ volatile("call 1f\n1: popl %%ecx\nmovl %%ecx, %0\n" \
                   : "=m"(start_of_case)                      \
                   :                                          \
                   : "ecx", "memory")

static void null_ds(void) {
  START_OF_CASE();
  __asm__ volatile(
      "movl %%ds, %%ebx\n xorl %%ecx, %%ecx\n movl %%ecx, %%ds\n"
      "boundl %%eax, (%%edx)\n movl %%ebx, %%ds\n"
      :
      : "a"(12), "d"(&bounds)
      : "ebx", "ecx", "memory");
}

static void prefixes(void) {
  START_OF_CASE();
  __asm__ volatile(".rept 14\n .byte 0x3e\n .endr\n boundl %%eax, (%%edx)\n"
                   :
                   : "a"(12), "d"(&bounds)
                   : "memory");
}

static void bound_at(const void* address) {
  START_OF_CASE();
  __asm__ volatile("boundl %%eax, (%%edx)\n" : : "a"(12), "d"(address) : "memory");
}

// A SIGSEGV that the thread sends itself, with the siginfo of a #BR, delivered on the way out of
// the system call: the instruction pointer is at the BOUND.
static void forged(const struct bounds32* limits) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_signo = SIGSEGV;
  info.si_code = SI_KERNEL;
  int32_t after = SYS_rt_tgsigqueueinfo;
  // ebx must hold the process, edi serves the BOUND: 32-bit code has few registers.
  START_OF_CASE();
  __asm__ volatile("int $0x80\n boundl %%eax, (%%edi)\n"
                   : "+a"(after)
                   : "b"(getpid()), "c"(syscall(SYS_gettid)), "d"(SIGSEGV), "S"(&info), "D"(limits)
                   : "memory");
  printf("behind: eax %d\n", (int)after);
}

// Signals that somebody sends while a BOUND runs that passes. Each is awaited by the sender, none
// may get lost.
static void killed(void) {
  enum { kSignals = 500 };
  const pid_t target = getpid();
  const pid_t sender = fork();
  if (sender == 0) {
    for (int i = 0; i < kSignals; ++i) {
      if (kill(target, SIGSEGV) != 0) _exit(1);
      while (shared->received <= i) usleep(20);
    }
    _exit(0);
  }
  CHECK(sender > 0);
  while (shared->received < kSignals) {
    for (int i = 0; i < 1000; ++i) CHECK(bound32(i % 10, &bounds) == i % 10);
  }
  int status = 0;
  CHECK(waitpid(sender, &status, 0) == sender && status == 0);
  printf("received %d, strange %d\n", shared->received, shared->strange);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  const char* const what = argv[1];
  setvbuf(stdout, NULL, _IOLBF, 0);
  const long page = sysconf(_SC_PAGESIZE);
  char* const pages = mmap((void*)0x20000000, (size_t)(2 * page), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  CHECK(pages == (void*)0x20000000);
  install_handler(SIGSEGV, on_signal, 0);
  install_handler(SIGILL, on_signal, 0);
  if (sigsetjmp(behind, 1) != 0) {
    printf("handler: called %d times\n", (int)calls);
    succeed();
  }

  if (strcmp(what, "forged") == 0) {
    install_handler(SIGSEGV, on_signal_return, 0);
    forged(&bounds);
    succeed();
  } else if (strcmp(what, "forged-before-exceeded") == 0) {
    const struct bounds32 above_zero = {1, 9};
    install_handler(SIGSEGV, on_signal_return, 0);
    forged(&above_zero);
    succeed();
  } else if (strcmp(what, "killed") == 0) {
    install_handler(SIGSEGV, on_signal_count, 0);
    killed();
    succeed();
  } else if (strcmp(what, "null-ds") == 0) {
    null_ds();
  } else if (strcmp(what, "prefixes") == 0) {
    prefixes();
  } else if (strcmp(what, "unmapped") == 0) {
    CHECK(munmap(pages + page, (size_t)page) == 0);
    bound_at(pages + page);
  } else if (strcmp(what, "protected") == 0) {
    CHECK(mprotect(pages + page, (size_t)page, PROT_NONE) == 0);
    bound_at(pages + page);
  } else if (strcmp(what, "straddling") == 0) {
    // The lower bound is readable and passes. (Where it does not, processors differ on whether the
    // upper one is read at all.)
    CHECK(mprotect(pages + page, (size_t)page, PROT_NONE) == 0);
    struct bounds32* const split = (struct bounds32*)(pages + page - 4);
    memcpy(split, &(int32_t){1}, 4);
    bound_at(split);
  } else if (strcmp(what, "read-null") == 0) {
    bound_at(NULL);
  } else if (strcmp(what, "int5") == 0) {
    START_OF_CASE();
    __asm__ volatile("int $5" : : "a"(12));
  } else if (strcmp(what, "into") == 0) {
    START_OF_CASE();
    __asm__ volatile("movl $0x7fffffff, %%eax\n addl $1, %%eax\n into" : : : "eax");
  } else if (strcmp(what, "locked") == 0) {
    START_OF_CASE();
    __asm__ volatile(".byte 0xf0\n boundl %%eax, (%%edx)\n" : : "a"(12), "d"(&bounds) : "memory");
  } else if (strcmp(what, "user-segv") == 0) {
    CHECK(kill(getpid(), SIGSEGV) == 0);
  } else {
    return 2;
  }
  fail("%s went through", what);
}
