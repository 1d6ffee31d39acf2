# SPDX-License-Identifier: Apache-2.0
"""Cases of the suite that the kernel of hosts/bare does not run, and why. docs/conformance.md quotes it; table.py and
CMakeLists.txt read it."""

NOT_IN_BARE = {
    "Dispatch-general-protection-fault-is-none":
        "the emulator does not check for null segments: it raises #BR where a processor raises #GP",
}
