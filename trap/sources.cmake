# SPDX-License-Identifier: Apache-2.0
# The sources of trap/, relative to it, for each build that compiles them: this library, libkebound in both sizes.
set(KEBOUND_TRAP_SOURCES
  elf/encoded_reader.cc
  elf/unwind_table.cc
  x86/bound_decode.cc
  x86/bound_evaluate.cc
  x86/check_recovery.cc
  x86/check_site.cc
  x86/compare.cc
  x86/compiler_trap.cc
  x86/edge_choice.cc
  x86/edge_feasible.cc
  x86/flow_analysis.cc
  x86/flow_effect.cc
  x86/function_code.cc
  x86/index_use.cc
  x86/instruction.cc
  x86/instruction_0f_effects.cc
  x86/instruction_effects.cc
  x86/instruction_encoding.cc
  x86/instruction_layout.cc
  x86/instruction_operation_effects.cc
  x86/instruction_operations.cc
  x86/instruction_vector_effects.cc
  x86/resume.cc
  x86/trap_edges.cc
  x86/trap_numbers.cc)
