package main

import (
	"sort"
	"time"
)

// The work of benches/src/workloads, as Go programs do it.

const (
	yielders = 4
	lockers  = 8
	batch    = 1000
	fanOut   = 10
)

// A figure is what a row measures beside its time.
type figure struct {
	name  string
	value int64
}

// workload returns what the row called name with that size does, or nil. It returns the time that it took
// and other figures.
func workload(name string, size, count int) func() (time.Duration, []figure) {
	var work func(int)
	switch name {
	case "yield":
		work = yields
	case "spawn_seq":
		work = spawnSeq
	case "spawn_batch":
		work = spawnBatch
	case "skynet":
		work = skynet
	case "fib":
		work = func(n int) { check(fib(n) == fibonacci(n)) }
	case "mutex":
		work = mutex
	case "syscall":
		work = syscalls
	case "syscall_pool":
		complain(3, "it stays on its thread; see the row `syscall`")
	case "sleep":
		return func() (time.Duration, []figure) { return sleeps(count) }
	case "memory":
		if size > 0 {
			complain(3, "stacks are not reserved: they are copied as they grow")
		}
		return func() (time.Duration, []figure) { return memory(count) }
	case "pairs":
		return func() (time.Duration, []figure) { return pairs((size+1)/2, count), nil }
	case "spawn":
		return func() (time.Duration, []figure) { return spawnBeside(size, count), nil }
	case "sleepers":
		return func() (time.Duration, []figure) { return sleepers(size, count) }
	case "select":
		if size == 0 {
			return nil
		}
		return func() (time.Duration, []figure) { return selectAmong(size, count), nil }
	case "close":
		return func() (time.Duration, []figure) { return closeAll(count), nil }
	case "wake":
		return func() (time.Duration, []figure) { return 0, latencies(wake, size, count) }
	case "timer":
		return func() (time.Duration, []figure) { return 0, latencies(timer, size, count) }
	case "poll":
		return func() (time.Duration, []figure) { return 0, latencies(poll, size, count) }
	default:
		return nil
	}
	return func() (time.Duration, []figure) { return timed(func() { work(count) }), nil }
}

func timed(work func()) time.Duration {
	start := time.Now()
	work()
	return time.Since(start)
}

func check(holds bool) {
	if !holds {
		panic("a wrong result")
	}
}

func nap(number int) time.Duration {
	return time.Duration(1000+number*7919%99_000) * time.Microsecond
}

// percentiles returns those of delays.
func percentiles(delays []int64) []figure {
	sort.Slice(delays, func(i, j int) bool { return delays[i] < delays[j] })
	at := func(perMille int) int64 { return delays[(len(delays)-1)*perMille/1000] }
	return []figure{{"p50", at(500)}, {"p99", at(990)}, {"p999", at(999)}}
}
