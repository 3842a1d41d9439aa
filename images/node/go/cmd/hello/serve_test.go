// The stop of a pod as a rolling update causes it, and settings that make no sense.

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAStopLosesNoRequest(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	ctx, signal := context.WithCancel(context.Background())
	app := newApp(settings{pod: "hello-1", drain: 500 * time.Millisecond})
	started, finish := make(chan struct{}), make(chan struct{})
	routes := app.handler()
	server := &http.Server{Addr: address, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(started)
			<-finish
		}
		routes.ServeHTTP(w, r)
	})}
	ended := make(chan error, 1)
	go func() { ended <- app.serve(ctx, server) }()
	slow := make(chan string, 1)
	go func() { slow <- get(address, "/slow") }()
	<-started
	signal()
	for !app.stopping.Load() {
		time.Sleep(time.Millisecond)
	}
	// A client that has not heard of the stop is still answered; a probe hears of it.
	if got := get(address, "/hostname"); got != "hello-1\n" {
		t.Errorf("after the signal: %q", got)
	}
	if got := get(address, "/actuator/health/readiness"); !strings.Contains(got, "OUT_OF_SERVICE") {
		t.Errorf("after the signal: %q", got)
	}
	close(finish)
	if got := <-slow; !strings.Contains(got, "hello-1") {
		t.Errorf("the request that ran got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// get asks until somebody listens: the server starts in its own goroutine.
func get(address, path string) string {
	for {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		return string(text)
	}
}

func TestWrongSettingsAreAllNamed(t *testing.T) {
	env := map[string]string{"START_DELAY": "long", "EXIT_CODE": "x", "DRAIN": "-1s"}
	_, err := readSettings(func(name string) string { return env[name] })
	for name := range env {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}
