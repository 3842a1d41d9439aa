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
