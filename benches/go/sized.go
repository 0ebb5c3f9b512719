package main

import (
	"reflect"
	"sync"
	"time"
)

// Rows whose names end in a number: how many there are of what they are about.

// pairs returns the time of round trips of so many pairs, which are all there when the clock starts.
func pairs(pairs, count int) time.Duration {
	var ready, group sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(pairs)
	for i := 0; i < pairs; i++ {
		start(&group, func() { pair(count/pairs, gate, &ready) })
	}
	ready.Wait()
	return timed(func() {
		close(gate)
		group.Wait()
	})
}

func pair(count int, gate <-chan struct{}, ready *sync.WaitGroup) {
	var group sync.WaitGroup
	there, back := make(chan uint), make(chan uint)
	// One more: by that both have run when the pair is reported ready.
	start(&group, func() {
		for i := 0; i <= count; i++ {
			back <- <-there
		}
	})
	there <- 1
	<-back
	ready.Done()
	<-gate
	for i := 0; i < count; i++ {
		there <- 1
		<-back
	}
	group.Wait()
}

func spawnBeside(size, count int) time.Duration {
	all := newWaiters(size)
	elapsed := timed(func() { spawnBatch(count) })
	all.end()
	return elapsed
}

func sleepers(size, count int) (time.Duration, []figure) {
	before := processorTime()
	wall := timed(func() {
		var group sync.WaitGroup
		for number := 0; number < size; number++ {
			start(&group, func() {
				for turn := 0; turn < count/size; turn++ {
					time.Sleep(nap(number+turn*size) / 5)
				}
			})
		}
		group.Wait()
	})
	return wall, []figure{{"cpu", int64(processorTime() - before)}}
}

// selectAmong receives from whichever of size channels has a value.
func selectAmong(size, count int) time.Duration {
	channels := make([]chan uint, size)
	cases := make([]reflect.SelectCase, size)
	for i := range channels {
		channels[i] = make(chan uint)
		cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(channels[i])}
	}
	return timed(func() {
		var group sync.WaitGroup
		start(&group, func() {
			for i := 0; i < count; i++ {
				channels[i%size] <- 1
			}
		})
		for i := 0; i < count; i++ {
			reflect.Select(cases)
		}
		group.Wait()
	})
}

func closeAll(count int) time.Duration {
	all := newWaiters(count)
	return timed(all.end)
}
