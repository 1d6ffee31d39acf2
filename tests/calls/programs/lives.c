// SPDX-License-Identifier: Apache-2.0
// lives HOW [PLUGIN]: failed checks in threads, in forked and executed processes, in plugins.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kThreads = 8, kRounds = 50 };
static int table[10];
extern char** environ;

__attribute__((noinline)) static int from_table(int index) { return table[index]; }

static void* work(void* argument) {
  long sum = 0;
  for (int i = 0; i < kRounds; ++i) sum += from_table(10 + (int)(long)argument) & 0;
  return (void*)sum;
}

static int in_threads(void) {
  pthread_t threads[kThreads];
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, work, (void*)i);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  return 0;
}

static int wait_for(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
  return WEXITSTATUS(status);
}

static int in_a_child(void) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) _exit(from_table(11) & 0);
  const int result = wait_for(child);
  return result + (from_table(12) & 0);
}

static int in_a_program(const char* how, const char* self, const char* what) {
  char* const arguments[] = {(char*)self, (char*)what, NULL};
  pid_t child = 0;
  if (strcmp(how, "vfork") == 0) {
    child = vfork();
    if (child == 0) {
      execv(self, arguments);
      _exit(9);
    }
  } else if (posix_spawn(&child, self, NULL, NULL, arguments, environ) != 0) {
    return 9;
  }
  const int result = wait_for(child);
  return result + (from_table(13) & 0);  // the parent has its breakpoints still
}

static int in_a_plugin(const char* path) {
  for (int i = 0; i < 3; ++i) {
    void* const plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 9;
    }
    int (*const call)(int) = (int (*)(int))dlsym(plugin, "plugin_pick");
    const int result = call(20 + i) & 0;
    dlclose(plugin);
    if (result != 0) return 9;
  }
  return 0;
}

int main(int argc, char** argv) {
  const char* const how = argc > 1 ? argv[1] : "";
  int result = 9;
  if (strcmp(how, "threads") == 0) result = in_threads();
  if (strcmp(how, "fork") == 0) result = in_a_child();
  if (strcmp(how, "vfork") == 0 || strcmp(how, "spawn") == 0) {
    result = in_a_program(how, argv[0], "once");
  }
  if (strcmp(how, "exec") == 0) {
    result = from_table(14) & 0;
    execl(argv[0], argv[0], "once", NULL);
  }
  if (strcmp(how, "once") == 0) result = from_table(15) & 0;
  if (strcmp(how, "plugin") == 0) result = in_a_plugin(argv[2]);
  if (strcmp(how, "wait") == 0) {  // for attach
    char line[16];
    while (fgets(line, sizeof line, stdin) != NULL) {
      printf("%d\n", from_table(atoi(line)) & 0);
      fflush(stdout);
    }
    result = 0;
  }
  return result;
}
