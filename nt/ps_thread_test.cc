// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <atomic>
#include <thread>

#include "nt/system_threads.h"
#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using testing::NtTest;

class PsThreadTest : public NtTest {
 protected:
  static NTSTATUS wait(PVOID object) {
    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, nullptr);
  }
  // Runs `routine` on a system thread to its end.
  static void run(PKSTART_ROUTINE routine, PVOID context) {
    HANDLE handle = nullptr;
    ASSERT_EQ(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, nullptr, nullptr, nullptr, routine,
                                   context),
              STATUS_SUCCESS);
    PVOID thread = nullptr;
    ASSERT_EQ(
        ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, nullptr),
        STATUS_SUCCESS);
    EXPECT_EQ(ZwClose(handle), STATUS_SUCCESS);
    EXPECT_EQ(wait(thread), STATUS_SUCCESS);
    ObDereferenceObject(thread);
  }
};

struct Facts {
  KIRQL irql = 99;
  PKTHREAD thread = nullptr;
  HANDLE process = nullptr;
  std::atomic<int> after_terminate = 0;
};

TEST_F(PsThreadTest, A_system_thread_is_an_NT_thread_of_its_own_and_can_be_waited_for) {
  Facts facts;
  run(
      [](PVOID context) {
        auto& f = *static_cast<Facts*>(context);
        f.irql = KeGetCurrentIrql();
        f.thread = KeGetCurrentThread();
        f.process = PsGetCurrentProcessId();
      },
      &facts);
  EXPECT_EQ(facts.irql, PASSIVE_LEVEL);
  EXPECT_NE(facts.thread, KeGetCurrentThread());
  EXPECT_EQ(reinterpret_cast<uint64_t>(facts.process), static_cast<uint64_t>(getpid()));
}

TEST_F(PsThreadTest, PsTerminateSystemThread_does_not_return) {
  Facts facts;
  run(
      [](PVOID context) {
        PsTerminateSystemThread(STATUS_SUCCESS);
        ++static_cast<Facts*>(context)->after_terminate;
      },
      &facts);
  EXPECT_EQ(facts.after_terminate, 0);
  EXPECT_EQ(PsTerminateSystemThread(STATUS_SUCCESS), STATUS_INVALID_PARAMETER);
}

TEST_F(PsThreadTest, Handles_close_once_and_are_not_valid_again) {
  HANDLE first = nullptr;
  ASSERT_EQ(PsCreateSystemThread(
                &first, 0, nullptr, nullptr, nullptr, [](PVOID) {}, nullptr),
            STATUS_SUCCESS);
  PVOID thread = nullptr;
  ASSERT_EQ(ObReferenceObjectByHandle(first, 0, nullptr, KernelMode, &thread, nullptr),
            STATUS_SUCCESS);
  wait(thread);
  ObDereferenceObject(thread);
  EXPECT_EQ(ZwClose(first), STATUS_SUCCESS);
  EXPECT_EQ(ZwClose(first), STATUS_INVALID_HANDLE);
  EXPECT_EQ(ZwClose(nullptr), STATUS_INVALID_HANDLE);
  EXPECT_EQ(ZwClose(reinterpret_cast<HANDLE>(0xdeadbeef)), STATUS_INVALID_HANDLE);
  for (int i = 0; i < 20; ++i) run([](PVOID) {}, nullptr);
  EXPECT_EQ(ObReferenceObjectByHandle(first, 0, nullptr, KernelMode, &thread, nullptr),
            STATUS_INVALID_HANDLE);
}

TEST_F(PsThreadTest, A_handle_of_another_type_is_a_mismatch) {
  HANDLE handle = nullptr;
  ASSERT_EQ(PsCreateSystemThread(
                &handle, 0, nullptr, nullptr, nullptr, [](PVOID) {}, nullptr),
            STATUS_SUCCESS);
  PVOID thread = nullptr;
  EXPECT_EQ(ObReferenceObjectByHandle(handle, 0, reinterpret_cast<POBJECT_TYPE>(8), KernelMode,
                                      &thread, nullptr),
            STATUS_OBJECT_TYPE_MISMATCH);
  EXPECT_EQ(thread, nullptr);
  EXPECT_EQ(ZwClose(handle), STATUS_SUCCESS);
}

TEST_F(PsThreadTest, Bad_parameters_start_nothing) {
  HANDLE handle = nullptr;
  EXPECT_EQ(PsCreateSystemThread(
                nullptr, 0, nullptr, nullptr, nullptr, [](PVOID) {}, nullptr),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(PsCreateSystemThread(&handle, 0, nullptr, nullptr, nullptr, nullptr, nullptr),
            STATUS_INVALID_PARAMETER);
}

TEST_F(PsThreadTest, The_running_threads_of_an_image_are_counted) {
  // Threads of earlier tests that nobody waited for may still be on their way out.
  while (system_threads_of(testing::test_image()) != 0) std::this_thread::yield();
  KEVENT go;
  KeInitializeEvent(&go, NotificationEvent, FALSE);
  HANDLE handle = nullptr;
  ASSERT_EQ(PsCreateSystemThread(
                &handle, 0, nullptr, nullptr, nullptr, [](PVOID event) { wait(event); }, &go),
            STATUS_SUCCESS);
  EXPECT_EQ(system_threads_of(testing::test_image()), 1U);
  PVOID thread = nullptr;
  ASSERT_EQ(ObReferenceObjectByHandle(handle, 0, nullptr, KernelMode, &thread, nullptr),
            STATUS_SUCCESS);
  KeSetEvent(&go, 0, FALSE);
  wait(thread);
  EXPECT_EQ(system_threads_of(testing::test_image()), 0U);
  ObDereferenceObject(thread);
  ZwClose(handle);
}

TEST_F(PsThreadTest, Inside_a_callback_the_ids_are_those_of_the_target) {
  thread_.client_pid = 12;
  thread_.client_tid = 34;
  EXPECT_EQ(reinterpret_cast<uint64_t>(PsGetCurrentProcessId()), 12U);
  EXPECT_EQ(reinterpret_cast<uint64_t>(PsGetCurrentThreadId()), 34U);
  thread_.client_pid = thread_.client_tid = 0;
  EXPECT_EQ(reinterpret_cast<uint64_t>(PsGetCurrentThreadId()), static_cast<uint64_t>(gettid()));
  EXPECT_NE(PsGetCurrentProcess(), nullptr);
}

}  // namespace
}  // namespace kebound::nt
