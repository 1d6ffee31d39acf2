// SPDX-License-Identifier: Apache-2.0
#include "nt/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/atomic.h"

namespace kebound::nt {

namespace {
constinit Atomic<Host*> g_host;
}  // namespace

bool Host::address_valid(uint64_t address) {
  char byte;
  iovec local = {&byte, 1};
  iovec remote = {reinterpret_cast<void*>(address), 1};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

void set_host(Host* host) noexcept { g_host.store(host, MemoryOrder::Release); }

Host& host() noexcept {
  Host* host = g_host.load(MemoryOrder::Acquire);
  if (host == nullptr) {
    fputs("kebound: driver code ran before set_host()\n", stderr);
    abort();
  }
  return *host;
}

}  // namespace kebound::nt
