// SPDX-License-Identifier: Apache-2.0
//
// Functions that exist in the debug information only, in namespaces, templates and lambdas.
namespace shapes {

volatile int sink;

[[gnu::always_inline]] inline void fail() {
  __asm__ volatile("ud2");  // the failing line
}

template <typename T>
struct Grid {
  [[gnu::always_inline]] void at(T index) {
    sink = static_cast<int>(index);
    fail();  // called from at
  }
  [[gnu::noinline]] void visit(T index) {
    at(index);  // called from visit
    sink = sink + 1;
  }
};

}  // namespace shapes

int main() {
  const auto run = [](long index) __attribute__((noinline)) {
    shapes::Grid<long> grid;
    grid.visit(index);
    shapes::sink = shapes::sink + 1;
  };
  run(7);
  return shapes::sink;
}
