// Command hello is knarr's sample application: a web server that tells who answered.
//
// It knows its pod from the environment (downward API: POD_NAME, POD_NAMESPACE,
// NODE_NAME), its version from VERSION, and its port from PORT (8080 unless told).
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// drain is how long requests that were already accepted may take after SIGTERM.
const drain = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	server := &http.Server{
		Addr:              ":" + cmp.Or(os.Getenv("PORT"), "8080"),
		Handler:           routes(greeting()),
		ReadHeaderTimeout: 10 * time.Second,
		Protocols:         protocols(),
	}
	if err := serve(ctx, server); err != nil {
		log.Fatal(err)
	}
}

// serve runs the server until the context ends, then lets running requests finish.
func serve(ctx context.Context, server *http.Server) error {
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("listening on %s", server.Addr)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Print("stopping: finishing the requests that are running")
	deadline, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// greeting is the part of the answer that stays the same while the process lives.
func greeting() string {
	name := os.Getenv("POD_NAME")
	if name == "" {
		name, _ = os.Hostname() // a pod's host name is its name
	}
	return fmt.Sprintf("Hello from knarr\npod:       %s\nnamespace: %s\nnode:      %s\nversion:   %s\n",
		name,
		cmp.Or(os.Getenv("POD_NAMESPACE"), "unknown"),
		cmp.Or(os.Getenv("NODE_NAME"), "unknown"),
		cmp.Or(os.Getenv("VERSION"), "v1"))
}

// routes answers probes shortly and everything else with the greeting and what was asked for.
func routes(greeting string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/echo/", echo)
	mux.HandleFunc("/ws", webSocket)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%srequest:   %s %s%s\n", greeting, r.Method, r.Host, r.URL.RequestURI())
	})
	return mux
}
