// SPDX-License-Identifier: Apache-2.0
//
// A driver as a shared object: found, checked, loaded, entered, unloaded.
#pragma once

#include <memory>
#include <string>

#include "nt/facility.h"

namespace kebound::driver {

struct LoadError {
  enum class Kind {
    NotFound,        // no such file, or not readable
    NotElf,          // no ELF shared object
    WrongMachine,    // of another architecture or class
    NoDriverEntry,   // exports no DriverEntry
    MissingSymbols,  // needs routines that kebound does not export; all are named in `why`
    LoaderRefused,   // the dynamic loader said no, for its own reason
    EntryFailed,     // DriverEntry returned a failure status
  };
  Kind kind = Kind::NotFound;
  std::string why;     // "exports no DriverEntry"
  std::string remedy;  // "build it with kebound_add_driver() or export DriverEntry with C linkage"
};

class NativeDriver {
 public:
  // Loads and enters the driver on the calling thread (an NT thread, PASSIVE_LEVEL). Null and
  // `error` filled when that fails; whatever DriverEntry left registered has then been reported and
  // removed, and the image is gone.
  [[nodiscard]] static std::unique_ptr<NativeDriver> load(const std::string& path,
                                                          LoadError& error);

  NativeDriver(const NativeDriver&) = delete;
  NativeDriver& operator=(const NativeDriver&) = delete;
  // Unloads if unload() was not called.
  ~NativeDriver();

  // DriverUnload, then the check for registrations left behind, then the image goes. False if the
  // driver has no DriverUnload: as on NT it then stays until the host ends.
  bool unload();
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  struct State;
  explicit NativeDriver(std::unique_ptr<State> state);
  // Checks what is left behind and lets the image go.
  void discard();
  std::string name_;
  std::unique_ptr<State> state_;  // null once unloaded
};

}  // namespace kebound::driver
