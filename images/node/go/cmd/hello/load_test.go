// Amounts, and what is refused before anything is spent.

package main

import (
	"syscall"
	"testing"
	"time"
)

func TestAmountsOfCPU(t *testing.T) {
	for text, want := range map[string]int{"500m": 500, "2": 2000, "0.25": 250} {
		if got, err := parseMilli(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "m", "-1", "0", "1e9", "NaN", "a lot"} {
		if got, err := parseMilli(text); err == nil {
			t.Errorf("%q passes as %d", text, got)
		}
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	app := testApp(t, "")
	expect(t, app, "GET", "/burn?cpu=lots&seconds=x", 400, "cpu", "seconds")
	expect(t, app, "GET", "/memory?mb=-1", 400, "mb")
	expect(t, app, "GET", "/exit?code=x", 400, "code")
}

func TestBurningUsesProcessorTime(t *testing.T) {
	used := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano())
	}
	before := used()
	spin(turn/2, time.Now().Add(200*time.Millisecond))
	if spent := used() - before; spent < 10*time.Millisecond {
		t.Errorf("half of 200 ms took only %s", spent)
	}
}

func TestExitTellsItsCode(t *testing.T) {
	a := newApp(settings{})
	ended := make(chan int, 1)
	a.exit = func(code int) { ended <- code }
	expect(t, a.handler(), "POST", "/exit?code=3", 200, "status 3")
	if code := <-ended; code != 3 {
		t.Errorf("exited with %d", code)
	}
}
