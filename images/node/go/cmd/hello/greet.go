// Who answers: the greeting, and its parts for programs that want one line.

package main

import "net/http"

// greet tells who answered whom. It answers every path that nobody else does, so that rewritten paths can be seen.
func (a *app) greet(w http.ResponseWriter, r *http.Request) {
	text(w, "Hello from knarr\npod:       %s\nnamespace: %s\nnode:      %s\nversion:   %s\nclient:    %s\n",
		a.pod, a.namespace, a.node, a.version, r.RemoteAddr)
	if through := r.Header.Get("X-Forwarded-For"); through != "" {
		text(w, "through:   %s\n", through)
	}
	text(w, "request:   %s %s%s\n", r.Method, r.Host, r.URL.RequestURI())
}

func (a *app) showVersion(w http.ResponseWriter, _ *http.Request) { text(w, "%s\n", a.version) }

func (a *app) showHostname(w http.ResponseWriter, _ *http.Request) { text(w, "%s\n", a.pod) }
