// SPDX-License-Identifier: Apache-2.0
//
// Source annotations of the WDK. They say something to Microsoft's analyser and nothing to these
// compilers.
#ifndef KEBOUND_NT_SAL_H_
#define KEBOUND_NT_SAL_H_

#define IN
#define OUT
#define OPTIONAL
#define _In_
#define _In_opt_
#define _In_z_
#define _In_opt_z_
#define _Inout_
#define _Inout_opt_
#define _Out_
#define _Out_opt_
#define _Outptr_
#define _Outptr_opt_
#define _Outptr_result_maybenull_
#define _Reserved_
#define _Null_terminated_
#define _Notnull_
#define _Maybenull_
#define _Check_return_
#define _Must_inspect_result_
#define _Ret_maybenull_
#define _Ret_notnull_
#define _Use_decl_annotations_
#define _Printf_format_string_
#define _Points_to_data_
#define _Notliteral_
#define _Literal_
#define _Const_
#define _IRQL_requires_same_
#define _IRQL_saves_
#define _IRQL_restores_
#define _IRQL_saves_global_all_
#define _IRQL_is_cancel_
#define __drv_aliasesMem
#define __drv_in_deref
#define __drv_sameIRQL
#define _Interlocked_operand_
#define _Frees_ptr_
#define _Frees_ptr_opt_
#define _Pre_valid_
#define _Post_invalid_
#define _Pre_notnull_
#define _Post_ptr_invalid_
#define _Kernel_entry_
#define _In_reads_(x)
#define _In_reads_opt_(x)
#define _In_reads_bytes_(x)
#define _In_reads_bytes_opt_(x)
#define _In_range_(x)
#define _Inout_updates_(x)
#define _Inout_updates_bytes_(x)
#define _Out_writes_(x)
#define _Out_writes_opt_(x)
#define _Out_writes_bytes_(x)
#define _Out_writes_bytes_opt_(x)
#define _Out_writes_bytes_all_(x)
#define _Out_writes_z_(x)
#define _Field_size_(x)
#define _Field_size_bytes_(x)
#define _Field_size_bytes_part_(x)
#define _Success_(x)
#define _Post_(x)
#define _Pre_(x)
#define _Function_class_(x)
#define _Dispatch_type_(x)
#define _Post_writable_byte_size_(x)
#define _Return_type_success_(x)
#define _Struct_size_bytes_(x)
#define _IRQL_requires_(x)
#define _IRQL_requires_max_(x)
#define _IRQL_requires_min_(x)
#define _IRQL_raises_(x)
#define _IRQL_always_function_max_(x)
#define _Acquires_lock_(x)
#define _Releases_lock_(x)
#define _Requires_lock_held_(x)
#define _Requires_lock_not_held_(x)
#define _Acquires_exclusive_lock_(x)
#define _Releases_exclusive_lock_(x)
#define __drv_allocatesMem(x)
#define __drv_freesMem(x)
#define __drv_maxIRQL(x)
#define __drv_minIRQL(x)
#define __drv_requiresIRQL(x)
#define __drv_dispatchType(x)
#define __drv_strictTypeMatch(x)
#define _When_(x, y)
#define _At_(x, y)
#define _Post_satisfies_(x)
#define _IRQL_saves_global_(x, y)
#define _IRQL_restores_global_(x, y)
#define _Out_writes_bytes_to_(x, y)
#define _Out_writes_to_(x, y)
#define _Inout_updates_to_(x, y)
#define _Analysis_assume_(x) ((void)0)
#define __drv_declspec(x)

#endif  // KEBOUND_NT_SAL_H_
