package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAnswerNamesThePodAndTheRequest(t *testing.T) {
	t.Setenv("POD_NAME", "hello-1")
	t.Setenv("POD_NAMESPACE", "shop")
	t.Setenv("NODE_NAME", "dev-worker")
	t.Setenv("VERSION", "v7")
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, "http://shop.example/cart?item=3", nil)
	routes(greeting()).ServeHTTP(answer, request)
	for _, want := range []string{"hello-1", "shop", "dev-worker", "v7", "GET shop.example/cart?item=3"} {
		if !strings.Contains(answer.Body.String(), want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer.Body)
		}
	}
}

func TestARunningRequestIsFinishedAfterTheSignal(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	ctx, signal := context.WithCancel(context.Background())
	started, finish := make(chan struct{}), make(chan struct{})
	server := &http.Server{Addr: address, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-finish
		_, _ = io.WriteString(w, "done")
	})}
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, server) }()
	body := make(chan string, 1)
	go func() { body <- get(address) }()
	<-started
	signal()
	close(finish)
	if got := <-body; got != "done" {
		t.Errorf("got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// get asks until somebody listens: the server starts in its own goroutine.
func get(address string) string {
	for {
		response, err := http.Get("http://" + address)
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		return string(text)
	}
}
