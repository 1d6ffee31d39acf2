// SPDX-License-Identifier: Apache-2.0
//
// Instructions that fail a check, and everything that is put around them.
//
// No byte here, nor a mixture of two instructions, may be a system call that does harm: not `0f
// 05`, `0f 34`, `cd 80`; no far calls and returns: enter.c says why.
#include <asm/ldt.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostile.h"

enum { AX, CX, DX, BX, SP, BP, SI, DI };
enum { kCs32 = 0x23, kDs = 0x2b, kCs64 = 0x33 };
#ifdef __x86_64__
enum { kOwnCs = kCs64, kOtherCs = kCs32 };
#else
enum { kOwnCs = kCs32, kOtherCs = kCs64 };
#endif

uint64_t next_random(struct worker* worker) {
  worker->random ^= worker->random << 13;
  worker->random ^= worker->random >> 7;
  worker->random ^= worker->random << 17;
  return worker->random;
}

static uint8_t harmless(struct worker* worker) {
  for (;;) {
    static const char kNot[] = "\x05\x34\x80\x9a\xca\xcb\xcf\xff";
    const uint8_t byte = (uint8_t)next_random(worker);
    if (memchr(kNot, byte, sizeof kNot - 1) == NULL) return byte;
  }
}

static uintptr_t strange_address(struct worker* worker) {
  switch (below(worker, 6)) {
    case 0:
      return 0;
    case 1:
      return ~(uintptr_t)below(worker, 16);
    case 2:
      return (uintptr_t)0xffff888000000000ull + (uintptr_t)(next_random(worker) & 0xfffffff);
    case 3:
      return (uintptr_t)0x7fffffffeff0ull + below(worker, 64);
    case 4:
      return (uintptr_t)worker->data + 2 * kPage - below(worker, 12);
    default:
      return (uintptr_t)next_random(worker);
  }
}

// A check that fails: BOUND of a register against worker->data, clang's ud1, or one of MPX. Its
// length.
static size_t put_check(struct worker* worker, uint8_t* out) {
  static const uint8_t kClang[] = {0x67, 0x0f, 0xb9, 0x40, 0x12};
  static const uint8_t kMpx[][8] = {
      {0xf3, 0x0f, 0x1b, 0x07, 0xf3, 0x0f, 0x1a, 0xc0},   // bndmk (di), bndcl ax
      {0xf3, 0x0f, 0x1b, 0x07, 0xf2, 0x0f, 0x1a, 0xc1},   // bndcu cx
      {0xf3, 0x0f, 0x1b, 0x07, 0xf2, 0x0f, 0x1b, 0xc1}};  // bndcn cx
  const unsigned what = below(worker, worker->cs == kCs64 ? 8 : 16);
  worker->gpr[CX] = ~(uintptr_t)0 >> 1;
  if (what == 0) return memcpy(out, "\x0f\x0b", 2), 2;  // ud2
  if (what < 4) {
    memcpy(out, kClang, sizeof kClang);
    if (below(worker, 4) == 0) out[4] = harmless(worker);
    if (below(worker, 8) == 0) out[3] = harmless(worker);
    return sizeof kClang;
  }
  if (what < 8) {
    memcpy(out, kMpx[below(worker, 3)], 8);
    return 8;
  }
  const unsigned index = below(worker, 2) ? AX : DX;
  worker->gpr[BX] = (uintptr_t)worker->data + 8 * below(worker, 64);
  worker->gpr[index] = below(worker, 2) ? 12 : ~(uintptr_t)below(worker, 3);
  out[0] = 0x62;
  out[1] = (uint8_t)(index << 3 | BX);
  if (below(worker, 6) != 0) return 2;
  for (unsigned i = 1; i < 7; ++i) out[i] = harmless(worker);  // any operand there is
  return 7;
}

static size_t put_prefixes(struct worker* worker, uint8_t* out, unsigned most) {
  static const uint8_t kPrefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36,
                                      0x3e, 0x26, 0x64, 0x65, 0xf0};
  const unsigned wanted = 1 + below(worker, most);
  for (unsigned i = 0; i < wanted; ++i) out[i] = kPrefixes[below(worker, sizeof kPrefixes)];
  return wanted;
}

static size_t put_interrupt(struct worker* worker, uint8_t* out) {
  static const uint8_t kInterrupts[][2] = {{0xcd, 5}, {0xcd, 4},  {0xcd, 3}, {0xcd, 1},
                                           {0xcd, 6}, {0xcd, 13}, {0xcc, 0}, {0xce, 0},
                                           {0xf1, 0}, {0xcd, 14}, {0xcd, 5}, {0xcd, 2}};
  memcpy(out, kInterrupts[below(worker, sizeof kInterrupts / 2)], 2);
  worker->flags |= 0x800;  // OF, for into
  return 2;
}

// Through the mapping that is always there.
static void write_code(struct worker* worker, const uint8_t* bytes, size_t size) {
  memset(worker->code_writable, 0xcc, 2 * kPage);
  memcpy(worker->code_writable + worker->site, bytes, size);
}

void write_ldt(struct worker* worker, const struct worker* target, unsigned which) {
  struct user_desc entry;
  memset(&entry, 0, sizeof entry);
  const int is_code = which == kLdtCode || which == kLdtCode16;
  entry.entry_number = which;
  entry.base_addr = (unsigned)(uintptr_t)(is_code ? target->code : target->data);
  entry.limit = is_code ? (unsigned)target->site + below(worker, 10) : below(worker, 600);
  entry.seg_32bit = which == kLdtCode || which == kLdtData;
  entry.contents = is_code ? 2 : below(worker, 8) == 0 ? 1 : 0;
  entry.seg_not_present = which == kLdtAbsent;
  entry.useable = 1;
  if (below(worker, 8) == 0) entry.base_addr = (unsigned)next_random(worker);
  if (below(worker, 8) == 0) entry.limit = (unsigned)next_random(worker) & 0xfffff;
  if (below(worker, 8) == 0) entry.limit_in_pages = 1;
  syscall(SYS_modify_ldt, 1, &entry, sizeof entry);
}

static uintptr_t ldt(unsigned which) { return which << 3 | 7; }

static size_t prepare_ldt(struct worker* worker, uint8_t* bytes) {
  size_t size = 0;
  for (unsigned i = 0; i < kLdtEntries; ++i) write_ldt(worker, worker, i);
  worker->ds = ldt(below(worker, 4) ? (unsigned)kLdtData : below(worker, kLdtEntries));
  worker->es = below(worker, 2) ? ldt(kLdtData) : (uintptr_t)kDs;
  worker->cs = kCs32;
  if (below(worker, 3) == 0) {  // a stack of 16 bits
    bytes[size++] = 0xb8;
    const uint32_t selector = (uint32_t)ldt(kLdtStack16);
    memcpy(bytes + size, &selector, 4);
    memcpy(bytes + size + 4, "\x8e\xd0", 2);
    size += 6;
  }
  size += put_check(worker, bytes + size);
  worker->gpr[BX] = below(worker, 600);  // within the data segment, or behind its limit
  if (below(worker, 4) != 0) {
    worker->cs = ldt(below(worker, 3) ? kLdtCode : kLdtCode16);
    worker->ip = worker->site;
  }
  return size;
}

// The page behind the instruction.
static void place_before_end(struct worker* worker, size_t size) {
  worker->site = kPage - 1 - below(worker, (unsigned)size);
  if (worker->cs == kOwnCs || worker->cs == kOtherCs)
    worker->ip = (uintptr_t)worker->code + worker->site;
}

void toggle_page(struct worker* random, uint8_t* page, int executable) {
  static const int kProtections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
  switch (below(random, 4)) {
    case 0:
      munmap(page, kPage);
      break;
    case 1:
      mmap(page, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      break;
    default:
      mprotect(page, kPage,
               kProtections[below(random, 3)] | (executable && below(random, 2) ? PROT_EXEC : 0));
      break;
  }
}

// What the other threads write over an instruction: as a whole or byte by byte.
void write_template(struct worker* random, struct worker* target) {
  static const uint8_t kTemplates[][8] = {{0x62, 0x03, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90},
                                          {0x62, 0x13, 0x62, 0x03, 0x62, 0x13, 0x90, 0x90},
                                          {0x67, 0x0f, 0xb9, 0x40, 0x12, 0x90, 0x90, 0x90},
                                          {0x0f, 0x0b, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90},
                                          {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90},
                                          {0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc},
                                          {0xf3, 0x0f, 0x1b, 0x07, 0xf3, 0x0f, 0x1a, 0xc0},
                                          {0x66, 0x62, 0x03, 0x66, 0x62, 0x13, 0x90, 0x90},
                                          {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x62, 0x03},
                                          {0xcd, 0x04, 0xcd, 0x03, 0x90, 0x90, 0x90, 0x90}};
  const uint8_t* const from = kTemplates[below(random, sizeof kTemplates / 8)];
  volatile uint8_t* const to = target->code_writable + target->site;
  const unsigned size = below(random, 3) ? 8 : 1 + below(random, 7);
  if (target->site > 2 * kPage - 8) return;
  if (size == 8 && (uintptr_t)to % 8 == 0) {
    uint64_t whole;
    memcpy(&whole, from, 8);
    *(volatile uint64_t*)to = whole;
  } else {
    for (unsigned i = 0; i < size; ++i) to[i] = from[i];
  }
}

static const uintptr_t kFlagsTried = 0x3f7fd5;  // all that there are, IF and IOPL and VM as well

void forge(struct worker* worker) {
  for (int i = 0; i < 16; ++i) {
    if (below(worker, 3) == 0) worker->gpr[i] = strange_address(worker);
  }
  worker->flags = below(worker, 2) ? 0x202 : (uintptr_t)next_random(worker) & kFlagsTried;
  const uintptr_t selectors[] = {kCs32,
                                 kCs64,
                                 kDs,
                                 ldt(below(worker, kLdtEntries)),
                                 0,
                                 0x10,
                                 (uintptr_t)next_random(worker) & 0xffff};
  if (below(worker, 3) == 0) worker->cs = selectors[below(worker, 7)];
  worker->ds = below(worker, 3) ? (uintptr_t)kDs : selectors[below(worker, 7)];
  worker->es = worker->fs = worker->gs =
      below(worker, 2) ? (uintptr_t)kDs : selectors[below(worker, 7)];
  if (worker->cs == kCs32 || worker->cs == kCs64)
    worker->ip = (uintptr_t)worker->code + worker->site;
  if (below(worker, 16) == 0) worker->ip = strange_address(worker);
}

static void fill_registers(struct worker* worker) {
  for (int i = 0; i < 16; ++i) worker->gpr[i] = (uintptr_t)next_random(worker);
  worker->gpr[DI] = (uintptr_t)worker->data + kPage;  // what bndmk takes: ax is below, cx above
  worker->gpr[AX] = 12;
  worker->flags = 0x202;
  worker->cs = below(worker, 3) ? kCs32 : kCs64;
#ifdef __x86_64__
  worker->ds = worker->es = worker->fs = worker->gs = 0;
#else
  worker->ds = worker->es = kDs;
  worker->fs = 0;
  worker->gs = worker->tls;
#endif
  worker->fs_base = worker->gs_base = 0;
  worker->steps = worker->forgeries = 0;
}

static void set_bases(struct worker* worker) {
#ifdef __x86_64__
  worker->fs_base = (uintptr_t)(next_random(worker) >> (17 + below(worker, 47)));
  worker->gs_base = below(worker, 2) ? (uintptr_t)worker->data + below(worker, kPage)
                                     : (uintptr_t)(next_random(worker) >> 17);
#else
  write_ldt(worker, worker, kLdtData);
  worker->fs = worker->gs = ldt(kLdtData);
#endif
}

void restore_pages(struct worker* worker) {
  const off_t at = worker->memory_offset;
  mmap(worker->code, 2 * kPage, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_FIXED,
       worker->memory, at);
  mmap(worker->data, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, worker->memory,
       at + 2 * kPage);
}

int make_site(struct worker* worker) {
  uint8_t bytes[64];
  size_t size = 0;
  const int kinds[] = {k_straddle, k_vanishing, k_rewriting, k_rewriting, k_prefixes,
                       k_softint,  k_flags,     k_sigreturn, k_farjump,   k_ldt,
                       k_segbase,  k_operand,   k_stack,     k_plain,     k_plain};
  const int kind = kinds[below(worker, sizeof kinds / sizeof *kinds)];
  fill_registers(worker);
  if (kind != k_vanishing) restore_pages(worker);
  worker->site = 64 + 8 * below(worker, 32);
  worker->ip = (uintptr_t)worker->code + worker->site;
  switch (kind) {
    case k_farjump:
      worker->cs = kOtherCs;
      break;
    case k_prefixes:
      size = put_prefixes(worker, bytes, 16);
      break;
    case k_segbase:
      set_bases(worker);
      bytes[size++] = below(worker, 2) ? 0x64 : 0x65;
      break;
    case k_flags:
      worker->flags = (uintptr_t)next_random(worker) & kFlagsTried;
      if (below(worker, 2) == 0) worker->flags |= 0x100;
      worker->steps = below(worker, 6);
      break;
    case k_sigreturn:
      worker->forgeries = 1 + below(worker, 3);
      break;
    case k_stack:
      if (worker->cs == kCs64) bytes[size++] = 0x48;
      bytes[size++] = 0x31;  // xor %esp, %esp
      bytes[size++] = 0xe4;
      break;
    default:
      break;
  }
  if (kind == k_ldt)
    size = prepare_ldt(worker, bytes);
  else if (kind == k_softint)
    size += put_interrupt(worker, bytes + size);
  else
    size += put_check(worker, bytes + size);
  if (kind == k_operand) worker->gpr[BX] = strange_address(worker);
  if (kind == k_straddle || kind == k_vanishing || (kind == k_prefixes && below(worker, 2)))
    place_before_end(worker, size);
  write_code(worker, bytes, size);
  if (kind == k_rewriting)
    memcpy(worker->code_writable + worker->site + 8, "\xeb\xf6", 2);  // again and again
  if (kind == k_straddle && below(worker, 4) != 0)
    toggle_page(worker, worker->code + kPage, below(worker, 2) != 0);
  if (kind == k_operand && below(worker, 2)) toggle_page(worker, worker->data + kPage, 0);
  return kind;
}
