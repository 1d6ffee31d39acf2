// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "include/nt/wdm.h"
#include "nt/object_namespace.h"
#include "nt/report.h"
#include "nt/utf.h"

namespace kebound::nt {

namespace {

struct NamedObject {
  DEVICE_OBJECT* device = nullptr;  // null: a symbolic link
  std::u16string target;            // of a link
  const Image* owner = nullptr;
};

struct Namespace {
  std::mutex mutex;
  std::map<std::u16string, NamedObject> names;  // by upper-case name
  std::set<DEVICE_OBJECT*> devices;
};

Namespace& name_space() noexcept {
  static auto* instance = new Namespace;
  return *instance;
}

[[nodiscard]] std::u16string text_of(const UNICODE_STRING& string) {
  return {reinterpret_cast<const char16_t*>(string.Buffer), string.Length / sizeof(WCHAR)};
}

// \DosDevices and \GLOBAL?? are other names of \??.
[[nodiscard]] std::u16string key_of(const UNICODE_STRING& string) {
  std::u16string key = text_of(string);
  std::transform(key.begin(), key.end(), key.begin(),
                 [](char16_t c) { return RtlUpcaseUnicodeChar(c); });
  for (const std::u16string_view alias : {u"\\DOSDEVICES\\", u"\\GLOBAL??\\"}) {
    if (key.compare(0, alias.size(), alias) == 0) return u"\\??\\" + key.substr(alias.size());
  }
  return key;
}

[[nodiscard]] bool valid_name(const UNICODE_STRING& name) noexcept {
  return name.Buffer != nullptr && name.Length >= 2 * sizeof(WCHAR) &&
         name.Length % sizeof(WCHAR) == 0 && name.Buffer[0] == u'\\';
}

DEVICE_OBJECT* allocate_device(ULONG extension_size) noexcept {
  const size_t size = sizeof(DEVICE_OBJECT) + extension_size;
  void* memory = aligned_alloc(alignof(DEVICE_OBJECT), (size + 15) & ~size_t{15});
  if (memory == nullptr) return nullptr;
  memset(memory, 0, size);
  auto* device = static_cast<DEVICE_OBJECT*>(memory);
  if (extension_size != 0) device->DeviceExtension = device + 1;
  return device;
}

void unlink_from_driver(DEVICE_OBJECT* device) noexcept {
  PDEVICE_OBJECT* link = &device->DriverObject->DeviceObject;
  while (*link != nullptr && *link != device) link = &(*link)->NextDevice;
  if (*link == device) *link = device->NextDevice;
}

void forget_names_locked(Namespace& space, const DEVICE_OBJECT* device) {
  std::erase_if(space.names, [device](const auto& entry) { return entry.second.device == device; });
}

}  // namespace

std::vector<std::string> take_objects_left(const Image& image, const DRIVER_OBJECT* driver) {
  std::vector<std::string> left;
  Namespace& space = name_space();
  const std::lock_guard lock(space.mutex);
  for (auto entry = space.names.begin(); entry != space.names.end();) {
    const NamedObject& object = entry->second;
    if (object.owner == &image && object.device == nullptr) {
      left.push_back("the symbolic link " + to_utf8(entry->first));
      entry = space.names.erase(entry);
    } else {
      ++entry;
    }
  }
  for (auto at = space.devices.begin(); at != space.devices.end();) {
    DEVICE_OBJECT* device = *at;
    if (driver == nullptr || device->DriverObject != driver) {
      ++at;
      continue;
    }
    const auto named =
        std::find_if(space.names.begin(), space.names.end(),
                     [device](const auto& entry) { return entry.second.device == device; });
    left.push_back("the device " + (named != space.names.end() ? to_utf8(named->first)
                                                               : std::string("without a name")));
    forget_names_locked(space, device);
    at = space.devices.erase(at);
    free(device);
  }
  return left;
}

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

NTSTATUS IoCreateDevice(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize,
                        PUNICODE_STRING DeviceName, DEVICE_TYPE DeviceType,
                        ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                        PDEVICE_OBJECT* DeviceObject) {
  *DeviceObject = nullptr;
  if (DeviceExtensionSize > 0xffff) return STATUS_INVALID_PARAMETER;
  const bool named = DeviceName != nullptr && DeviceName->Length != 0;
  if (named && !valid_name(*DeviceName)) return STATUS_OBJECT_NAME_INVALID;
  DEVICE_OBJECT* device = allocate_device(DeviceExtensionSize);
  if (device == nullptr) return STATUS_INSUFFICIENT_RESOURCES;

  Namespace& space = name_space();
  const std::lock_guard lock(space.mutex);
  if (named) {
    const bool inserted =
        space.names
            .try_emplace(key_of(*DeviceName), NamedObject{device, {}, image_at(KEBOUND_CALLER())})
            .second;
    if (!inserted) {
      free(device);
      return STATUS_OBJECT_NAME_COLLISION;
    }
  }
  device->Type = 3;
  device->Size = static_cast<USHORT>(sizeof(DEVICE_OBJECT) + DeviceExtensionSize > 0xffff
                                         ? 0xffff
                                         : sizeof(DEVICE_OBJECT) + DeviceExtensionSize);
  device->DriverObject = DriverObject;
  device->DeviceType = DeviceType;
  device->Characteristics = DeviceCharacteristics;
  device->Flags = DO_DEVICE_INITIALIZING | (Exclusive != FALSE ? DO_EXCLUSIVE : 0U);
  device->StackSize = 1;
  device->NextDevice = DriverObject->DeviceObject;
  DriverObject->DeviceObject = device;
  space.devices.insert(device);
  *DeviceObject = device;
  return STATUS_SUCCESS;
}

VOID IoDeleteDevice(PDEVICE_OBJECT DeviceObject) {
  Namespace& space = name_space();
  {
    const std::lock_guard lock(space.mutex);
    if (space.devices.erase(DeviceObject) != 0) {
      forget_names_locked(space, DeviceObject);
      unlink_from_driver(DeviceObject);
      free(DeviceObject);
      return;
    }
  }
  const uint64_t address = address_of(DeviceObject);
  raise_bug_check(
      BugCheckCode::DriverVerifierDetectedViolation, {.p2 = address}, KEBOUND_CALLER(),
      "IoDeleteDevice for " + hex(address) + ", which is no device, or was deleted before");
}

NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING SymbolicLinkName, PUNICODE_STRING DeviceName) {
  if (!valid_name(*SymbolicLinkName) || !valid_name(*DeviceName)) return STATUS_OBJECT_NAME_INVALID;
  const Image* owner = image_at(KEBOUND_CALLER());
  Namespace& space = name_space();
  const std::lock_guard lock(space.mutex);
  const bool inserted =
      space.names
          .try_emplace(key_of(*SymbolicLinkName), NamedObject{nullptr, text_of(*DeviceName), owner})
          .second;
  return inserted ? STATUS_SUCCESS : STATUS_OBJECT_NAME_COLLISION;
}

NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING SymbolicLinkName) {
  if (!valid_name(*SymbolicLinkName)) return STATUS_OBJECT_NAME_INVALID;
  Namespace& space = name_space();
  const std::lock_guard lock(space.mutex);
  const auto found = space.names.find(key_of(*SymbolicLinkName));
  if (found == space.names.end()) return STATUS_OBJECT_NAME_NOT_FOUND;
  if (found->second.device != nullptr) return STATUS_OBJECT_TYPE_MISMATCH;
  space.names.erase(found);
  return STATUS_SUCCESS;
}

VOID IofCompleteRequest(PIRP Irp, CCHAR) { Irp->PendingReturned = FALSE; }

}  // extern "C"
