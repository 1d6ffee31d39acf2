# SPDX-License-Identifier: Apache-2.0
"""Cases of the suite that kebound.ko does not run under QEMU, and why. docs/conformance.md quotes it."""

NOT_IN_MODULE = {
    "Dispatch-general-protection-fault-is-none":
        "the emulator does not check for null segments: it raises #BR where a processor raises #GP",
    "Dispatch-error-while-another-thread-is-inside":
        "in a kernel, as on Windows, a process that is killed ends when its last thread has left the callback",
}
