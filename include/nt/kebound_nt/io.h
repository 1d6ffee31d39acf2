// SPDX-License-Identifier: Apache-2.0
//
// Driver and device objects, symbolic links. Nothing sends IRPs to a kebound driver; the types are
// there so that dispatch routines compile, and names collide as they do on NT.
#ifndef KEBOUND_NT_IO_H_
#define KEBOUND_NT_IO_H_

#include "dispatcher.h"
#include "sal.h"
#include "status.h"

KEBOUND_NT_BEGIN

typedef NTSTATUS(NTAPI DRIVER_INITIALIZE)(struct _DRIVER_OBJECT* DriverObject,
                                          PUNICODE_STRING RegistryPath);
typedef DRIVER_INITIALIZE* PDRIVER_INITIALIZE;
typedef VOID(NTAPI DRIVER_UNLOAD)(struct _DRIVER_OBJECT* DriverObject);
typedef DRIVER_UNLOAD* PDRIVER_UNLOAD;
typedef NTSTATUS(NTAPI DRIVER_DISPATCH)(struct _DEVICE_OBJECT* DeviceObject, struct _IRP* Irp);
typedef DRIVER_DISPATCH* PDRIVER_DISPATCH;
typedef VOID(NTAPI DRIVER_STARTIO)(struct _DEVICE_OBJECT* DeviceObject, struct _IRP* Irp);
typedef DRIVER_STARTIO* PDRIVER_STARTIO;
typedef NTSTATUS(NTAPI DRIVER_ADD_DEVICE)(struct _DRIVER_OBJECT* DriverObject,
                                          struct _DEVICE_OBJECT* PhysicalDeviceObject);
typedef DRIVER_ADD_DEVICE* PDRIVER_ADD_DEVICE;

#define IRP_MJ_CREATE 0x00
#define IRP_MJ_CLOSE 0x02
#define IRP_MJ_READ 0x03
#define IRP_MJ_WRITE 0x04
#define IRP_MJ_DEVICE_CONTROL 0x0e
#define IRP_MJ_INTERNAL_DEVICE_CONTROL 0x0f
#define IRP_MJ_SHUTDOWN 0x10
#define IRP_MJ_CLEANUP 0x12
#define IRP_MJ_POWER 0x16
#define IRP_MJ_SYSTEM_CONTROL 0x17
#define IRP_MJ_PNP 0x1b
#define IRP_MJ_MAXIMUM_FUNCTION 0x1b

typedef struct _DRIVER_EXTENSION {
  struct _DRIVER_OBJECT* DriverObject;
  PDRIVER_ADD_DEVICE AddDevice;
  ULONG Count;
  UNICODE_STRING ServiceKeyName;
} DRIVER_EXTENSION, *PDRIVER_EXTENSION;

// A loaded driver. DriverSection points to its loader entry, whose Flags (offset 0x68) have 0x20
// for an image that was linked /INTEGRITYCHECK.
typedef struct _DRIVER_OBJECT {
  CSHORT Type;
  CSHORT Size;
  PDEVICE_OBJECT DeviceObject;  // list of its devices, linked by NextDevice
  ULONG Flags;
  PVOID DriverStart;
  ULONG DriverSize;
  PVOID DriverSection;
  PDRIVER_EXTENSION DriverExtension;
  UNICODE_STRING DriverName;  // \Driver\<name>
  PUNICODE_STRING HardwareDatabase;
  PVOID FastIoDispatch;
  PDRIVER_INITIALIZE DriverInit;
  PDRIVER_STARTIO DriverStartIo;
  PDRIVER_UNLOAD DriverUnload;  // NULL: the driver cannot be unloaded
  PDRIVER_DISPATCH MajorFunction[IRP_MJ_MAXIMUM_FUNCTION + 1];
} DRIVER_OBJECT;

typedef ULONG DEVICE_TYPE;
#define FILE_DEVICE_UNKNOWN 0x00000022U
#define FILE_DEVICE_SECURE_OPEN 0x00000100U
#define DO_BUFFERED_IO 0x00000004U
#define DO_EXCLUSIVE 0x00000008U
#define DO_DIRECT_IO 0x00000010U
#define DO_DEVICE_INITIALIZING 0x00000080U
#define METHOD_BUFFERED 0
#define METHOD_IN_DIRECT 1
#define METHOD_OUT_DIRECT 2
#define METHOD_NEITHER 3
#define FILE_ANY_ACCESS 0
#define FILE_READ_ACCESS 1
#define FILE_WRITE_ACCESS 2
#define CTL_CODE(DeviceType, Function, Method, Access) \
  (((ULONG)(DeviceType) << 16) | ((ULONG)(Access) << 14) | ((ULONG)(Function) << 2) | (Method))

typedef struct _DEVICE_OBJECT {
  CSHORT Type;
  USHORT Size;
  LONG ReferenceCount;
  struct _DRIVER_OBJECT* DriverObject;
  struct _DEVICE_OBJECT* NextDevice;
  struct _DEVICE_OBJECT* AttachedDevice;
  struct _IRP* CurrentIrp;
  PVOID Timer;
  ULONG Flags;
  ULONG Characteristics;
  PVOID Vpb;
  PVOID DeviceExtension;  // zeroed, 16-byte aligned
  DEVICE_TYPE DeviceType;
  CCHAR StackSize;
  UCHAR Reserved04d[3];
  UCHAR Reserved050[0x98 - 0x50];
  ULONG AlignmentRequirement;
  UCHAR Reserved09c[0x150 - 0x9c];
} DECLSPEC_ALIGN(16) DEVICE_OBJECT;

typedef struct _IO_STACK_LOCATION {
  UCHAR MajorFunction;
  UCHAR MinorFunction;
  UCHAR Flags;
  UCHAR Control;
  union {
    struct {
      ULONG OutputBufferLength;
      ULONG DECLSPEC_ALIGN(8) InputBufferLength;
      ULONG DECLSPEC_ALIGN(8) IoControlCode;
      PVOID Type3InputBuffer;
    } DeviceIoControl;
    struct {
      PVOID Argument1;
      PVOID Argument2;
      PVOID Argument3;
      PVOID Argument4;
    } Others;
  } Parameters;
  PDEVICE_OBJECT DeviceObject;
  PFILE_OBJECT FileObject;
  PVOID CompletionRoutine;
  PVOID Context;
} IO_STACK_LOCATION, *PIO_STACK_LOCATION;

typedef struct _IRP {
  CSHORT Type;
  USHORT Size;
  USHORT AllocationProcessorNumber;
  USHORT Reserved;
  PMDL MdlAddress;
  ULONG Flags;
  union {
    struct _IRP* MasterIrp;
    LONG IrpCount;
    PVOID SystemBuffer;
  } AssociatedIrp;
  LIST_ENTRY ThreadListEntry;
  IO_STATUS_BLOCK IoStatus;
  KPROCESSOR_MODE RequestorMode;
  BOOLEAN PendingReturned;
  CHAR StackCount;
  CHAR CurrentLocation;
  BOOLEAN Cancel;
  KIRQL CancelIrql;
  CCHAR ApcEnvironment;
  UCHAR AllocationFlags;
  PIO_STATUS_BLOCK UserIosb;
  PKEVENT UserEvent;
  PVOID Overlay[2];
  PVOID CancelRoutine;
  PVOID UserBuffer;
  union {
    struct {
      PVOID DriverContext[4];
      PETHREAD Thread;
      PCHAR AuxiliaryBuffer;
      LIST_ENTRY ListEntry;
      struct _IO_STACK_LOCATION* CurrentStackLocation;
      PFILE_OBJECT OriginalFileObject;
      PVOID IrpExtension;
    } Overlay;
    PVOID CompletionKey;
  } Tail;
} IRP;
#define IO_NO_INCREMENT 0
FORCEINLINE PIO_STACK_LOCATION IoGetCurrentIrpStackLocation(PIRP Irp) {
  return Irp->Tail.Overlay.CurrentStackLocation;
}

C_ASSERT(sizeof(DRIVER_OBJECT) == 0x150 && offsetof(DRIVER_OBJECT, DriverSection) == 0x28);
C_ASSERT(offsetof(DRIVER_OBJECT, DriverUnload) == 0x68 &&
         offsetof(DRIVER_OBJECT, MajorFunction) == 0x70);
C_ASSERT(sizeof(DEVICE_OBJECT) == 0x150 && offsetof(DEVICE_OBJECT, DeviceExtension) == 0x40);
C_ASSERT(sizeof(IO_STACK_LOCATION) == 0x48 && offsetof(IO_STACK_LOCATION, DeviceObject) == 0x28);
C_ASSERT(sizeof(IRP) == 0xd0 && offsetof(IRP, IoStatus) == 0x30 && offsetof(IRP, Tail) == 0x78);

// Makes a device with a zeroed extension, linked to its driver; DeviceName may be NULL.
// STATUS_SUCCESS; STATUS_OBJECT_NAME_COLLISION: the name exists; STATUS_OBJECT_NAME_INVALID: it
// does not begin with a backslash; STATUS_INVALID_PARAMETER: an extension of 64 KiB or more;
// STATUS_INSUFFICIENT_RESOURCES. IRQL PASSIVE_LEVEL.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    IoCreateDevice(_In_ PDRIVER_OBJECT DriverObject, _In_ ULONG DeviceExtensionSize,
                   _In_opt_ PUNICODE_STRING DeviceName, _In_ DEVICE_TYPE DeviceType,
                   _In_ ULONG DeviceCharacteristics, _In_ BOOLEAN Exclusive,
                   _Outptr_ PDEVICE_OBJECT* DeviceObject);
// Deletes it and its name. What is no device, or was deleted, is bug check 0xC4. IRQL <= APC_LEVEL.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    IoDeleteDevice(_In_ PDEVICE_OBJECT DeviceObject);
// Makes a link; its target need not exist. STATUS_SUCCESS; STATUS_OBJECT_NAME_COLLISION;
// STATUS_OBJECT_NAME_INVALID; STATUS_INSUFFICIENT_RESOURCES. IRQL PASSIVE_LEVEL.
_IRQL_requires_max_(PASSIVE_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    IoCreateSymbolicLink(_In_ PUNICODE_STRING SymbolicLinkName, _In_ PUNICODE_STRING DeviceName);
// STATUS_SUCCESS; STATUS_OBJECT_NAME_NOT_FOUND; STATUS_OBJECT_TYPE_MISMATCH: the name is not that
// of a link. IRQL PASSIVE_LEVEL.
_IRQL_requires_max_(PASSIVE_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    IoDeleteSymbolicLink(_In_ PUNICODE_STRING SymbolicLinkName);
// Accepts an IRP back; there is nobody to tell. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI VOID NTAPI
    IofCompleteRequest(_In_ PIRP Irp, _In_ CCHAR PriorityBoost);
#define IoCompleteRequest(Irp, PriorityBoost) IofCompleteRequest(Irp, PriorityBoost)

KEBOUND_NT_END

#endif  // KEBOUND_NT_IO_H_
