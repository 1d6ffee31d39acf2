// SPDX-License-Identifier: Apache-2.0
//
// The input is a driver's file, as the loader reads it before the dynamic loader does.
#include <sys/mman.h>
#include <unistd.h>

#include "hosts/driver/elf_check.h"
#include "tests/fuzz/fuzz_target.h"

using kebound::fuzz::fail_if;
using namespace kebound::driver;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int fd = memfd_create("driver", MFD_CLOEXEC);
  fail_if(fd >= 0 && write(fd, data, size) == static_cast<ssize_t>(size) ? "" : "no memory file");
  ElfFacts facts;
  LoadError error;
  const bool good = read_elf("/proc/self/fd/" + std::to_string(fd), facts, error);
  close(fd);
  // Whatever it is, it is named.
  fail_if(good || !error.why.empty() ? "" : "refused without a reason");
  fail_if(good || !error.remedy.empty() ? "" : "refused without a remedy");
  for (const ElfSymbol& symbol : facts.functions) {
    fail_if(symbol.name.size() <= size ? "" : "a name longer than the file");
  }
  return 0;
}
