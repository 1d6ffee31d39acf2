// SPDX-License-Identifier: Apache-2.0
//
// kebound in a program's own process: callbacks for the bound exceptions of its threads. Linux,
// x86-64 and i386. docs/inproc.md tells how it works and what its limits are; kebound.hpp is the
// same for C++, ke.h has NT's own two functions.
//
// "Context" lines: "anywhere" includes signal handlers and callbacks; "not in a signal handler"
// excludes both. A callback runs inside a signal handler and may call what is marked "anywhere" and
// what POSIX calls async-signal-safe; if it knows what the interrupted code was doing, more.
#ifndef KEBOUND_KEBOUND_H_
#define KEBOUND_KEBOUND_H_

#include <setjmp.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KEBOUND_API __attribute__((visibility("default")))

typedef enum kebound_status {
  KEBOUND_OK = 0,
  KEBOUND_INVALID_ARGUMENT = 1,  // a null pointer, a size that no version had, an unknown value
  KEBOUND_INVALID_HANDLE = 2,    // names no live registration
  KEBOUND_ALREADY = 3,           // initialised before; the options of that time stay
  KEBOUND_NOT_SUPPORTED = 4,     // the system refuses membarrier(2) and sched_setaffinity(2) both
  KEBOUND_NO_MEMORY = 5,
  KEBOUND_REMOVED_INSIDE = 6,  // removed, from inside the callback itself: that frame still runs
  KEBOUND_BROKE_DEADLOCK = 7,  // removed, but two callbacks were removing each other: the other
                               // one's frame was not waited for
} kebound_status;

// What a callback answers. Any other value is a bug check: a record on standard error, then abort.
typedef enum kebound_answer {
  KEBOUND_CONTINUE_SEARCH = 0,  // not mine: the next callback is asked, with the registers as they
                                // were; after the last one a guard, then the program's own handler
  KEBOUND_HANDLED = 1,          // resume with the registers as they are now
  KEBOUND_ERROR = 2,            // kill the process, none of its handlers runs
} kebound_answer;

// Runs on the faulting thread, in a signal handler with the thread's own signal mask; on many
// threads at once. `event` and `registers` are valid until it returns. It must return: no longjmp,
// no C++ exception. A bound exception inside it is a bug check; another fault goes to the program's
// handlers.
typedef kebound_answer (*kebound_callback)(const kebound_event* event, kebound_registers* registers,
                                           void* context);

typedef enum kebound_profile {
  KEBOUND_PROFILE_DEFAULT = 0,  // 64 registrations, newest first
  KEBOUND_PROFILE_WINDOWS = 1,  // one; edits leak through ContinueSearch; left-behind registrations
                                // are a bug check
} kebound_profile;

typedef struct kebound_options {
  uint32_t size;           // sizeof(kebound_options)
  uint32_t profile;        // kebound_profile
  uint64_t livelock_limit  // exceptions handled in a row at one place with the same registers, the
      KEBOUND_ALIGN8;      // thread having executed nothing in between, before that counts as
                           // KEBOUND_ERROR; 0: never
  uint32_t no_alternate_stack;  // not 0: do not give the calling thread an alternate signal stack
  uint32_t no_compiler_traps;   // not 0: SIGILL is left alone, clang's bounds traps are no events
} kebound_options;

#define KEBOUND_LIVELOCK_DEFAULT 10000u
#define KEBOUND_OPTIONS_INIT \
  { sizeof(kebound_options), KEBOUND_PROFILE_DEFAULT, KEBOUND_LIVELOCK_DEFAULT, 0, 0 }

// Installs the handlers of SIGSEGV and (for compiler traps) SIGILL in front of the program's. Null
// means the defaults. The registering functions do it themselves, with the defaults, if nobody has.
// The handlers stay to the end of the process. Returns OK, ALREADY, INVALID_ARGUMENT,
// NOT_SUPPORTED. Context: any thread, not in a signal handler.
KEBOUND_API kebound_status kebound_init(const kebound_options* options);

// A registration's name; never 0, never valid again after removal. On i386 it fits a pointer.
typedef uint64_t kebound_handle;

// Adds a callback, asked before all that are registered already. The same callback may be added
// again and has two registrations. Returns 0 and changes nothing when `callback` is null or not in
// executable memory, when no slot is free, when 2^42 (i386: 2^26) registrations were made, or when
// kebound_init() fails. Context: any thread; inside a callback too; not in other signal handlers.
KEBOUND_API kebound_handle kebound_register(kebound_callback callback, void* context);

// Removes a registration, and waits until no invocation of it runs on any thread. Returns OK,
// INVALID_HANDLE (0, garbage, removed before, another caller was first: at once), REMOVED_INSIDE,
// BROKE_DEADLOCK. Context: any thread that may wait; inside callbacks too; not in other signal
// handlers.
KEBOUND_API kebound_status kebound_deregister(kebound_handle handle);

// Gives the index of a failed check another value: what a callback does before it answers
// KEBOUND_HANDLED. Writes registers->gpr[event->index_register] at the width of the check; where
// the index is in memory, remembers the value for when the exception is handled. Either way the
// host carries the new value to every copy of the index that the compiler made. Returns OK,
// INVALID_ARGUMENT (null, or not the event and registers that this thread's callback was given),
// NOT_SUPPORTED (the event is not resumable, or has no index). Context: inside a callback.
KEBOUND_API kebound_status kebound_set_index(const kebound_event* event,
                                             kebound_registers* registers, int64_t index);

// "no branch leads to the trap": what event->doubt means; "" for 0. Context: anywhere.
KEBOUND_API const char* kebound_doubt_text(unsigned doubt);

// --- guards: abandoning a region of code on a bound exception ---
//
//   kebound_guard guard;
//   if (kebound_guard_begin(&guard) == 0) {
//     ... /* code that may fail a check */
//     kebound_guard_end(&guard);
//   } else {
//     ... /* guard.event says which */
//   }
//
// An exception that no callback handles ends the region by siglongjmp. Between begin and end the
// rules of setjmp hold: locals changed there are volatile or lost, the region is not left by
// return, goto, longjmp or a C++ exception; no destructor runs and no lock is released. Guards
// nest. The signal mask stays that of the failing code.
typedef struct kebound_guard {
  sigjmp_buf jump;
  struct kebound_guard* outer;
  kebound_event event;
} kebound_guard;

// Context: anywhere. The failing code has to be interrupted on the same thread.
KEBOUND_API void kebound_guard_push(kebound_guard* guard);
KEBOUND_API void kebound_guard_end(kebound_guard* guard);
#define kebound_guard_begin(guard) \
  (sigsetjmp((guard)->jump, 0) != 0 ? 1 : (kebound_guard_push(guard), 0))

// The release of the library, "0.1.0". Context: anywhere.
KEBOUND_API const char* kebound_version(void);

#ifdef __cplusplus
}
#endif

#endif  // KEBOUND_KEBOUND_H_
