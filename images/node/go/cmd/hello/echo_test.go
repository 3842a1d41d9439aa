package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func TestEchoTellsTheRequestAndObeysTheQuery(t *testing.T) {
	request := httptest.NewRequest(http.MethodPut, "http://a.example/echo/x?status=418&header=X-A:b", strings.NewReader("hi"))
	request.Header.Set("X-Sent", "1")
	answer := httptest.NewRecorder()
	testApp(t, t.TempDir()).ServeHTTP(answer, request)
	var got echoed
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "PUT" || got.Host != "a.example" || got.Path != "/echo/x" || got.Body != "hi" || got.Headers["X-Sent"][0] != "1" {
		t.Errorf("%+v", got)
	}
	if answer.Code != 418 || answer.Header().Get("X-A") != "b" {
		t.Errorf("status %d, headers %v", answer.Code, answer.Header())
	}
}

func TestAGrpcMessageComesBackWithItsStatus(t *testing.T) {
	for frame, status := range map[string]string{"\x00\x00\x00\x00\x02hi": "0", "short": "3"} {
		request := httptest.NewRequest(http.MethodPost, "/echo", strings.NewReader(frame))
		request.Header.Set("Content-Type", "application/grpc")
		answer := httptest.NewRecorder()
		testApp(t, t.TempDir()).ServeHTTP(answer, request)
		if got := answer.Result().Trailer.Get("Grpc-Status"); got != status {
			t.Errorf("%q: status %s", frame, got)
		}
	}
}

func TestWebSocketMessagesComeBack(t *testing.T) {
	server := httptest.NewServer(testApp(t, t.TempDir()))
	defer server.Close()
	connection, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.WriteMessage(websocket.TextMessage, []byte("hi")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := connection.ReadMessage(); err != nil || string(got) != "hi" {
		t.Errorf("%q, %v", got, err)
	}
}
