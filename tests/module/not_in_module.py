# SPDX-License-Identifier: Apache-2.0
"""Cases of the suite that kebound.ko does not run under QEMU, and why. docs/conformance.md quotes it; table.py and
CMakeLists.txt read it."""

NOT_IN_MODULE = {
    "Dispatch-general-protection-fault-is-none":
        "the emulator does not check for null segments: it raises #BR where a processor raises #GP",
    "Dispatch-error-while-another-thread-is-inside":
        "in a kernel, as on Windows, a process that is killed ends when its last thread has left the callback",
    "Frame-behind-gs-188":
        "gs is the kernel's own; the current thread is what KeGetCurrentThread() says",
    "Dispatch-allocates-nothing":
        "nothing there counts a thread's allocations",
    "Life-image-waits-for-running-callbacks":
        "the case is part of the driver, which is gone when the statement could be made",
    "Life-nothing-runs-after-unload":
        "the case is part of the driver, which is gone when the statement could be made",
}
