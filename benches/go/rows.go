package main

import "sync"

func sendAll[M any](channel chan<- M, count int) {
	var message M
	for i := 0; i < count; i++ {
		channel <- message
	}
}

func recvAll[M any](channel <-chan M, count int) {
	for i := 0; i < count; i++ {
		<-channel
	}
}

// start runs body as a party of group.
func start(group *sync.WaitGroup, body func()) {
	group.Add(1)
	go func() {
		body()
		group.Done()
	}()
}

func seq[M any](room, count int) {
	channel := make(chan M, room)
	sendAll(channel, count)
	recvAll(channel, count)
}

func spsc[M any](room, count int) {
	var group sync.WaitGroup
	channel := make(chan M, room)
	start(&group, func() { sendAll(channel, count) })
	recvAll(channel, count)
	group.Wait()
}

func mpsc[M any](room, count int) {
	var group sync.WaitGroup
	channel := make(chan M, room)
	for i := 0; i < crowd; i++ {
		start(&group, func() { sendAll(channel, count/crowd) })
	}
	recvAll(channel, count)
	group.Wait()
}

func mpmc[M any](room, count int) {
	var group sync.WaitGroup
	channel := make(chan M, room)
	for i := 0; i < crowd; i++ {
		start(&group, func() { sendAll(channel, count/crowd) })
	}
	for i := 0; i < crowd; i++ {
		start(&group, func() { recvAll(channel, count/crowd) })
	}
	group.Wait()
}

func pingpong(count int) {
	var group sync.WaitGroup
	there, back := make(chan uint), make(chan uint)
	start(&group, func() {
		for i := 0; i < count; i++ {
			back <- <-there
		}
	})
	for i := 0; i < count; i++ {
		there <- 1
		<-back
	}
	group.Wait()
}

func channels(room int) [crowd]chan uint {
	var channels [crowd]chan uint
	for i := range channels {
		channels[i] = make(chan uint, room)
	}
	return channels
}

func recvAny(channels *[crowd]chan uint) {
	select {
	case <-channels[0]:
	case <-channels[1]:
	case <-channels[2]:
	case <-channels[3]:
	}
}

func sendAny(channels *[crowd]chan uint) {
	select {
	case channels[0] <- 1:
	case channels[1] <- 1:
	case channels[2] <- 1:
	case channels[3] <- 1:
	}
}

func selectRx(room, count int) {
	var group sync.WaitGroup
	channels := channels(room)
	for _, channel := range channels {
		start(&group, func() { sendAll(channel, count/crowd) })
	}
	for i := 0; i < count; i++ {
		recvAny(&channels)
	}
	group.Wait()
}

func selectBoth(room, count int) {
	var group sync.WaitGroup
	channels := channels(room)
	for i := 0; i < crowd; i++ {
		start(&group, func() {
			for i := 0; i < count/crowd; i++ {
				sendAny(&channels)
			}
		})
	}
	for i := 0; i < crowd; i++ {
		start(&group, func() {
			for i := 0; i < count/crowd; i++ {
				recvAny(&channels)
			}
		})
	}
	group.Wait()
}

func selectThree(count int) {
	var group sync.WaitGroup
	first, second, done := make(chan uint), make(chan uint), make(chan struct{})
	start(&group, func() { sendAll(first, count/2) })
	start(&group, func() { sendAll(second, count/2) })
	for i := 0; i < count; i++ {
		select {
		case <-first:
		case <-second:
		case <-done:
			panic("nobody sends it")
		}
	}
	group.Wait()
}
