package main

import _ "unsafe" // for linkname

// What Go's own BenchmarkSyscall does: it enters a system call and leaves it, without making one.

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

func syscalls(count int) {
	for i := 0; i < count; i++ {
		entersyscall()
		exitsyscall()
	}
}
