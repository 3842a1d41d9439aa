// Another service, asked from here: shows names, Services and policies as this pod sees them.

package main

import (
	"io"
	"net/http"
	"time"
)

// patience is how long a peer may take.
const patience = 3 * time.Second

// askPeer passes on what `?url=` answers.
func (a *app) askPeer(w http.ResponseWriter, r *http.Request) {
	client := http.Client{
		Timeout: patience,
		// Each question has a connection of its own, so that a Service may choose another pod each time.
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	answer, err := client.Get(r.URL.Query().Get("url"))
	if err != nil {
		refuse(w, http.StatusBadGateway, err)
		return
	}
	defer answer.Body.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(answer.Body, most))
}
