package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What the kernel says of this process.

func processorTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// memoryUsed returns resident memory and page tables in bytes.
func memoryUsed() int64 {
	resident := kilobytes("/proc/self/smaps_rollup", "Rss:")
	if resident == 0 {
		resident = kilobytes("/proc/self/status", "VmRSS:")
	}
	return (resident + kilobytes("/proc/self/status", "VmPTE:")) * 1024
}

func kilobytes(path, name string) int64 {
	text, _ := os.ReadFile(path)
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			number, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return number
		}
	}
	return 0
}
