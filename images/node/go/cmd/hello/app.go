// What all handlers share: the settings, the health, and how the process ends by itself.

package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"sync/atomic"
)

// app is one running application.
type app struct {
	settings
	liveness  health
	readiness health
	stopping  atomic.Bool
	exit      func(code int)
}

func newApp(settings settings) *app {
	a := &app{settings: settings}
	a.liveness.set(up)
	a.readiness.set(up)
	a.exit = func(code int) {
		log.Printf("ERROR: cannot go on, exiting with status %d", code)
		os.Exit(code)
	}
	return a
}

// text answers with a line or more for people.
func text(w http.ResponseWriter, format string, values ...any) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, format, values...)
}

// refuse answers that the request cannot be carried out, and why.
func refuse(w http.ResponseWriter, status int, why error) {
	http.Error(w, why.Error(), status)
}
