// SPDX-License-Identifier: Apache-2.0
//
// Layouts that cross a binary boundary: between a program and libkebound.so, and between a process
// and whoever reads its event ring. Fixed-width members only, the same for i386 and x86-64. Fields
// are only ever added at an end; the size, or the version, says how many there are.
#ifndef KEBOUND_ABI_H_
#define KEBOUND_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define KEBOUND_ABI_ASSERT(e) static_assert(e, #e)
#else
#define KEBOUND_ABI_ASSERT(e) _Static_assert(e, #e)
#endif
// i386 would align 64-bit members to 4 bytes.
#define KEBOUND_ALIGN8 __attribute__((aligned(8)))

#define KEBOUND_ABI_VERSION 3u

// Where an event comes from.
enum {
  KEBOUND_SOURCE_X86_BOUND = 1,            // #BR by the BOUND instruction
  KEBOUND_SOURCE_CLANG_TRAP = 2,           // ud1 of clang's -fsanitize-trap
  KEBOUND_SOURCE_CHECK_TRAP = 3,           // ud2 behind a compare of an index with its limit
  KEBOUND_SOURCE_LIBCXX_HARDENING = 4,     // a trap of hardened libc++
  KEBOUND_SOURCE_UBSAN_HANDLER = 5,        // __ubsan_handle_out_of_bounds and its family
  KEBOUND_SOURCE_LIBSTDCXX_ASSERTION = 6,  // std::__glibcxx_assert_fail
  KEBOUND_SOURCE_LIBCXX_ABORT = 7,         // std::__libcpp_verbose_abort
  KEBOUND_SOURCE_FORTIFY = 8,              // __memcpy_chk and its siblings
  KEBOUND_SOURCE_STACK_PROTECTOR = 9,      // __stack_chk_fail
  KEBOUND_SOURCE_X86_MPX = 10,             // #BR by BNDCL, BNDCU, BNDCN
};

// What was checked.
enum {
  KEBOUND_CHECK_UNKNOWN = 0,
  KEBOUND_CHECK_ARRAY_BOUNDS = 1,      // an index against the length of what it indexes
  KEBOUND_CHECK_OBJECT_SIZE = 2,       // an access against its object; clang: or null, alignment
  KEBOUND_CHECK_POINTER_OVERFLOW = 3,  // pointer arithmetic
  KEBOUND_CHECK_ASSERTION = 4,         // a library's precondition
  KEBOUND_CHECK_BUFFER_SIZE = 5,       // bytes to be written against the room for them
  KEBOUND_CHECK_STACK_SMASH = 6,       // the stack's guard was overwritten
};

// How far index, lower, upper and index_register are known.
enum {
  KEBOUND_CONFIDENCE_UNKNOWN = 0,  // not at all: they are 0
  KEBOUND_CONFIDENCE_LIKELY = 1,   // inferred
  KEBOUND_CONFIDENCE_CERTAIN = 2,  // read off the instruction and the registers
};

// One failed check. Where the check is a compare and the exception comes from the trap behind it,
// the event is that of BOUND all the same: ip is the compare's, and so is the ip of the registers.
typedef struct kebound_event {
  uint32_t size;               // bytes of this structure that are filled
  uint8_t source;              // KEBOUND_SOURCE_*
  uint8_t confidence;          // KEBOUND_CONFIDENCE_*
  uint8_t instruction_length;  // bytes from ip to the next instruction; 0: unknown
  uint8_t index_register;      // place in kebound_registers.gpr that holds the index
  uint8_t index_width;         // bits of the comparison: 8, 16, 32, 64; 0: unknown
  uint8_t check;               // KEBOUND_CHECK_*
  uint8_t resumable;           // KEBOUND_HANDLED can resume at ip; if 0 it is refused
  uint8_t doubt;               // why index or resuming is not known: kebound_doubt_text()
  uint8_t reserved[4];
  KEBOUND_ALIGN8 uint64_t ip;    // address of the failing instruction
  KEBOUND_ALIGN8 int64_t index;  // what was checked, sign-extended from index_width
  KEBOUND_ALIGN8 int64_t lower;  // both bounds are inclusive
  KEBOUND_ALIGN8 int64_t upper;
  KEBOUND_ALIGN8 uint64_t bounds_address;  // where the pair of bounds is in memory; 0: nowhere
  KEBOUND_ALIGN8 uint64_t trap_ip;         // of what raised the exception; ip for BOUND
  KEBOUND_ALIGN8 uint64_t index_raw;       // the index' bits at index_width
  KEBOUND_ALIGN8 uint64_t index_address;   // where the index is in memory; 0: in index_register
  KEBOUND_ALIGN8 uint64_t line_ip;         // has the source line of the check; 0: ip has
} kebound_event;
KEBOUND_ABI_ASSERT(sizeof(kebound_event) == 88);
KEBOUND_ABI_ASSERT(offsetof(kebound_event, ip) == 16);
KEBOUND_ABI_ASSERT(offsetof(kebound_event, bounds_address) == 48);

// Places in kebound_registers.gpr: the processor's own numbers.
enum {
  KEBOUND_RAX,
  KEBOUND_RCX,
  KEBOUND_RDX,
  KEBOUND_RBX,
  KEBOUND_RSP,
  KEBOUND_RBP,
  KEBOUND_RSI,
  KEBOUND_RDI,
  KEBOUND_R8,
  KEBOUND_R9,
  KEBOUND_R10,
  KEBOUND_R11,
  KEBOUND_R12,
  KEBOUND_R13,
  KEBOUND_R14,
  KEBOUND_R15
};

// The interrupted thread's registers. A callback may change gpr, ip and flags; what it changes of
// the rest has no effect. A thread in 32-bit code has 32-bit registers: upper halves are dropped.
typedef struct kebound_registers {
  KEBOUND_ALIGN8 uint64_t gpr[16];  // i386: the first eight, the rest is 0
  uint64_t ip;
  uint64_t flags;    // of changes, those to the flags that user mode may change count
  uint64_t fs_base;  // 0 where the check did not use the segment
  uint64_t gs_base;
  uint16_t cs;
  uint16_t ss;
  uint16_t ds;
  uint16_t es;
  uint16_t fs;
  uint16_t gs;
  uint32_t index_corrected;  // kebound_set_index() has given the index another value
} kebound_registers;
KEBOUND_ABI_ASSERT(sizeof(kebound_registers) == 176);
KEBOUND_ABI_ASSERT(offsetof(kebound_registers, ip) == 128);
KEBOUND_ABI_ASSERT(offsetof(kebound_registers, cs) == 160);

// --- the event ring ---
//
// A file of one header page and `capacity` records, mapped shared by the process and by a reader.
// Any number of threads and processes write, one reads. A writer takes number n by an atomic
// increment of `head`, fills record n % capacity and then stores n + 1 to its `sequence`. When the
// ring is full (n - tail >= capacity) it takes no number and increments `dropped` instead. The
// reader waits for records[tail % capacity].sequence == tail + 1, copies the record, and increments
// `tail`. A writer that dies between the two steps leaves a hole; the reader gives up on it
// (docs/inproc.md).

#define KEBOUND_RING_MAGIC UINT64_C(0x32676e6972424b7f)  // "\x7fKBring2"
#define KEBOUND_RING_HEADER_SIZE 4096u

// What a writer asks the reader and waits for, one at a time: what debug information says of a
// trap, which a signal handler cannot look up. `state` is a ticket, counted up with each question,
// and in the low bits how far that question is; everybody changes it by compare-and-swap only. The
// asker gives up after a while; the reader ends what an asker that died has left.
#define KEBOUND_QUESTION_PHASE 7u
#define KEBOUND_QUESTION_TICKET 8u
enum {
  KEBOUND_QUESTION_NONE = 0,       // the reader answers none
  KEBOUND_QUESTION_IDLE = 1,       // a writer may make it Claimed
  KEBOUND_QUESTION_CLAIMED = 2,    // it fills pid and ip: Asked
  KEBOUND_QUESTION_ASKED = 3,      // the reader: Answering; the asker, tired of waiting: Idle
  KEBOUND_QUESTION_ANSWERING = 4,  // the reader fills answer: Answered
  KEBOUND_QUESTION_ANSWERED = 5,   // the asker takes it: Idle, with the next ticket
};
#define KEBOUND_QUESTION_ANSWER 128u
enum {
  KEBOUND_QUESTION_ABOUT_TRAP = 0,  // the answer is words, and a 0: which check failed
  // Of the function that begins at the address; the answer is a kebound_function_answer.
  KEBOUND_QUESTION_ABOUT_FUNCTION = 2,
  KEBOUND_QUESTION_ABOUT_ARRAYS = 3,  // the answer is a kebound_arrays_answer
};
// The arrays that a byte lies in, innermost first.
#define KEBOUND_ARRAYS_ANSWERED 4u
typedef struct kebound_array_around {
  KEBOUND_ALIGN8 uint64_t offset;  // of the byte, from where the array begins
  KEBOUND_ALIGN8 uint64_t count;
  KEBOUND_ALIGN8 uint64_t element_size;
} kebound_array_around;
typedef struct kebound_arrays_answer {
  uint32_t count;
  // 0: that is all; 1: there may be others within the first one; more: the first more_within - 1
  // are those of a union's members
  uint32_t more_within;
  kebound_array_around arrays[KEBOUND_ARRAYS_ANSWERED];
} kebound_arrays_answer;
enum { KEBOUND_COMPILER_UNKNOWN = 0, KEBOUND_COMPILER_GCC = 1, KEBOUND_COMPILER_CLANG = 2 };
enum { KEBOUND_LINKAGE_UNKNOWN = 0, KEBOUND_LINKAGE_LOCAL = 1, KEBOUND_LINKAGE_GLOBAL = 2 };
enum { KEBOUND_CHECKS_UNKNOWN = 0, KEBOUND_CHECKS_NO = 1, KEBOUND_CHECKS_YES = 2 };
typedef struct kebound_function_answer {
  uint8_t compiler;  // KEBOUND_COMPILER_*
  uint8_t linkage;   // KEBOUND_LINKAGE_*: Local where only its own file can call it
  uint8_t checks;    // KEBOUND_CHECKS_*: indices are checked by the compiler, with traps
  uint8_t unused;
  uint16_t version;            // of the compiler; 0: not known
  uint16_t is_signed;          // a bit for each of parameter_bits
  uint8_t parameter_bits[16];  // of the number in each general register when it begins; 0: none
} kebound_function_answer;

typedef struct kebound_ring_question {
  uint32_t state;  // waited for by futex(2)
  int32_t pid;
  KEBOUND_ALIGN8 uint64_t address;  // of the trap, of the data, or of the function
  uint32_t subject;                 // KEBOUND_QUESTION_ABOUT_*
  uint32_t unused;
  char answer[KEBOUND_QUESTION_ANSWER];  // all zero: nothing is known
} kebound_ring_question;

typedef struct kebound_ring_header {
  KEBOUND_ALIGN8 uint64_t magic;
  uint32_t version;      // KEBOUND_ABI_VERSION
  uint32_t record_size;  // sizeof(kebound_ring_record)
  uint32_t capacity;     // records, a power of two
  uint32_t reserved;
  KEBOUND_ALIGN8 uint64_t unused[5];
  KEBOUND_ALIGN8 uint64_t head;  // numbers given out; written by writers
  KEBOUND_ALIGN8 uint64_t dropped;
  KEBOUND_ALIGN8 uint64_t writers_line[6];
  KEBOUND_ALIGN8 uint64_t tail;  // records consumed; written by the reader
  KEBOUND_ALIGN8 uint64_t reader_line[7];
  kebound_ring_question question;
} kebound_ring_header;
KEBOUND_ABI_ASSERT(offsetof(kebound_ring_header, head) == 64);
KEBOUND_ABI_ASSERT(offsetof(kebound_ring_header, tail) == 128);
KEBOUND_ABI_ASSERT(offsetof(kebound_ring_header, question) == 192);

enum {
  KEBOUND_DISPOSITION_HANDLED = 0,
  KEBOUND_DISPOSITION_PROPAGATED = 1,
  KEBOUND_DISPOSITION_TERMINATED = 2,
};

// What a record is about.
enum {
  KEBOUND_RECORD_EXCEPTION = 1,
  KEBOUND_RECORD_BUG_CHECK = 2,
  KEBOUND_RECORD_VERIFIER = 3,
};

#define KEBOUND_RING_ANSWERS 8u  // the last callbacks that were asked, in order
#define KEBOUND_RING_TEXT 104u
#define KEBOUND_RING_DETAIL 128u
#define KEBOUND_RING_PATH 248u
#define KEBOUND_RING_BUILD_ID 20u

typedef struct kebound_ring_answer {
  KEBOUND_ALIGN8 uint64_t routine;  // address in the process
  uint32_t status;
  uint16_t edited;   // it changed registers
  uint16_t builtin;  // it is the preload library's own
} kebound_ring_answer;

typedef struct kebound_ring_record {
  KEBOUND_ALIGN8 uint64_t sequence;  // its number + 1 once it is complete
  int64_t time_ns;                   // CLOCK_REALTIME
  int32_t pid;
  int32_t tid;
  uint8_t kind;         // KEBOUND_RECORD_*
  uint8_t disposition;  // KEBOUND_DISPOSITION_*
  uint8_t code_size;
  uint8_t code[15];
  uint8_t is_64bit;      // the process is
  uint8_t answer_count;  // callbacks asked, at most 64
  uint32_t bug_check;    // code, for KEBOUND_RECORD_BUG_CHECK
  kebound_event event;
  kebound_registers before;  // KEBOUND_RECORD_BUG_CHECK: gpr[0..3] are its parameters
  kebound_registers after;
  kebound_ring_answer answers[KEBOUND_RING_ANSWERS];
  KEBOUND_ALIGN8 uint64_t routine;  // the callback at fault, 0: none
  char text[KEBOUND_RING_TEXT];     // why, or the verifier's rule and message; ends with a 0
  // What a reader cannot ask for any more when the process has ended. Both end with a 0.
  char thread_name[16];
  KEBOUND_ALIGN8 uint64_t image_bias;  // addresses in `image` + image_bias = addresses in memory
  uint32_t image_is_program;           // `image` is the program itself, not a library
  uint32_t rule;                       // of KEBOUND_RULES that decided, counted from 1; 0: none did
  char image[KEBOUND_RING_PATH];       // file that has the code at event.ip; empty: unknown
  char detail[KEBOUND_RING_DETAIL];    // what the check says of itself: an assertion's text; mostly
                                       // empty
  // Which file `image` was, for whoever finds another one at its path. Of the kernel module only.
  KEBOUND_ALIGN8 uint64_t image_device;  // these four as stat(2) has them
  uint64_t image_inode;                  // 0: none of the four is known
  uint64_t image_size;
  int64_t image_changed_ns;                 // st_ctim
  uint8_t build_id_size;                    // 0: it has none, or it is not known
  uint8_t build_id[KEBOUND_RING_BUILD_ID];  // the note NT_GNU_BUILD_ID
  uint8_t unused[3];
} kebound_ring_record;
KEBOUND_ABI_ASSERT(offsetof(kebound_ring_record, event) == 48);
KEBOUND_ABI_ASSERT(offsetof(kebound_ring_record, answers) == 488);
KEBOUND_ABI_ASSERT(offsetof(kebound_ring_record, image_bias) == 744);
KEBOUND_ABI_ASSERT(offsetof(kebound_ring_record, image_device) == 1136);
KEBOUND_ABI_ASSERT(sizeof(kebound_ring_record) == 1192);

#ifdef __cplusplus
}
#endif

#endif  // KEBOUND_ABI_H_
