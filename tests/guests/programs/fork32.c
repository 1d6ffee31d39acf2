// SPDX-License-Identifier: Apache-2.0
//
// fork32 CASE: a bound exception in a process that came to be in one way or another. The child
// checks the repaired index itself and says so by its exit status, 0 or 1.
//   fork | vfork-exec | double-fork | spawn | exec | exec-from-thread | many | orphan FILE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "guest.h"

extern char** environ;
static char* self;

static int repaired(void) {
  const struct bounds32 bounds = {3, 17};
  return bound32(99, &bounds) == 17 && bound32(-99, &bounds) == 3;
}

static void check_child(pid_t pid) {
  int status = 0;
  CHECK(pid > 0);
  CHECK(waitpid(pid, &status, 0) == pid);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail("the child ended with status %#x", (unsigned)status);
}

static void* exec_here(void* unused) {
  (void)unused;
  char* const arguments[] = {self, (char*)"leaf-and-say-so", NULL};
  execv(self, arguments);
  return NULL;
}

static void* wait_for_ever(void* unused) {
  (void)unused;
  for (;;) pause();
  return NULL;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  self = argv[0];
  const char* const what = argv[1];
  char* const leaf[] = {self, (char*)"leaf", NULL};

  if (strcmp(what, "leaf") == 0) return repaired() ? 0 : 1;
  if (strcmp(what, "leaf-and-say-so") == 0) {
    CHECK(repaired());
    succeed();
  }
  CHECK(repaired());
  if (strcmp(what, "fork") == 0) {
    const pid_t pid = fork();
    if (pid == 0) _exit(repaired() ? 0 : 1);
    check_child(pid);
  } else if (strcmp(what, "vfork-exec") == 0) {
    const pid_t pid = vfork();
    if (pid == 0) {
      execv(self, leaf);
      _exit(127);
    }
    check_child(pid);
  } else if (strcmp(what, "double-fork") == 0) {
    const pid_t pid = fork();
    if (pid == 0) {
      const pid_t grandchild = fork();
      if (grandchild == 0) _exit(repaired() ? 0 : 1);
      int status = 1;
      waitpid(grandchild, &status, 0);
      _exit(repaired() && status == 0 ? 0 : 1);
    }
    check_child(pid);
  } else if (strcmp(what, "spawn") == 0) {
    pid_t pid = 0;
    CHECK(posix_spawn(&pid, self, NULL, NULL, leaf, environ) == 0);
    check_child(pid);
  } else if (strcmp(what, "exec") == 0) {
    exec_here(NULL);
    fail("exec returned");
  } else if (strcmp(what, "exec-from-thread") == 0) {
    // The thread takes over the leader's id; the other threads vanish without an exit of their own.
    pthread_t threads[4];
    for (int i = 0; i < 3; ++i) CHECK(pthread_create(&threads[i], NULL, wait_for_ever, NULL) == 0);
    CHECK(pthread_create(&threads[3], NULL, exec_here, NULL) == 0);
    for (;;) pause();
  } else if (strcmp(what, "many") == 0) {
    enum { kChildren = 40 };
    pid_t children[kChildren];
    for (int i = 0; i < kChildren; ++i) {
      children[i] = fork();
      if (children[i] == 0) _exit(repaired() ? 0 : 1);
    }
    for (int i = 0; i < kChildren; ++i) check_child(children[i]);
  } else if (strcmp(what, "orphan") == 0 && argc == 3) {
    // The first program is long gone when the orphan has its exception; the file says how that
    // went.
    int ends[2];
    CHECK(pipe(ends) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
      char byte;
      close(ends[1]);
      if (read(ends[0], &byte, 1) != 0) _exit(1);  // ends when the parent is gone
      const int good = repaired();
      const int file = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (file < 0 || write(file, good ? "repaired\n" : "wrong\n", good ? 9 : 6) < 0) _exit(1);
      _exit(0);
    }
    CHECK(pid > 0);
  } else {
    return 2;
  }
  succeed();
}
