// The same as python_side.py for Go's os/exec: go_side WORKLOAD AMOUNT.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func cpuSeconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runTrue() {
	check(exec.Command("/bin/true").Run())
}

func runEcho() {
	var stdout, stderr bytes.Buffer
	command := exec.Command("/bin/echo", "hello")
	command.Stdout, command.Stderr = &stdout, &stderr
	check(command.Run())
}

func measure(work func()) {
	wall, cpu := time.Now(), cpuSeconds()
	work()
	used := cpuSeconds() - cpu
	fmt.Printf("{\"wall\": %.9f, \"cpu\": %.9f}\n", time.Since(wall).Seconds(), used)
}

func times(count int, one func()) {
	for i := 0; i < count; i++ {
		one()
	}
}

func flight(count int) {
	var group sync.WaitGroup
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			times(count, runTrue)
		}()
	}
	group.Wait()
}

func main() {
	amount, err := strconv.Atoi(os.Args[2])
	check(err)
	switch os.Args[1] {
	case "spawn":
		times(20, runTrue)
		measure(func() { times(amount, runTrue) })
	case "pipes":
		times(20, runEcho)
		measure(func() { times(amount, runEcho) })
	case "flight":
		flight(1)
		measure(func() { flight(amount / 100) })
	default:
		os.Exit(2)
	}
}
