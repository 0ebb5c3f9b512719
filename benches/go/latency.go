package main

import (
	"encoding/binary"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// How soon somebody wakes; see benches/src/workloads/latency.rs.

const (
	stint    = 10 * time.Microsecond
	period   = time.Millisecond
	interval = 500 * time.Microsecond
)

func latencies(measure func(count int) []int64, percent, count int) []figure {
	var group sync.WaitGroup
	var ends atomic.Bool
	if percent > 0 {
		for i := 0; i < runtime.GOMAXPROCS(0); i++ {
			start(&group, func() { load(percent, &ends) })
		}
	}
	delays := measure(count)
	ends.Store(true)
	group.Wait()
	return percentiles(delays)
}

// load is busy so many per cent of the time.
func load(percent int, ends *atomic.Bool) {
	work := period * time.Duration(percent) / 100
	for !ends.Load() {
		for i := time.Duration(0); i < (work+stint-1)/stint; i++ {
			for begin := time.Now(); time.Since(begin) < stint; {
			}
			runtime.Gosched()
		}
		time.Sleep(period - work)
	}
}

// prompt calls tell with the time of the call, from a thread of its own.
func prompt(begin time.Time, count int, tell func(int64)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := 0; i < count; i++ {
		time.Sleep(interval)
		tell(int64(time.Since(begin)))
	}
}

func wake(count int) []int64 {
	begin := time.Now()
	channel := make(chan int64, 1)
	go prompt(begin, count, func(now int64) { channel <- now })
	delays := make([]int64, count)
	for i := range delays {
		sent := <-channel
		delays[i] = int64(time.Since(begin)) - sent
	}
	return delays
}

func timer(count int) []int64 {
	delays := make([]int64, count)
	for i := range delays {
		begin := time.Now()
		time.Sleep(interval)
		delays[i] = int64(time.Since(begin) - interval)
	}
	return delays
}

func poll(count int) []int64 {
	begin := time.Now()
	reader, writer, err := os.Pipe()
	check(err == nil)
	go prompt(begin, count, func(now int64) {
		_, err := writer.Write(binary.NativeEndian.AppendUint64(nil, uint64(now)))
		check(err == nil)
	})
	delays := make([]int64, count)
	message := make([]byte, 8)
	for i := range delays {
		_, err := io.ReadFull(reader, message)
		check(err == nil)
		delays[i] = int64(time.Since(begin)) - int64(binary.NativeEndian.Uint64(message))
	}
	return delays
}
