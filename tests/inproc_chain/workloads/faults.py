# SPDX-License-Identifier: Apache-2.0
"""faults.py null|overflow: dies of a fault that faulthandler tells about."""
import ctypes
import faulthandler
import sys

assert faulthandler.is_enabled()
print("before", flush=True)
ctypes.CDLL(None).kebound_test_witness()
if sys.argv[1] == "null":
    faulthandler._sigsegv()
else:
    faulthandler._stack_overflow()
