// What the environment may say, and what holds when it says nothing.

package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// settings are fixed while the process lives.
type settings struct {
	version    string        // VERSION: what the image says; the images v1 and v2 differ in nothing else
	port       string        // PORT: where to listen
	pod        string        // POD_NAME, or else the host name, which in a pod is the pod's name
	namespace  string        // POD_NAMESPACE
	node       string        // NODE_NAME
	files      string        // FILES: the folder below which `/files/` reads and writes
	startDelay time.Duration // START_DELAY: how long to do nothing before listening, as a slow framework does
	exitAfter  time.Duration // EXIT_AFTER: when to fail by itself; never when zero
	exitCode   int           // EXIT_CODE: with which status
	drain      time.Duration // DRAIN: how long to go on answering after SIGTERM
}

func readSettings(env func(string) string) (settings, error) {
	var wrong []error
	duration := func(name string, unset time.Duration) time.Duration {
		value, err := time.ParseDuration(cmp.Or(env(name), unset.String()))
		if err == nil && value < 0 {
			err = errors.New("it is negative")
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: `%s` is no duration such as 10s", name, env(name)))
		}
		return value
	}
	exitCode, err := strconv.Atoi(cmp.Or(env("EXIT_CODE"), "1"))
	if err != nil {
		wrong = append(wrong, fmt.Errorf("EXIT_CODE: `%s` is no number", env("EXIT_CODE")))
	}
	host, _ := os.Hostname()
	return settings{
		version:    cmp.Or(env("VERSION"), "v1"),
		port:       cmp.Or(env("PORT"), "8080"),
		pod:        cmp.Or(env("POD_NAME"), host),
		namespace:  cmp.Or(env("POD_NAMESPACE"), "unknown"),
		node:       cmp.Or(env("NODE_NAME"), "unknown"),
		files:      cmp.Or(env("FILES"), "/mnt"),
		startDelay: duration("START_DELAY", 0),
		exitAfter:  duration("EXIT_AFTER", 0),
		exitCode:   exitCode,
		drain:      duration("DRAIN", 3*time.Second),
	}, errors.Join(wrong...)
}
