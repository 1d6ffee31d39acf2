// SPDX-License-Identifier: Apache-2.0
//
// conformance_inproc MODULE CASE: one case of the suite in a program that has kebound in its own
// process. The module with the cases is its driver: loaded, entered, unloaded. To standard output
// goes what was not so and how it ended; what kebound reports goes to standard error.
//
// A case may have the program killed and go on; but here its code is the program's. So before an
// exception of such a case the process forks a copy of itself, which waits, and goes on with the
// case when the original has died. The module's data are shared between them: what the callbacks
// counted is not lost. A controller, the parent of all, collects how they end.
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/conformance/inproc/inproc_program.h"
#include "tests/conformance/inproc/module_entry.h"
#include "tests/conformance/inproc/shared_data.h"

namespace kebound::conformance {
namespace {

constexpr int kUsage = 2;

// A driver's life: loaded, entered, at work, unloaded.
[[noreturn]] void live(const char* path, const char* name, InprocProgram& program) {
  void* const module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    fprintf(stderr, "conformance_inproc: %s\n", dlerror());
    _exit(kUsage);
  }
  auto* const open =
      reinterpret_cast<decltype(&conformance_open)>(dlsym(module, "conformance_open"));
  if (open == nullptr || !share_data_of_image(dlsym(module, "conformance_data"))) {
    fprintf(stderr,
            "conformance_inproc: %s is no module with cases, or its data cannot be shared\n", path);
    _exit(kUsage);
  }
  const Case* const which = open(name, program);
  if (which == nullptr) {
    fprintf(stderr, "conformance_inproc: no such case: %s\n", name);
    _exit(kUsage);
  }
  const Traits traits = which->traits;
  program.expect_death(traits.fatal);
  const NTSTATUS entered = traits.entry != nullptr ? traits.entry() : STATUS_SUCCESS;
  if (NT_SUCCESS(entered)) {
    which->body(program);
    if (traits.unload != nullptr) traits.unload();
  } else if (!traits.entry_fails) {
    program.fail(__FILE__, __LINE__, "the entry succeeds");
  }
  dlclose(module);
  if (dlopen(path, RTLD_NOLOAD | RTLD_NOW) != nullptr) {
    program.fail(__FILE__, __LINE__, "the module has gone");
  }
  program.finish();
  _exit(0);
}

// The parent of all that live: theirs and, once those have died, of their copies.
int control(InprocProgram& program, pid_t first) {
  int last = -1;
  pid_t ended = 0;
  int status = 0;
  while ((ended = wait(&status)) > 0) {
    if (ended == first || ended == program.worker()) last = status;
    program.note_death(ended, status);
  }
  program.print_messages();
  if (WIFSIGNALED(last)) {
    printf("ended: signal %d\n", WTERMSIG(last));
  } else {
    printf("ended: status %d\n", WEXITSTATUS(last));
  }
  return 0;
}

int run(const char* path, const char* name) {
  static InprocProgram program;
  if (!program.map()) {
    fputs("conformance_inproc: no memory below 4 GiB\n", stderr);
    return kUsage;
  }
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return kUsage;
  const pid_t first = fork();
  if (first < 0) return kUsage;
  if (first == 0) live(path, name, program);
  return control(program, first);
}

}  // namespace
}  // namespace kebound::conformance

int main(int argc, char** argv) {
  if (argc != 3) {
    fputs("usage: conformance_inproc MODULE CASE\n", stderr);
    return kebound::conformance::kUsage;
  }
  return kebound::conformance::run(argv[1], argv[2]);
}
