package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func yields(count int) {
	var group sync.WaitGroup
	for i := 0; i < yielders; i++ {
		start(&group, func() {
			for i := 0; i < count/yielders; i++ {
				runtime.Gosched()
			}
		})
	}
	group.Wait()
}

func spawnSeq(count int) {
	channel := make(chan uint)
	for i := 0; i < count; i++ {
		go func() { channel <- 1 }()
		<-channel
	}
}

func spawnBatch(count int) {
	var group sync.WaitGroup
	for i := 0; i < count/batch; i++ {
		group.Add(batch)
		for j := 0; j < batch; j++ {
			go group.Done()
		}
		group.Wait()
	}
}

func skynet(leaves int) {
	sums := make(chan int)
	go skynetNode(sums, 0, leaves)
	check(<-sums == leaves*(leaves-1)/2)
}

func skynetNode(parent chan<- int, number, leaves int) {
	if leaves == 1 {
		parent <- number
		return
	}
	sums := make(chan int)
	below := leaves / fanOut
	for child := 0; child < fanOut; child++ {
		go skynetNode(sums, number+child*below, below)
	}
	sum := 0
	for child := 0; child < fanOut; child++ {
		sum += <-sums
	}
	parent <- sum
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	first := make(chan int, 1)
	go func() { first <- fib(n - 1) }()
	second := fib(n - 2)
	return <-first + second
}

func fibonacci(n int) int {
	a, b := 0, 1
	for i := 0; i < n; i++ {
		a, b = b, a+b
	}
	return a
}

func mutex(count int) {
	var group sync.WaitGroup
	var lock sync.Mutex
	number := 0
	for i := 0; i < lockers; i++ {
		start(&group, func() {
			for i := 0; i < count/lockers; i++ {
				lock.Lock()
				number++
				lock.Unlock()
			}
		})
	}
	group.Wait()
}

func sleeps(count int) (time.Duration, []figure) {
	before := processorTime()
	delays := make([]int64, count)
	wall := timed(func() {
		var group sync.WaitGroup
		for i := range delays {
			start(&group, func() {
				begin := time.Now()
				time.Sleep(nap(i))
				delays[i] = int64(time.Since(begin) - nap(i))
			})
		}
		group.Wait()
	})
	cpu := figure{"cpu", int64(processorTime() - before)}
	return wall, append(percentiles(delays), cpu)
}

// Goroutines that wait until a channel closes.
type waiters struct {
	channel       chan struct{}
	arrived, gone atomic.Int64
}

func newWaiters(count int) *waiters {
	all := &waiters{channel: make(chan struct{})}
	for i := 1; i <= count; i++ {
		go func() {
			all.arrived.Add(1)
			<-all.channel
			all.gone.Add(1)
		}()
		if i%batch == 0 || i == count {
			until(&all.arrived, i)
		}
	}
	return all
}

func (all *waiters) end() {
	close(all.channel)
	until(&all.gone, int(all.arrived.Load()))
}

func until(counter *atomic.Int64, count int) {
	for counter.Load() < int64(count) {
		runtime.Gosched()
	}
}

func memory(count int) (time.Duration, []figure) {
	before := memoryUsed()
	var all *waiters
	creation := timed(func() { all = newWaiters(count) })
	after := memoryUsed()
	all.end()
	return creation, []figure{{"bytes", after - before}}
}
