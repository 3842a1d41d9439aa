// Health as Spring Boot's actuator tells it: UP with 200, anything else with 503. Its state can be switched.

package main

import (
	"cmp"
	"fmt"
	"log"
	"net/http"
	"sync/atomic"
)

const up = "UP"

// states are those that an actuator knows.
var states = map[string]bool{up: true, "DOWN": true, "OUT_OF_SERVICE": true, "UNKNOWN": true}

// health is one state: alive or not, ready or not.
type health struct{ state atomic.Value }

func (h *health) get() string { return h.state.Load().(string) }

func (h *health) set(state string) { h.state.Store(state) }

func (h *health) show(w http.ResponseWriter, _ *http.Request) { answerHealth(w, h.get(), "") }

// change takes the new state from `?status=`.
func (h *health) change(w http.ResponseWriter, r *http.Request) {
	state := cmp.Or(r.URL.Query().Get("status"), "nothing")
	if !states[state] {
		refuse(w, http.StatusBadRequest, fmt.Errorf("`%s` is no status; try ?status=DOWN or ?status=UP", state))
		return
	}
	h.set(state)
	log.Printf("%s is %s from now on", r.URL.Path, state)
	text(w, "%s\n", state)
}

// showHealth is the worst of all states.
func (a *app) showHealth(w http.ResponseWriter, _ *http.Request) {
	state := a.liveness.get()
	if state == up {
		state = a.readiness.get()
	}
	answerHealth(w, state, `,"groups":["liveness","readiness"]`)
}

func answerHealth(w http.ResponseWriter, state, more string) {
	w.Header().Set("Content-Type", "application/json")
	if state != up {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintf(w, "{\"status\":%q%s}\n", state, more)
}
