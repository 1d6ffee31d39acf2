// SPDX-License-Identifier: Apache-2.0
#include "nt/object_namespace.h"
#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using ::testing::IsEmpty;
using testing::NtTest;
using ::testing::UnorderedElementsAre;

class IoDeviceTest : public NtTest {
 protected:
  static UNICODE_STRING wide(const WCHAR* text) {
    UNICODE_STRING string;
    RtlInitUnicodeString(&string, text);
    return string;
  }
  ~IoDeviceTest() override {
    static_cast<void>(take_objects_left(testing::test_image(), &driver_));
  }
  DRIVER_OBJECT driver_{};
  UNICODE_STRING name_ = wide(u"\\Device\\Kebound");
  UNICODE_STRING link_ = wide(u"\\??\\Kebound");
};

TEST_F(IoDeviceTest, A_device_has_a_zeroed_extension_and_is_linked_to_its_driver) {
  PDEVICE_OBJECT first = nullptr;
  PDEVICE_OBJECT second = nullptr;
  ASSERT_EQ(IoCreateDevice(&driver_, 100, &name_, FILE_DEVICE_UNKNOWN, 0, FALSE, &first),
            STATUS_SUCCESS);
  ASSERT_EQ(IoCreateDevice(&driver_, 0, nullptr, FILE_DEVICE_UNKNOWN, 0, TRUE, &second),
            STATUS_SUCCESS);
  EXPECT_EQ(driver_.DeviceObject, second);
  EXPECT_EQ(second->NextDevice, first);
  EXPECT_EQ(first->DriverObject, &driver_);
  EXPECT_EQ(second->DeviceExtension, nullptr);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(static_cast<char*>(first->DeviceExtension)[i], 0);
  EXPECT_EQ(reinterpret_cast<uint64_t>(first->DeviceExtension) % 16, 0U);
  IoDeleteDevice(first);
  EXPECT_EQ(second->NextDevice, nullptr);
  IoDeleteDevice(second);
  EXPECT_EQ(driver_.DeviceObject, nullptr);
}

TEST_F(IoDeviceTest, A_name_that_exists_collides_whatever_its_case) {
  PDEVICE_OBJECT device = nullptr;
  PDEVICE_OBJECT again = nullptr;
  UNICODE_STRING upper = wide(u"\\DEVICE\\KEBOUND");
  ASSERT_EQ(IoCreateDevice(&driver_, 0, &name_, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
            STATUS_SUCCESS);
  EXPECT_EQ(IoCreateDevice(&driver_, 0, &upper, FILE_DEVICE_UNKNOWN, 0, FALSE, &again),
            STATUS_OBJECT_NAME_COLLISION);
  EXPECT_EQ(again, nullptr);
  EXPECT_EQ(IoCreateSymbolicLink(&name_, &name_), STATUS_OBJECT_NAME_COLLISION);
  IoDeleteDevice(device);
  EXPECT_EQ(IoCreateDevice(&driver_, 0, &upper, FILE_DEVICE_UNKNOWN, 0, FALSE, &again),
            STATUS_SUCCESS);
  IoDeleteDevice(again);
}

TEST_F(IoDeviceTest, Bad_names_and_sizes_are_refused) {
  PDEVICE_OBJECT device = nullptr;
  UNICODE_STRING bad = wide(u"Kebound");
  EXPECT_EQ(IoCreateDevice(&driver_, 0, &bad, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
            STATUS_OBJECT_NAME_INVALID);
  EXPECT_EQ(IoCreateDevice(&driver_, 0x10000, &name_, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(IoCreateSymbolicLink(&bad, &name_), STATUS_OBJECT_NAME_INVALID);
  EXPECT_EQ(IoDeleteSymbolicLink(&bad), STATUS_OBJECT_NAME_INVALID);
}

TEST_F(IoDeviceTest, Links_collide_under_their_aliases_and_go_once) {
  UNICODE_STRING alias = wide(u"\\DosDevices\\kebound");
  EXPECT_EQ(IoCreateSymbolicLink(&link_, &name_), STATUS_SUCCESS);
  EXPECT_EQ(IoCreateSymbolicLink(&alias, &name_), STATUS_OBJECT_NAME_COLLISION);
  EXPECT_EQ(IoDeleteSymbolicLink(&alias), STATUS_SUCCESS);
  EXPECT_EQ(IoDeleteSymbolicLink(&link_), STATUS_OBJECT_NAME_NOT_FOUND);
  PDEVICE_OBJECT device = nullptr;
  ASSERT_EQ(IoCreateDevice(&driver_, 0, &name_, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
            STATUS_SUCCESS);
  EXPECT_EQ(IoDeleteSymbolicLink(&name_), STATUS_OBJECT_TYPE_MISMATCH);
  IoDeleteDevice(device);
}

TEST_F(IoDeviceTest, Deleting_a_device_twice_is_bug_check_C4) {
  PDEVICE_OBJECT device = nullptr;
  ASSERT_EQ(IoCreateDevice(&driver_, 0, nullptr, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
            STATUS_SUCCESS);
  IoDeleteDevice(device);
  EXPECT_EQ(bug_check_of([&] { IoDeleteDevice(device); }).code, 0xC4U);
}

TEST_F(IoDeviceTest, What_a_driver_leaves_behind_is_listed_and_its_names_are_free_again) {
  PDEVICE_OBJECT device = nullptr;
  ASSERT_EQ(IoCreateDevice(&driver_, 0, &name_, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
            STATUS_SUCCESS);
  ASSERT_EQ(IoCreateSymbolicLink(&link_, &name_), STATUS_SUCCESS);
  EXPECT_THAT(
      take_objects_left(testing::test_image(), &driver_),
      UnorderedElementsAre("the device \\DEVICE\\KEBOUND", "the symbolic link \\??\\KEBOUND"));
  EXPECT_THAT(take_objects_left(testing::test_image(), &driver_), IsEmpty());
  EXPECT_EQ(IoCreateSymbolicLink(&link_, &name_), STATUS_SUCCESS);
}

}  // namespace
}  // namespace kebound::nt
