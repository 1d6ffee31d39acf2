// SPDX-License-Identifier: Apache-2.0
//
// A service that survives requests whose index is out of range, and reloads a plugin that has a
// callback of its own, while requests come in.
//
//   service PLUGIN.so [REQUESTS]
//
// Compiled with -m32 its checks are BOUND instructions; otherwise clang's -fsanitize-trap=bounds
// makes them (or, in this example, the same instruction by hand).
#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <kebound/kebound.hpp>
#include <memory>
#include <thread>
#include <vector>

namespace {

constexpr int kSize = 10;
int g_table[kSize] = {0, 1, 4, 9, 16, 25, 36, 49, 64, 81};

#ifdef __i386__
// Array access with the processor's own check, the way some compilers for i386 make it.
int checked_access(int index) {
  static const int bounds[2] = {0, kSize - 1};
  __asm__ volatile("boundl %0, %1" : "+r"(index) : "m"(bounds) : "memory");
  return g_table[index];
}
#else
// What clang -fsanitize=bounds -fsanitize-trap=bounds makes of g_table[index].
int checked_access(int index) {
  if (static_cast<unsigned>(index) >= kSize) __asm__ volatile(".byte 0x67, 0x0f, 0xb9, 0x40, 0x12");
  return g_table[index];
}
#endif

// A request either gets its answer or is refused; the service goes on.
const char* serve(int index, int& answer) {
  const auto result = kebound::guarded([&] { answer = checked_access(index); });
  return result ? "served" : "refused";
}

// Loads the plugin, lets it register, unloads it: from now on its callback runs nowhere.
bool reload(const char* path) {
  const std::unique_ptr<void, int (*)(void*)> plugin(dlopen(path, RTLD_NOW), dlclose);
  if (plugin == nullptr) {
    std::fprintf(stderr, "service: %s\n", dlerror());
    return false;
  }
  using Begin = bool();
  using End = int();
  auto* const begin = reinterpret_cast<Begin*>(dlsym(plugin.get(), "plugin_begin"));
  auto* const end = reinterpret_cast<End*>(dlsym(plugin.get(), "plugin_end"));
  if (begin == nullptr || end == nullptr || !begin()) return false;
  std::this_thread::yield();
  end();
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: service PLUGIN.so [REQUESTS]\n");
    return 2;
  }
  const int requests = argc > 2 ? std::atoi(argv[2]) : 10000;
  if (kebound_init(nullptr) != KEBOUND_OK) return 1;

  std::atomic<int> served{0};
  std::atomic<int> refused{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 2; ++worker) {
    workers.emplace_back([&, worker] {
      for (int i = 0; i < requests; ++i) {
        int answer = 0;
        const int index = (i * 7 + worker) % (kSize + 2);
        ++(*serve(index, answer) == 's' ? served : refused);
      }
    });
  }
  int reloads = 0;
  std::thread reloader([&] {
    while (!stop) {
      if (!reload(argv[1])) std::exit(1);
      ++reloads;
    }
  });
  for (std::thread& worker : workers) worker.join();
  stop = true;
  reloader.join();
  std::printf("%d requests, %d served, %d refused; the plugin was reloaded %s\n", 2 * requests,
              served.load(), refused.load(), reloads > 0 ? "meanwhile" : "never");
  return served + refused == 2 * requests ? 0 : 1;
}
