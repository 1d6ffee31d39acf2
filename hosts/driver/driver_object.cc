// SPDX-License-Identifier: Apache-2.0
#include "hosts/driver/driver_object.h"

#include <algorithm>

#include "nt/utf.h"

namespace kebound::driver {

namespace {

UNICODE_STRING counted(std::u16string& text) {
  constexpr size_t kMost = 0x7ffe;
  if (text.size() > kMost) text.resize(kMost);
  UNICODE_STRING string;
  string.Length = static_cast<USHORT>(text.size() * sizeof(WCHAR));
  string.MaximumLength = static_cast<USHORT>(string.Length + sizeof(WCHAR));
  string.Buffer = reinterpret_cast<PWCH>(text.data());
  return string;
}

// What NT puts there for a function that the driver does not serve.
NTSTATUS invalid_device_request(DEVICE_OBJECT*, IRP* irp) {
  irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
  IofCompleteRequest(irp, IO_NO_INCREMENT);
  return STATUS_INVALID_DEVICE_REQUEST;
}

}  // namespace

DriverObject::DriverObject(const std::string& name, const std::string& path, uint64_t base,
                           uint64_t size, uint32_t loader_flags)
    : driver_name_(u"\\Driver\\" + nt::to_utf16(name)),
      service_name_(nt::to_utf16(name)),
      file_path_(nt::to_utf16(path)),
      file_name_(nt::to_utf16(name) + u".sys"),
      registry_text_(u"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\" +
                     nt::to_utf16(name)),
      registry_path_(counted(registry_text_)) {
  InitializeListHead(&loader_entry_.InLoadOrderLinks);
  loader_entry_.DllBase = reinterpret_cast<PVOID>(base);
  loader_entry_.SizeOfImage = static_cast<ULONG>(size);
  loader_entry_.FullDllName = counted(file_path_);
  loader_entry_.BaseDllName = counted(file_name_);
  loader_entry_.Flags = loader_flags;
  loader_entry_.LoadCount = 1;

  extension_.DriverObject = &object_;
  extension_.ServiceKeyName = counted(service_name_);

  object_.Type = 4;
  object_.Size = sizeof object_;
  object_.DriverStart = reinterpret_cast<PVOID>(base);
  object_.DriverSize = static_cast<ULONG>(size);
  object_.DriverSection = &loader_entry_;
  object_.DriverExtension = &extension_;
  object_.DriverName = counted(driver_name_);
  std::fill(std::begin(object_.MajorFunction), std::end(object_.MajorFunction),
            &invalid_device_request);
}

}  // namespace kebound::driver
