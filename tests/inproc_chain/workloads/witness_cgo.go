// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

// #cgo LDFLAGS: -ldl
// #define _GNU_SOURCE
// #include <dlfcn.h>
// static void witness(void) {
//   void (*report)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "kebound_test_witness");
//   if (report) report();
// }
import "C"

func witness() { C.witness() }
