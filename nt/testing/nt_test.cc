// SPDX-License-Identifier: Apache-2.0
#include "nt/testing/nt_test.h"

#include <link.h>

#include <algorithm>

namespace kebound::nt::testing {

namespace {

int collect(dl_phdr_info* info, size_t, void* argument) {
  auto& image = *static_cast<Image*>(argument);
  image.base = UINT64_MAX;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const uint64_t begin = info->dlpi_addr + header.p_vaddr;
    image.base = std::min(image.base, begin);
    image.end = std::max(image.end, begin + header.p_memsz);
    if ((header.p_flags & PF_X) != 0)
      image.executable[image.executable_count++] = {begin, begin + header.p_memsz};
  }
  return 1;  // the program is the first
}

}  // namespace

Thread& become_nt_thread() {
  thread_local Thread* mine = nullptr;
  if (mine == nullptr) {
    mine = new Thread;
    mine->parker = new PthreadParker;
    Facility::attach(*mine);
    adopt_host_thread();
  }
  enter_thread(mine);
  return *mine;
}

Image& test_image() {
  static auto* image = [] {
    auto* made = new Image;
    made->name = "test";
    dl_iterate_phdr(collect, made);
    Facility::add_image(made);
    return made;
  }();
  return *image;
}

NtTest::NtTest() : thread_(become_nt_thread()) {
  set_host(&host_);
  static_cast<void>(test_image());
  set_irql(thread_, PASSIVE_LEVEL);
  thread_.kthread.CombinedApcDisable = 0;
}

NtTest::~NtTest() { set_irql(thread_, PASSIVE_LEVEL); }

BugCheck NtTest::bug_check_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Raised& raised) {
    return raised.record;
  }
  ADD_FAILURE() << "no bug check was raised";
  return {};
}

std::vector<std::string> NtTest::take_rules() {
  std::vector<std::string> rules;
  for (const Violation& violation : host_.take_violations()) rules.push_back(violation.rule);
  return rules;
}

}  // namespace kebound::nt::testing
