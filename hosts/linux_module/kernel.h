/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the module's C files, which include the kernel's headers, and its C++ files, which include none.
 * "Context: trap" is the die notifier: interrupts off, nothing may sleep; "task" may sleep. */
#ifndef KEBOUND_HOSTS_LINUX_MODULE_KERNEL_H
#define KEBOUND_HOSTS_LINUX_MODULE_KERNEL_H

#include "hosts/kernel/services.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The layout of x86::Registers, and of kebound_registers. */
struct kb_registers {
  uint64_t gpr[16];
  uint64_t rip;
  uint64_t rflags;
  uint64_t fs_base;
  uint64_t gs_base;
  uint16_t cs, ss, ds, es, fs, gs;
  uint32_t zero; /* kebound_registers.index_corrected */
};

/* x86::kUserFlags: what a callback may change of the flags. */
#define KB_USER_FLAGS 0x00254dd5

/* ---- what the kernel gives (C) ---- */

/* core/pal.h. */
void kb_wait_while_equal(const uint64_t* word, uint64_t value);
void kb_wake_all(const uint64_t* word);
void kb_heavy_barrier(void);

/* Parking a task: one token, kept until it is taken. */
struct kb_parker {
  void* task; /* while parked */
  uint64_t token;
};
void kb_park(struct kb_parker* parker, int64_t deadline_ns);
void kb_unpark(struct kb_parker* parker);

/* The running task, as a name; its identity does not come again while the machine is up. Context: trap. */
void* kb_current(void);
uint64_t kb_current_identity(void);
uint64_t kb_current_pid(void);
uint64_t kb_current_tid(void);
void kb_kill_current(void);

int64_t kb_monotonic_ns(void);
int64_t kb_realtime_ns(void);
void kb_sleep_ns(int64_t ns);

/* Copies what is there of the running task's memory, faulting nothing in. Context: trap. */
size_t kb_read_user(void* self, uint64_t address, void* buffer, size_t size);
/* The first address that is not a user's. */
uint64_t kb_user_end(void);

/* Nonzero where callbacks can be called on the way back to user mode. */
int kb_can_sleep(void);
/* SIGSEGV as the kernel sends it for a bound exception. Context: task. */
void kb_signal_bound(void);

/* One line of the kernel log. `severe`: 0 notice, 1 warning, 2 error. */
void kb_log(int severe, const char* text);
/* The number of processors that there can be. */
unsigned kb_processors(void);

/* Up to `size` bytes of a file at `offset`; how many there were. `file` is what kb_read_image_facts() was given. Context: task. */
size_t kb_read_file(void* file, uint64_t offset, void* buffer, size_t size);

/* "module!symbol+0x1c", or the number where the kernel knows no name. */
void kb_describe(uint64_t address, char* out, size_t size);

/* A kernel thread that runs kb_system_thread(object) once; 0, or -errno. */
int kb_start_thread(void* object, const char* name);
/* For a task that must not return to where it came from, and came from nowhere else. */
__attribute__((noreturn)) void kb_stop_task(void);

/* ---- user_code.c: the running process, as checks.cc looks at it. Context of all: task ---- */

/* What is there of the process' memory, faulting nothing in; how many bytes. Nothing when the process is being killed.
 * Lets other tasks run. */
size_t kb_read_resident(uint64_t address, void* buffer, size_t size);
/* Has the pages come; how many bytes from `address` on are there then. Takes as long as whoever gives them likes: a
 * file system, another thread of the process. */
size_t kb_fault_in(uint64_t address, size_t size);
/* Nonzero: all of it. They fault in, too. */
int kb_copy_from_user(uint64_t address, void* buffer, size_t size);
int kb_copy_to_user(uint64_t address, const void* buffer, size_t size);

/* A file around an address: where its mappings that lie together begin and end, and which file it is. */
struct kb_mapped_file {
  uint64_t begin, end;
  uint64_t device, inode;
};
int kb_find_file(uint64_t address, struct kb_mapped_file* out);

/* Memory of `size` bytes, always the same size, for one task at a time: zeroed when it is given out first, later as it
 * was left. `is_new`: it was used for another address space, or for none. Waits where all are taken; whoever has one
 * waits for nothing that a user decides about. Null: no memory, or the process is being killed. */
void* kb_take_workplace(size_t size, int* is_new);
void kb_give_workplace(void* memory);
void kb_free_workplaces(void);

/* ---- driver_call.S ---- */

struct kb_guard {
  uint64_t stack;
};
/* Calls fn(argument) and returns 0, or 1 when kb_escape(guard) was called within. */
int kb_guarded(struct kb_guard* guard, void (*fn)(void*), void* argument);
__attribute__((noreturn)) void kb_escape(struct kb_guard* guard);
/* Calls driver code, which sees the user's memory at its addresses. */
/* Where the kernel resumes driver code that trapped, with the place in the first argument. */
void kb_driver_trap_entry(void);
void kebound_driver_fault(void);
uint64_t kb_call_driver(void* routine, void* a0, void* a1, void* a2, void* a3);

/* ---- what the module does ---- */

void kb_init_services(void);

/* 0, or -errno. */
int kb_start(int windows_profile, uint64_t livelock_limit);
void kb_stop(void);

/* Whether a trap would be asked about at all. Context: trap. */
int kb_interested(void);

/* The registers of a trap, a pt_regs, as the task had them. Context: trap. */
void kb_registers_at(const void* trap, struct kb_registers* out);
/* The running task's segment bases, which the registers of a trap come without. Context: trap. */
void kb_read_bases(struct kb_registers* registers);
enum kb_trap_result { kKbNotOurs, kKbResume, kKbKilled, kKbDeferred };
/* A user-mode #BR (5) or #UD (6) of the running task on this processor, whose `registers` come with it. kKbResume: it resumes with what a
 * native callback has made of them, of which only its edits count. kKbKilled: it does not resume. kKbDeferred:
 * kb_deferred() is to be called on the task's way back to user mode. Context: trap. */
int kb_trap(unsigned vector, unsigned processor, const void* trap, struct kb_registers* registers);
/* Nonzero: resume with `registers`. Zero: as they were. Context: task. */
int kb_deferred(void* thread, struct kb_registers* registers);
/* What the kernel's task work begins with; it lives in the thread of the deferred exception. */
struct kb_deferred_work {
  void* next;
  void (*func)(void);
  void* thread;
};
/* Of the running task, after kKbDeferred. */
struct kb_deferred_work* kb_take_deferred_work(void);
/* The work could not be queued, or the task ends before it came to it. */
void kb_deferred_failed(void* thread);

/* A trap in the kernel itself, at `ip`; nonzero: go on at *resume_ip with `ip` as the first argument. */
int kb_kernel_trap(unsigned vector, uint64_t ip, uint64_t* resume_ip);
/* Driver code at `ip` touched what nobody may; does not return. */
__attribute__((noreturn)) void kb_driver_fault(uint64_t ip);
/* The same for a bound exception. */
__attribute__((noreturn)) void kb_driver_trap(uint64_t ip);

/* Modules as images. Context: task. */
struct kb_image {
  const char* name;
  uint64_t text_begin, text_end;
  uint64_t init_begin, init_end;
  uint64_t begin, end;
};
void kb_module_coming(void* module, const struct kb_image* image);
void kb_module_going(void* module);

void kb_system_thread(void* object);

/* What the headers of a mapped file say, read through a buffer of `size` bytes: its build ID, and the file's own address
 * of what is at `place` in it. 0: no ELF file that has that place in a segment. Context: task. */
struct kb_image_facts {
  uint64_t address;
  uint8_t build_id_size;
  uint8_t build_id[20];
};
int kb_read_image_facts(void* file, uint64_t place, void* buffer, size_t size, struct kb_image_facts* facts);

#ifdef __cplusplus
}
#endif

#endif
