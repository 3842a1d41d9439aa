// CPU, memory and failure on request: what autoscalers, limits and restarts react to.

package main

import (
	"cmp"
	"errors"
	"fmt"
	"log"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// turn is how finely work and rest alternate.
const turn = 10 * time.Millisecond

// burn uses `?cpu=` (500m, 2) of processor time for `?seconds=`; the answer does not wait for the end.
func (a *app) burn(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	cpu := cmp.Or(query.Get("cpu"), "500m")
	milli, err := parseMilli(cpu)
	seconds, err2 := parseNumber("seconds", query.Get("seconds"), 30)
	if err := errors.Join(err, err2); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for ; milli > 0; milli -= 1000 {
		go spin(time.Duration(min(milli, 1000))*turn/1000, end)
	}
	text(w, "burning %s CPU for %d s in %s\n", cpu, seconds, a.pod)
}

// spin works for `busy` of every turn.
func spin(busy time.Duration, end time.Time) {
	for start := time.Now(); start.Before(end); start = time.Now() {
		for time.Since(start) < busy {
		}
		time.Sleep(turn - busy)
	}
}

// parseMilli reads CPUs as Kubernetes writes them.
func parseMilli(text string) (int, error) {
	digits, isMilli := strings.CutSuffix(text, "m")
	number, err := strconv.ParseFloat(digits, 64)
	if !isMilli {
		number *= 1000
	}
	if err != nil || !(number >= 1 && number <= 64_000) {
		return 0, fmt.Errorf("cpu: `%s` is no amount of CPU between 1m and 64", text)
	}
	return int(number), nil
}

func parseNumber(name, text string, unset int) (int, error) {
	number, err := strconv.Atoi(cmp.Or(text, strconv.Itoa(unset)))
	if err != nil || number < 0 {
		return 0, fmt.Errorf("%s: `%s` is no number", name, text)
	}
	return number, nil
}

// remember holds `?mb=` of memory for `?seconds=`; over the container's limit, that is its end.
func (a *app) remember(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	megabytes, err := parseNumber("mb", query.Get("mb"), 100)
	seconds, err2 := parseNumber("seconds", query.Get("seconds"), 60)
	if err := errors.Join(err, err2); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	log.Printf("taking %d MB for %d s", megabytes, seconds)
	go func() {
		// Piece by piece: an allocation that can never be had would end the process before the kernel does.
		pieces := make([][]byte, 0, megabytes)
		for range megabytes {
			piece := make([]byte, 1<<20)
			for page := 0; page < len(piece); page += 4096 {
				piece[page] = 1 // memory counts once it is written to
			}
			pieces = append(pieces, piece)
		}
		time.Sleep(time.Duration(seconds) * time.Second)
		clear(pieces)
		debug.FreeOSMemory()
	}()
	text(w, "holding %d MB for %d s in %s\n", megabytes, seconds, a.pod)
}

// end exits with `?code=` once the answer is out.
func (a *app) end(w http.ResponseWriter, r *http.Request) {
	code, err := parseNumber("code", r.URL.Query().Get("code"), 1)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	text(w, "exiting with status %d\n", code)
	time.AfterFunc(100*time.Millisecond, func() { a.exit(code) })
}
