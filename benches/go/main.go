// Go in `cargo xtask bench`: the command line, environment and exit codes of benches/src/program.rs, the rows
// of benches/src/channels/row.rs and benches/src/workloads.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// How many parties there are on a side that has several, and how many channels in a select.
const crowd = 4

func main() {
	if len(os.Args) != 3 {
		complain(2, "give a row and a count")
	}
	name := os.Args[1]
	count, err := strconv.Atoi(os.Args[2])
	if err != nil || count < 1 {
		complain(2, "give a count that is a number above 0")
	}
	if text, ok := os.LookupEnv("BENCH_PROCS"); ok {
		procs, err := strconv.Atoi(text)
		if err != nil || procs < 1 {
			complain(2, "BENCH_PROCS: give a number of workers")
		}
		runtime.GOMAXPROCS(procs)
	}
	run := workload(split(name, count))
	if run == nil {
		work := find(name, count)
		run = func() (time.Duration, []figure) { return timed(work), nil }
	}
	elapsed, figures := run()
	print := func(suffix string, value int64) {
		fmt.Printf("%s%s %d %d -> %d\n", name, suffix, runtime.GOMAXPROCS(0), count, value)
	}
	if elapsed > 0 {
		print("", elapsed.Nanoseconds())
	}
	for _, figure := range figures {
		print("."+figure.name, figure.value)
	}
}

// split takes the size off the end of a row's name.
func split(name string, count int) (string, int, int) {
	if at := strings.LastIndex(name, "_"); at >= 0 {
		if size, err := strconv.Atoi(name[at+1:]); err == nil {
			return name[:at], size, count
		}
	}
	return name, 0, count
}

func complain(code int, message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(code)
}

// find returns the work of the row called name.
func find(name string, count int) func() {
	if count%crowd != 0 {
		complain(2, "give a number of messages that is a multiple of four")
	}
	switch name {
	case "pingpong":
		return func() { pingpong(count) }
	case "prodcons":
		return func() { spsc[uint](100, count) }
	case "mpmc":
		return func() { mpmc[uint](128, count) }
	case "select":
		return func() { selectThree(count) }
	}
	kind, rest, _ := strings.Cut(name, "_")
	room := 0
	switch kind {
	case "bounded0":
	case "bounded1":
		room = 1
	case "boundedn":
		room = count
	case "unbounded":
		complain(3, "there are no unbounded channels")
	default:
		unknown(name)
	}
	switch rest {
	case "select_rx":
		return func() { selectRx(room, count) }
	case "select_both":
		return func() { selectBoth(room, count) }
	}
	var work func()
	kindOfWork, load, _ := strings.Cut(rest, "_")
	switch load {
	case "", "usize":
		work = plain[uint](kindOfWork, room, count)
	case "empty":
		work = plain[struct{}](kindOfWork, room, count)
	case "big":
		work = plain[[4]uint](kindOfWork, room, count)
	}
	if work == nil || kindOfWork == "seq" && room != count {
		unknown(name)
	}
	return work
}

func plain[M any](work string, room, count int) func() {
	switch work {
	case "seq":
		return func() { seq[M](room, count) }
	case "spsc":
		return func() { spsc[M](room, count) }
	case "mpsc":
		return func() { mpsc[M](room, count) }
	case "mpmc":
		return func() { mpmc[M](room, count) }
	}
	return nil
}

func unknown(name string) {
	complain(2, "there is no row `"+name+"`")
}
