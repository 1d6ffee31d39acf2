// SPDX-License-Identifier: Apache-2.0
//
// Hostile user code around the trap. main.c has processes and what goes on between them, site.c the
// instructions, enter.c the way into them and back, tracer.c a debugger.
#ifndef KEBOUND_TESTS_MODULE_HOSTILE_H
#define KEBOUND_TESTS_MODULE_HOSTILE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

// What is tried. Each must have happened, or the test fails.
#define KINDS(X)                                                                                   \
  X(straddle)  /* the instruction crosses into a page that is not mapped, not executable or not    \
                  there */                                                                         \
  X(vanishing) /* the same while another thread maps and unmaps that page */                       \
  X(rewriting) /* another thread writes other instructions over it */                              \
  X(prefixes)  /* up to 16 of them: 15 bytes are the most */                                       \
  X(softint)   /* int $5, int $4, int3, into, int1 */                                              \
  X(flags)     /* TF, AC, NT, RF, DF, IF, IOPL, VM before it */                                    \
  X(sigreturn) /* a forged context leads to it */                                                  \
  X(farjump)   /* 64-bit code of a 32-bit process, 32-bit code of a 64-bit process */              \
  X(ldt)     /* segments of its own, with limits, 16-bit ones, absent ones; rewritten meanwhile */ \
  X(segbase) /* fs and gs with odd bases */                                                        \
  X(operand) /* bounds across a page's end, in memory that vanishes, at no user address */         \
  X(stack)   /* no stack to speak of */                                                            \
  X(plain)   /* none of these: the instruction as it is meant */                                   \
  X(ptraced) /* single steps, changed registers and changed code by a debugger */                  \
  X(signalled) /* signals from another thread meanwhile */                                         \
  X(forked)    /* processes forked meanwhile, that do the same */                                  \
  X(executed)  /* exec meanwhile */                                                                \
  X(exited)    /* exit_group while other threads are inside */                                     \
  X(killed)    /* SIGKILL while threads are inside */

// What became of it.
#define OUTCOMES(X)                                           \
  X(bound)   /* SIGSEGV of vector 5 */                        \
  X(illegal) /* SIGILL */                                     \
  X(faulted) /* SIGSEGV and SIGBUS of other vectors */        \
  X(stepped) /* SIGTRAP of a single step */                   \
  X(passed)  /* SIGTRAP of the int3 behind the instruction */ \
  X(died)    /* a process died of its signal */

#define X(name) k_##name,
enum { KINDS(X) OUTCOMES(X) k_counters };
#undef X

extern _Atomic uint64_t* g_counters;  // k_counters of them, shared by all processes

static inline void count(int what) {
  atomic_fetch_add_explicit(&g_counters[what], 1, memory_order_relaxed);
}

enum { kRegion = 0x10000, kPage = 4096 };

// What a thread enters user code with. It begins the thread's region of kRegion bytes, aligned to
// that, whose rest is the stack of its signal handler: so the handler, whose thread-local storage
// may be gone, finds it by its stack pointer.
struct worker {
  uintptr_t sp;                // 0: where to escape to
  uintptr_t inside;            // 1
  uintptr_t gpr[16];           // 2: rax rcx rdx rbx rsp rbp rsi rdi r8...; rsp is not loaded
  uintptr_t flags;             // 18
  uintptr_t ip, cs;            // 19, 20
  uintptr_t ds, es, fs, gs;    // 21 to 24, selectors
  uintptr_t fs_base, gs_base;  // 25, 26: of 64-bit processes
  uintptr_t tls;               // what fs (64-bit) or gs (32-bit) is between
  uint64_t random;
  unsigned steps;          // single steps that are let go on
  unsigned forgeries;      // contexts to forge before escaping
  uint8_t* code;           // two pages, executable; the second is toggled
  uint8_t* code_writable;  // the same memory, always there
  uint8_t* data;           // two pages full of pairs 0, 9; the second is toggled
  uint8_t* data_writable;
  size_t site;  // of the instruction in `code`
  int memory;   // the file that all four are of
  long memory_offset;
};

uint64_t next_random(struct worker* worker);
static inline unsigned below(struct worker* worker, unsigned limit) {
  return (unsigned)((next_random(worker) >> 11) % limit);
}

// enter.c
void take_signals(void);
void ready_worker(struct worker* worker);  // in its thread
void enter(struct worker* worker);         // comes back by a signal

// site.c
enum { kLdtCode, kLdtData, kLdtCode16, kLdtStack16, kLdtAbsent, kLdtEntries };
int make_site(struct worker* worker);  // prepares everything that enter() takes; the kind, or -1
void write_ldt(struct worker* worker, const struct worker* target, unsigned which);
void write_template(struct worker* random, struct worker* target);
void toggle_page(struct worker* random, uint8_t* page, int executable);
void restore_pages(struct worker* worker);
void forge(struct worker* worker);  // random registers that lead to the site

// tracer.c
void trace_one(struct worker* worker);

#endif
