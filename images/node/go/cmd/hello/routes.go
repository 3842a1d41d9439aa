// Every path, one line each; what is around all of them.

package main

import (
	"log"
	"net/http"
	"strings"
)

func (a *app) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/", a.greet)
	mux.HandleFunc("GET /version", a.showVersion)
	mux.HandleFunc("GET /hostname", a.showHostname)
	mux.HandleFunc("GET /env", a.showEnvironment)
	mux.HandleFunc("GET /actuator/health", a.showHealth)
	mux.HandleFunc("GET /actuator/health/liveness", a.liveness.show)
	mux.HandleFunc("POST /actuator/health/liveness", a.liveness.change)
	mux.HandleFunc("GET /actuator/health/readiness", a.readiness.show)
	mux.HandleFunc("POST /actuator/health/readiness", a.readiness.change)
	mux.HandleFunc("GET /healthz", a.readiness.show)
	mux.HandleFunc("/burn", a.burn)
	mux.HandleFunc("/memory", a.remember)
	mux.HandleFunc("/exit", a.end)
	mux.HandleFunc("GET /files/{path...}", a.readFile)
	mux.HandleFunc("POST /files/{path...}", a.writeFile)
	mux.HandleFunc("GET /peer", a.askPeer)
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/echo/", echo)
	mux.HandleFunc("/ws", webSocket)
	return mux
}

// handler is what the server runs for every request.
func (a *app) handler() http.Handler {
	routes := a.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.stopping.Load() {
			// Clients that keep their connection learn with this answer that they need another one.
			w.Header().Set("Connection", "close")
		}
		if !isProbe(r) {
			log.Printf("%s %s %s from %s", r.Method, r.Host, r.URL.RequestURI(), r.RemoteAddr)
		}
		routes.ServeHTTP(w, r)
	})
}

// isProbe tells the requests of every second, which would bury all others in the log.
func isProbe(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.URL.Path == "/healthz" || strings.HasPrefix(r.URL.Path, "/actuator/"))
}
