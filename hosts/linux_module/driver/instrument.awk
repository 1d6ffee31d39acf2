# SPDX-License-Identifier: Apache-2.0
#
# Compiled driver code (gcc's assembly) -> assembly for a module of the Linux kernel, whose drivers may follow their
# user's pointers, as on NT:
# - an instruction that touches memory has an entry in the exception table: where nothing is there, the kernel comes to
#   kebound_driver_fault with its place, which is a bug check of ours instead of an oops;
# - user memory is open (AC set) in driver code and closed in what it calls of the kernel: the names that the first
#   files list, one a line;
# - memcpy and its kind are the driver's own (driver/memory.c), so that they fault there.
FNR == NR && !in_code {
  if ($1 in known || NF == 0 || $1 ~ /^;/ || $1 == "LIBRARY" || $1 == "EXPORTS") next
  known[$1] = 1
  next
}

BEGIN {
  n = split(kernel_calls, extra, " ")
  for (i = 1; i <= n; ++i) known[extra[i]] = 1
  split("memcpy memmove memset memcmp", own, " ")
  for (i in own) mem[own[i]] = "kebound_driver_" own[i]
  print "#include <asm/asm.h>"
  print "#include <asm/smap.h>"
}

/^#/ { next }

function touches_memory(line) {
  if (line ~ /^\t(lea|nop|endbr|prefetch|\.)/) return 0
  if (line ~ /^\t(rep|repz|repnz|lods|stos|movs|cmps|scas)[a-z]* ?[a-z]*$/) return 1
  if (line !~ /\(/ || line ~ /%gs:/) return 0
  return line !~ /\(%r(ip|sp)\)/ || line ~ /\(%r[^is]/
}

/^\tcall\t[A-Za-z_]/ {
  name = $2
  sub(/@.*/, "", name)
  if (name in mem) {
    print "\tcall\t" mem[name]
  } else if (name in known) {
    print "\tASM_CLAC"
    print "\tcall\t" name
    print "\tASM_STAC"
  } else {
    print
  }
  next
}

touches_memory($0) {
  ++count
  print ".Lkebound_at" count ":"
  print
  print "\t.pushsection __ex_table, \"a\""
  print "\t.balign 4"
  print "\t.long .Lkebound_at" count " - ., .Lkebound_fix" count " - ., EX_TYPE_DEFAULT"
  print "\t.popsection"
  print "\t.pushsection .text.kebound_fixup, \"ax\""
  print ".Lkebound_fix" count ":"
  print "\tleaq .Lkebound_at" count "(%rip), %rdi"
  print "\tjmp kebound_driver_fault"
  print "\t.popsection"
  next
}

{ print }
