# SPDX-License-Identifier: Apache-2.0
#
# C++ with the kernel's own flags, minus those that C++ does not have, and objtool over the result. No header of the
# kernel is seen; hosts/kernel/std has the few names of the C++ library that nt/ uses.
CXX := $(subst gcc,g++,$(CC))

kb-c-only := -std=% -Wstrict-prototypes -Wno-pointer-sign -Wdeclaration-after-statement \
	-Werror=implicit-function-declaration -Werror=implicit-int -Werror=strict-prototypes -Werror=return-type \
	-Wno-designated-init -Werror=designated-init -Werror=incompatible-pointer-types -Wno-incompatible-pointer-types \
	-Wmissing-prototypes -Wold-style-definition -Wundef -Werror-implicit-function-declaration -Wenum-conversion \
	-Wno-format-zero-length -Wvla -Wno-frame-address -Wno-psabi -Wcast-function-type -fmacro-prefix-map=%
kb-cxx-flags = $(filter-out $(kb-c-only),$(KBUILD_CFLAGS) $(KBUILD_CFLAGS_MODULE)) \
	-std=c++20 -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-delete-null-pointer-checks \
	-Wall -Wextra -Wno-unused-parameter -Wframe-larger-than=3584 -DKEBOUND_NT_LINUX_KERNEL -DKEBOUND_SMALL_RECOVERY $(if $(CONFIG_KASAN),$(CFLAGS_KASAN)) \
	-I$(KEBOUND)/hosts/kernel/std $(addprefix -I,$(KEBOUND_FIRST)) -I$(KEBOUND) $(KEBOUND_MODULE_CXXFLAGS)

# Two things that the compiler cannot be told. gcc 12 emits nothing behind a call that does not return, and objtool knows
# such functions by name from a list of the kernel's own: without an end it believes that one function runs on into the
# next. And sections of one function each, of which the linker keeps one copy, do not go with objtool's tables about
# them: all copies stay, as weak symbols.
kb-noreturn := kb_escape|kb_stop_task|_ZN7kebound2nt(15raise_bug_check|12raise_status)[^[:space:]]*|abort|PsTerminate.*
kb-edit-asm = sed -E -i -e '/^\tcall\t($(kb-noreturn))$$/a\\tud2' \
	-e 's/^\t\.section\t\.text\.[^,]*,"axG",@progbits,[^,]*,comdat$$/\t.text/'

quiet_cmd_cxx_o_cc = CXX [M]  $@
      cmd_cxx_o_cc = $(CXX) -Wp,-MMD,$(depfile) $(kb-cxx-flags) -S -o $@.s $<; \
	$(kb-edit-asm) $@.s; $(CC) -c -o $@ $@.s; rm -f $@.s $(cmd_objtool)
