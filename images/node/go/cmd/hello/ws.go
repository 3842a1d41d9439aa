// A WebSocket that says everything back.

package main

import (
	"log"
	"net/http"

	"github.com/gorilla/websocket"
)

// upgrader takes connections from pages of any origin: nothing here is worth protecting.
var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// webSocket sends every message back until the client leaves.
func webSocket(w http.ResponseWriter, r *http.Request) {
	connection, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer connection.Close()
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil {
			return
		}
		if err := connection.WriteMessage(kind, message); err != nil {
			log.Printf("websocket: %v", err)
			return
		}
	}
}
