// The request as JSON, for tests of whatever stands in front.

package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// echoed is what /echo answers: the request as it arrived, and who saw it.
type echoed struct {
	Pod      string              `json:"pod"`
	Protocol string              `json:"protocol"`
	Method   string              `json:"method"`
	Host     string              `json:"host"`
	Path     string              `json:"path"`
	Query    string              `json:"query"`
	Headers  map[string][]string `json:"headers"`
	Body     string              `json:"body"`
}

// longestEcho bounds the memory that a request may take.
const longestEcho = 16 << 20

// echo answers with the request as JSON. The query decides how: status=503 is the status of the answer, delay=2s comes
// before it, and header=Name:value is one of its headers. A gRPC request gets its message back.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestEcho))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		echoMessage(w, body)
		return
	}
	query := r.URL.Query()
	if delay, err := time.ParseDuration(query.Get("delay")); err == nil {
		time.Sleep(delay)
	}
	for _, header := range query["header"] {
		name, value, _ := strings.Cut(header, ":")
		w.Header().Add(name, value)
	}
	w.Header().Set("Content-Type", "application/json")
	if status, err := strconv.Atoi(query.Get("status")); err == nil && status >= 200 && status < 600 {
		w.WriteHeader(status)
	}
	_ = json.NewEncoder(w).Encode(echoed{
		Pod: os.Getenv("POD_NAME"), Protocol: r.Proto, Method: r.Method, Host: r.Host, Path: r.URL.Path,
		Query: r.URL.RawQuery, Headers: r.Header, Body: string(body),
	})
}

// echoMessage answers as a gRPC method that returns what it is given: the frame again, and status 0 as a trailer.
func echoMessage(w http.ResponseWriter, frame []byte) {
	status := "0"
	if len(frame) < 5 || int(binary.BigEndian.Uint32(frame[1:5])) != len(frame)-5 {
		frame, status = nil, "3" // INVALID_ARGUMENT
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = w.Write(frame)
	// Flushed, so that no Content-Length is set: proxies take its end for the end of the answer.
	_ = http.NewResponseController(w).Flush()
	w.Header().Set("Grpc-Status", status)
}

// protocols makes the server speak HTTP/2 without TLS too, as gRPC clients inside a cluster do.
func protocols() *http.Protocols {
	all := new(http.Protocols)
	all.SetHTTP1(true)
	all.SetUnencryptedHTTP2(true)
	return all
}
