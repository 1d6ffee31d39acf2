// SPDX-License-Identifier: Apache-2.0
//
// A module that is an NT driver: its driver object, DriverEntry and DriverUnload. The module's own init
// and exit, which driver/driver_module.c gives it, call kb_driver_load() and kb_driver_unload().
#include <stddef.h>

#include <new>

#include "hosts/linux_module/driver/driver_module.h"
#include "hosts/linux_module/images.h"
#include "hosts/linux_module/threads.h"
#include "include/nt/kebound_nt/loader_entry.h"
#include "nt/report.h"

namespace kebound::linux_module {

namespace {

constexpr size_t kMostCharacters = 300;

// Module names are ASCII.
class WideText {
 public:
  WideText(const char* prefix, const char* name, const char* suffix) noexcept {
    append(prefix);
    append(name);
    append(suffix);
  }
  [[nodiscard]] UNICODE_STRING counted() noexcept {
    const auto bytes = static_cast<USHORT>(length_ * sizeof(char16_t));
    return {bytes, static_cast<USHORT>(bytes + sizeof(char16_t)),
            reinterpret_cast<PWCH>(text_)};
  }

 private:
  void append(const char* more) noexcept {
    for (; *more != 0 && length_ < kMostCharacters; ++more)
      text_[length_++] = static_cast<unsigned char>(*more);
    text_[length_] = 0;
  }
  char16_t text_[kMostCharacters + 1];
  size_t length_ = 0;
};

struct Driver {
  explicit Driver(const char* name) noexcept
      : driver_name("\\Driver\\", name, ""),
        service_name("", name, ""),
        file_path("\\SystemRoot\\System32\\drivers\\", name, ".sys"),
        file_name("", name, ".sys"),
        registry_text("\\Registry\\Machine\\System\\CurrentControlSet\\Services\\", name, "") {}

  WideText driver_name;
  WideText service_name;
  WideText file_path;
  WideText file_name;
  WideText registry_text;
  UNICODE_STRING registry_path{};
  KEBOUND_LOADER_ENTRY loader_entry{};
  DRIVER_EXTENSION extension{};
  DRIVER_OBJECT object{};
  nt::Image* image = nullptr;
};

// Nothing sends IRPs here.
NTSTATUS invalid_device_request(DEVICE_OBJECT*, IRP* irp) {
  irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
  return STATUS_INVALID_DEVICE_REQUEST;
}

void fill(Driver& driver, bool integritycheck) noexcept {
  const nt::Image& image = *driver.image;
  driver.registry_path = driver.registry_text.counted();
  KEBOUND_LOADER_ENTRY& entry = driver.loader_entry;
  InitializeListHead(&entry.InLoadOrderLinks);
  entry.DllBase = reinterpret_cast<PVOID>(image.base);
  entry.SizeOfImage = static_cast<ULONG>(image.end - image.base);
  entry.FullDllName = driver.file_path.counted();
  entry.BaseDllName = driver.file_name.counted();
  entry.Flags = integritycheck ? KEBOUND_LOADER_INTEGRITYCHECK : 0;
  entry.LoadCount = 1;
  driver.extension.DriverObject = &driver.object;
  driver.extension.ServiceKeyName = driver.service_name.counted();
  DRIVER_OBJECT& object = driver.object;
  object.Type = 4;
  object.Size = sizeof object;
  object.DriverStart = entry.DllBase;
  object.DriverSize = entry.SizeOfImage;
  object.DriverSection = &entry;
  object.DriverExtension = &driver.extension;
  object.DriverName = driver.driver_name.counted();
  for (auto& function : object.MajorFunction) function = &invalid_device_request;
}

void destroy(Driver* driver) noexcept {
  driver->image->loader_entry = nullptr;
  driver->~Driver();
  kb_free(driver);
}

// Runs driver code on the calling task, which is an NT thread meanwhile. False: it was stopped.
template <class Code>
[[nodiscard]] bool run_driver_code(const nt::Image* image, Code&& code) {
  TaskThread* const thread = enter_running_task();
  if (thread == nullptr) return false;
  const nt::Image* const before = thread->thread.inside.load(MemoryOrder::Relaxed);
  const bool whole = run_guarded(*thread, [&] {
    const nt::ScopedInside inside(thread->thread, image);
    code();
  });
  thread->thread.inside.store(before, MemoryOrder::Release);
  release_thread(*thread);
  return whole;
}

constexpr int kNoMemory = -12;  // -ENOMEM
constexpr int kFailed = -5;     // -EIO

}  // namespace

}  // namespace kebound::linux_module

using namespace kebound::linux_module;

extern "C" {

int kb_driver_load(void* module, const char* name, void* entry, int integritycheck, void** out) {
  kebound::nt::Image* const image = image_of_module(module);
  void* const memory = image != nullptr ? kb_allocate(sizeof(Driver)) : nullptr;
  if (memory == nullptr) return kNoMemory;
  auto* const driver = new (memory) Driver(name);
  driver->image = image;
  fill(*driver, integritycheck != 0);
  image->loader_entry = &driver->loader_entry;
  auto status = STATUS_UNSUCCESSFUL;
  const bool whole = run_driver_code(image, [&] {
    status = static_cast<NTSTATUS>(
        kb_call_driver(entry, &driver->object, &driver->registry_path, nullptr, nullptr));
  });
  if (whole && NT_SUCCESS(status)) {
    *out = driver;
    return 0;
  }
  if (whole) {
    kb_log(1, (std::string("driver ") + name + ": DriverEntry failed with status " +
               kebound::nt::hex(static_cast<uint32_t>(status)))
                  .c_str());
  }
  destroy(driver);
  return kFailed;
}

void kb_driver_unload(void* opaque) {
  auto* const driver = static_cast<Driver*>(opaque);
  if (driver->object.DriverUnload != nullptr) {
    static_cast<void>(run_driver_code(driver->image, [driver] {
      kb_call_driver(reinterpret_cast<void*>(driver->object.DriverUnload), &driver->object, nullptr,
                     nullptr, nullptr);
    }));
  }
  wait_for_system_threads_of(*driver->image);
  destroy(driver);
}

}  // extern "C"
