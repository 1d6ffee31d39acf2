// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/bug_check.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hosts/inproc/image.h"
#include "hosts/inproc/publish.h"
#include "hosts/inproc/signal_action.h"

namespace kebound::inproc {

Line& Line::text(const char* words) noexcept {
  for (; *words != '\0'; ++words) put(*words);
  return *this;
}

Line& Line::hex(uint64_t value) noexcept {
  text("0x");
  int shift = 60;
  while (shift > 0 && value >> shift == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[value >> shift & 15]);
  return *this;
}

Line& Line::decimal(int64_t value) noexcept {
  uint64_t rest = static_cast<uint64_t>(value);
  if (value < 0) {
    put('-');
    rest = ~rest + 1;
  }
  char digits[20];
  unsigned count = 0;
  do {
    digits[count++] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  while (count != 0) put(digits[--count]);
  return *this;
}

Line& Line::place(uint64_t address) noexcept {
  const Image image = image_of(address);
  if (!image.found()) return hex(address);
  const char* name = image.path;
  for (const char* c = image.path; *c != '\0'; ++c) {
    if (*c == '/') name = c + 1;
  }
  return text(*name != '\0' ? name : program_invocation_short_name)
      .text("+")
      .hex(address - image.begin);
}

const char* Line::c_str() noexcept {
  buffer_[used_] = '\0';
  return buffer_;
}

void Line::write() noexcept {
  const int saved = errno;
  buffer_[used_] = '\n';
  // Where standard error cannot be written there is nobody to tell.
  const ssize_t written = ::write(STDERR_FILENO, buffer_, used_ + 1);
  static_cast<void>(written);
  errno = saved;
}

void kill_process() noexcept {
  for (;;) syscall(SYS_kill, getpid(), SIGKILL);
}

void bug_check(const BugCheck& what) noexcept {
  Line line;
  line.text("kebound: bug check ").hex(what.code).text(" (");
  for (int i = 0; i < 4; ++i) line.text(i == 0 ? "" : ", ").hex(what.parameters[i]);
  line.text("): ").text(what.explanation);
  if (what.routine != 0) line.text("; callback ").place(what.routine);
  line.text("; thread ").decimal(syscall(SYS_gettid));
  publish_bug_check(what);
  line.write();
  // SIGABRT with the default action dumps a core. Another thread may install a handler in between:
  // then the last line ends it.
  block_signals(kAllSignals & ~mask_of(SIGABRT));
  const SignalAction fallback{};
  if (set_kernel_action(SIGABRT, &fallback, nullptr)) {
    unblock_signals(mask_of(SIGABRT));
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGABRT);
  }
  kill_process();
}

}  // namespace kebound::inproc
