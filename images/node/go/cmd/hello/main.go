// Command hello is knarr's sample application: a web server that behaves like a small Spring Boot service.
//
// It tells who answered, has the actuator's health paths with a state that can be switched, prints its environment
// and its mounted files, burns CPU or memory when asked, and stops the way a rolling update needs. `settings.go` lists
// what its environment may say, `routes.go` every path it answers.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.Ltime)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	settings, err := readSettings(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	app := newApp(settings)
	log.Printf("hello %s starts", settings.version)
	if !pause(ctx, settings.startDelay) {
		return
	}
	if settings.exitAfter > 0 {
		time.AfterFunc(settings.exitAfter, func() { app.exit(settings.exitCode) })
	}
	server := &http.Server{
		Addr:              ":" + settings.port,
		Handler:           app.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		Protocols:         protocols(),
	}
	if err := app.serve(ctx, server); err != nil {
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
