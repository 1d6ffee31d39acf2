// SPDX-License-Identifier: Apache-2.0
//
// skip: steps over a BOUND that failed, as if it had passed. In C++, with the registration as an object.
#include <ntddk.h>

extern "C" DRIVER_INITIALIZE DriverEntry;

namespace {

// A registration that ends with its owner. Constructed and destroyed at IRQL <= APC_LEVEL.
class BoundCallback {
 public:
  bool Register(PBOUND_CALLBACK Routine) {
    Handle_ = KeRegisterBoundCallback(Routine);
    return Handle_ != nullptr;
  }
  void Deregister() {
    if (Handle_ != nullptr) KeDeregisterBoundCallback(Handle_);
    Handle_ = nullptr;
  }

 private:
  PVOID Handle_;
};

BoundCallback Callback;  // zeroed: a driver has no C++ runtime to construct it

// BOUND with a plain register, displacement or SIB operand: its length in bytes; 0 for anything else.
ULONG BoundLength(const UCHAR *Code) {
  if (Code[0] != 0x62 || (Code[1] >> 6) == 3) return 0;
  const UCHAR Mode = Code[1] >> 6;
  const UCHAR Base = Code[1] & 7;
  ULONG Length = 2;
  UCHAR EffectiveBase = Base;
  if (Base == 4) {
    EffectiveBase = Code[2] & 7;
    ++Length;
  }
  if (Mode == 1) Length += 1;
  if (Mode == 2 || (Mode == 0 && EffectiveBase == 5)) Length += 4;
  return Length;
}

BOUND_CALLBACK_STATUS OnBound() {
  const auto Frame =
      *reinterpret_cast<PKTRAP_FRAME *>(reinterpret_cast<PUCHAR>(KeGetCurrentThread()) + 0x90);
  const ULONG Length = BoundLength(reinterpret_cast<const UCHAR *>(Frame->Rip));
  if (Length == 0) return BoundExceptionContinueSearch;
  Frame->Rip += Length;
  return BoundExceptionHandled;
}

VOID Unload(PDRIVER_OBJECT) { Callback.Deregister(); }

}  // namespace

extern "C" NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING) {
  DriverObject->DriverUnload = Unload;
  return Callback.Register(OnBound) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}
