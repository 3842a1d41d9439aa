// From the first request to the last: a stop that loses none.

package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"time"
)

// finish is how long requests that were already accepted may take in the end.
const finish = 10 * time.Second

// serve runs the server until the context ends. Then it is no longer ready, but goes on answering until every node
// has heard that; only then it stops listening, and lets running requests finish.
func (a *app) serve(ctx context.Context, server *http.Server) error {
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("listening on %s", server.Addr)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Printf("stopping: no longer ready, still answering for %s", a.drain)
	a.readiness.set("OUT_OF_SERVICE")
	a.stopping.Store(true)
	select {
	case err := <-failed:
		return err
	case <-time.After(a.drain):
	}
	deadline, cancel := context.WithTimeout(context.Background(), finish)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	log.Print("stopped")
	return nil
}

// pause waits; false means that the context ended first.
func pause(ctx context.Context, long time.Duration) bool {
	if long > 0 {
		log.Printf("starting slowly: listening in %s", long)
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(long):
		return true
	}
}
