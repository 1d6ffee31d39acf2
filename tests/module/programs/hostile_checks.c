// SPDX-License-Identifier: Apache-2.0
//
// hostile_checks SECONDS SEED: an image of its own, with headers, a table of functions and a
// function with checks that end in ud1 and ud2, which another thread rewrites, unmaps and replaces
// while they fail and are analysed. Processes are killed meanwhile. Says how often a trap was
// signalled and how often a function came back; both have to happen.
#include <elf.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  kPage = 4096,
  kText = kPage,
  kTables = 3 * kPage,
  kImage = 4 * kPage,
  kSlots = 48,
  kTraps = 4,
  kSlot = 8
};
#ifdef __x86_64__
typedef Elf64_Ehdr Header;
typedef Elf64_Phdr Segment;
enum { kMachine = EM_X86_64, kClass = ELFCLASS64, kBits64 = 1 };
#else
typedef Elf32_Ehdr Header;
typedef Elf32_Phdr Segment;
enum { kMachine = EM_386, kClass = ELFCLASS32, kBits64 = 0 };
#endif

struct counts {
  atomic_ulong signals, returns, rewrites, kills;
};
static struct counts* counts;
static uint64_t random_state;
static uint8_t* image;     // as it is executed: comes and goes
static uint8_t* writable;  // the same pages, always there
static int memory;
static uint32_t data[1024];
static sigjmp_buf behind;
static atomic_int stop;

static uint32_t below(uint32_t limit) {  // good enough with two threads at it
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 20) % limit;
}

static void on_signal(int number) {
  if (number == SIGILL) atomic_fetch_add(&counts->signals, 1);
  siglongjmp(behind, 1);
}

static uint8_t* slot(uint32_t n) { return writable + kText + n * kSlot; }

// One instruction, never more than a slot, that does no harm to the program: it reads by rbx and an
// index, and writes registers that nobody needs and below the stack.
static void put_instruction(uint32_t n) {
  uint8_t code[kSlot];
  const uint8_t reg = (uint8_t)((const uint8_t[]){0, 1, 2, 6, 7}[below(5)]);
  const uint8_t other = (uint8_t)((const uint8_t[]){0, 1, 2, 6, 7}[below(5)]);
  memset(code, 0x90, sizeof code);
  uint8_t* at = code;
  const uint32_t what = below(8);
  if (kBits64 && what != 1 && below(2)) *at++ = 0x48;
  switch (what) {
    case 0:  // cmp $limit, reg
      at[0] = 0x83, at[1] = 0xf8 | reg, at[2] = (uint8_t)below(128);
      break;
    case 1: {  // jcc to a trap
      const int32_t distance = (int32_t)((kSlots + below(kTraps) - n) * kSlot) - 6;
      at[0] = 0x0f, at[1] = (uint8_t)(0x80 | (below(3) ? 7 : below(16)));
      memcpy(at + 2, &distance, 4);
      break;
    }
    case 2:
    case 3:  // mov (rbx, reg, 4), other
      at[0] = 0x8b, at[1] = (uint8_t)(4 | other << 3), at[2] = (uint8_t)(0x83 | reg << 3);
      break;
    case 4:  // mov reg, other
      at[0] = 0x89, at[1] = (uint8_t)(0xc0 | reg << 3 | other);
      break;
    case 5:  // mov reg, -16(rsp)
      at[0] = 0x89, at[1] = (uint8_t)(0x44 | reg << 3), at[2] = 0x24, at[3] = 0xf0;
      break;
    case 6:  // mov -16(rsp), other
      at[0] = 0x8b, at[1] = (uint8_t)(0x44 | other << 3), at[2] = 0x24, at[3] = 0xf0;
      break;
    default:  // add $imm, reg
      at[0] = 0x83, at[1] = 0xc0 | reg, at[2] = (uint8_t)below(8);
      break;
  }
  uint64_t whole;
  memcpy(&whole, code, sizeof whole);
  *(volatile uint64_t*)slot(n) = whole;
}

static void put_check(uint32_t n) {  // cmp, ja, and the access behind it: what a compiler writes
  const uint8_t reg = (uint8_t)((const uint8_t[]){0, 1, 2, 6, 7}[below(5)]);
  const int32_t distance = (int32_t)((kSlots + below(kTraps) - n - 1) * kSlot) - 6;
  memset(slot(n), 0x90, 3 * kSlot);
  memcpy(slot(n) + 4, (const uint8_t[]){kBits64 ? 0x48 : 0x90, 0x83, 0xf8 | reg, 9}, 4);
  memcpy(slot(n + 1), (const uint8_t[]){0x0f, 0x87}, 2);
  memcpy(slot(n + 1) + 2, &distance, 4);
  memcpy(slot(n + 2), (const uint8_t[]){0x8b, 0x04, (uint8_t)(0x83 | reg << 3)}, 3);
}

static void put_trap(uint32_t n) {
  static const uint8_t kUd1[] = {0x67, 0x0f, 0xb9, 0x40, 0x12};
  uint8_t* const at = slot(kSlots + n);
  memset(at, 0x90, kSlot);
  if (below(2))
    memcpy(at, "\x0f\x0b", 2);
  else
    memcpy(at, kUd1 + !kBits64, sizeof kUd1 - !kBits64);
}

// Where code never runs, but is looked at: anything.
static void put_garbage(void) {
  uint8_t* const at = slot(kSlots + kTraps + 1 + below(600));
  for (unsigned i = 0; i < kSlot; ++i) at[i] = (uint8_t)below(256);
}

static void put32(uint32_t at, uint32_t value) { memcpy(writable + at, &value, 4); }

static void put_headers(void) {
  memset(writable, 0, kPage);
  Header* const header = (Header*)writable;
  memcpy(header->e_ident,
         "\x7f"
         "ELF",
         4);
  header->e_ident[EI_CLASS] = kClass;
  header->e_ident[EI_DATA] = ELFDATA2LSB;
  header->e_machine = kMachine;
  header->e_phoff = sizeof *header;
  header->e_phentsize = sizeof(Segment);
  header->e_phnum = 2;
  Segment* const segments = (Segment*)(header + 1);
  segments[0].p_type = PT_LOAD;
  segments[0].p_flags = PF_R | PF_X;
  segments[0].p_memsz = kImage;
  segments[1].p_type = PT_GNU_EH_FRAME;
  segments[1].p_vaddr = kTables;
  segments[1].p_memsz = kPage;
}

// One function in the table: version, encodings, one entry; a CIE "zR"; its FDE.
static void put_tables(void) {
  memset(writable + kTables, 0, kPage);
  memcpy(writable + kTables, "\x01\x1b\x03\x3b", 4);
  put32(kTables + 8, 1);
  put32(kTables + 12, (uint32_t)(kText - kTables));
  put32(kTables + 16, 64 + 20);
  put32(kTables + 64, 16);  // CIE
  memcpy(writable + kTables + 64 + 8, "\x01zR\0\x01\x78\x10\x01\x1b", 9);
  put32(kTables + 84, 16);  // FDE
  put32(kTables + 88, 88 - 64);
  put32(kTables + 92, (uint32_t)(kText - (kTables + 92)));
  put32(kTables + 96, below(2) ? 2 * kPage : (kSlots + kTraps) * kSlot);
}

static void map_image(void) {
  mmap(image, kImage, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_FIXED, memory, 0);
}

static void put_all(void) {
  put_headers();
  put_tables();
  // Half of the functions are as a compiler makes them: their checks can be executed again.
  if (below(2)) {
    memset(slot(0), 0x90, kSlots * kSlot);
    for (uint32_t i = 0; i < 4; ++i) put_check(4 + 8 * i);
  } else {
    for (uint32_t i = 0; i < kSlots - 1; ++i) put_instruction(i);
    for (uint32_t i = 0; i < 6; ++i) put_check(below(kSlots - 4));
  }
  memset(slot(kSlots - 1), 0xc3, kSlot);  // ret
  for (uint32_t i = 0; i < kTraps; ++i) put_trap(i);
  map_image();
}

static void* rewrite(void* unused) {
  (void)unused;
  while (!stop) {
    const uint32_t page = below(4) * kPage;
    atomic_fetch_add(&counts->rewrites, 1);
    switch (below(12)) {
      case 0:
        writable[below(sizeof(Header) + 2 * sizeof(Segment))] = (uint8_t)below(256);
        break;
      case 1:
      case 2:
        writable[kTables + below(104)] = (uint8_t)below(256);
        break;
      case 3:
        mprotect(image + page, kPage, below(2) ? PROT_NONE : PROT_READ);
        break;
      case 4:
        munmap(image + page, kPage);
        break;
      case 5:
        put_all();
        break;
      case 6:
        put_trap(below(kTraps));
        break;
      case 7:
      case 8:
        put_garbage();
        break;
      default:
        if (below(2))
          put_check(below(kSlots - 4));
        else
          put_instruction(below(kSlots - 1));
        break;
    }
    if (below(4) == 0) put_all();
    if (below(2) == 0) usleep(below(2000));
  }
  return NULL;
}

__attribute__((noinline)) static void enter(uintptr_t code) {
  uintptr_t a = below(2) ? below(24) : random_state, c = below(24), d = (uintptr_t)-1,
            s = below(1024), e = below(12);
#ifdef __x86_64__
  register uintptr_t where __asm__("r8") = code;
  __asm__ volatile("sub $256, %%rsp\ncall *%%r8\nadd $256, %%rsp"
                   : "+a"(a), "+c"(c), "+d"(d), "+S"(s), "+D"(e), "+r"(where)
                   : "b"(data)
                   : "memory", "cc", "r9", "r10", "r11");
#else
  static uintptr_t where;
  where = code;
  __asm__ volatile("call *%6"
                   : "+a"(a), "+c"(c), "+d"(d), "+S"(s), "+D"(e)
                   : "b"(data), "m"(where)
                   : "memory", "cc");
#endif
}

static void run_process(uint64_t seed) {
  static const int kSignals[] = {SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGFPE};
  random_state = seed * 0x9e3779b97f4a7c15u | 1;
  memory = memfd_create("image", 0);
  if (memory < 0 || ftruncate(memory, kImage) != 0) _exit(1);
  writable = mmap(NULL, kImage, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  image = mmap(NULL, kImage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (writable == MAP_FAILED || image == MAP_FAILED) _exit(1);
  put_all();
  for (unsigned i = 0; i < sizeof kSignals / sizeof *kSignals; ++i) {
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};
    sigaction(kSignals[i], &action, NULL);
  }
  pthread_t rewriter;
  if (pthread_create(&rewriter, NULL, rewrite, NULL) != 0) _exit(1);
  for (;;) {
    if (sigsetjmp(behind, 0) != 0) continue;
    enter((uintptr_t)image + kText);
    atomic_fetch_add(&counts->returns, 1);
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const time_t end = time(NULL) + atoi(argv[1]);
  uint64_t seed = strtoull(argv[2], NULL, 0);
  counts = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (counts == MAP_FAILED) return 1;
  while (time(NULL) < end) {
    const pid_t child = fork();
    if (child == 0) run_process(++seed);
    usleep(200000 + (useconds_t)(seed++ * 7919 % 300000));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    counts->kills++;
  }
  const int tried = counts->signals != 0 && counts->returns != 0 && counts->rewrites != 0;
  printf("@check %s hostile checks: %lu signals, %lu returns, %lu rewrites, %lu kills\n",
         tried ? "ok" : "FAILED", counts->signals, counts->returns, counts->rewrites,
         counts->kills);
  return !tried;
}
