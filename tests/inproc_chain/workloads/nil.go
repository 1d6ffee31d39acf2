// SPDX-License-Identifier: Apache-2.0

// Nil dereferences that recover() catches, on many goroutines; with an argument, one that nobody catches.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
)

type record struct{ values [4]int }

func load(p *record) (result int) {
	defer func() {
		if caught := recover(); caught != nil {
			result = -2
			if _, ok := caught.(runtime.Error); ok {
				result = -1
			}
		}
	}()
	return p.values[1]
}

func main() {
	var group sync.WaitGroup
	sums := make([]int, 8)
	for worker := range sums {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			good := &record{}
			good.values[1] = 1
			for i := 0; i < 5000; i++ {
				if i%5 == 0 {
					sums[worker] += load(nil)
				} else {
					sums[worker] += load(good)
				}
				if i%500 == 0 {
					runtime.GC()
				}
			}
		}(worker)
	}
	group.Wait()
	fmt.Println(sums)
	output, err := exec.Command("/bin/echo", "child").Output()
	fmt.Print(string(output), err, "\n")
	witness()
	if len(os.Args) > 1 {
		var nobody *record
		fmt.Println(nobody.values[1])
	}
}
