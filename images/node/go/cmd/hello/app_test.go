// The handlers, asked without a network.

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testApp is an application in a pod called hello-1 whose files are `folder`.
func testApp(t *testing.T, folder string) http.Handler {
	t.Helper()
	env := map[string]string{"POD_NAME": "hello-1", "POD_NAMESPACE": "shop", "NODE_NAME": "dev-worker", "FILES": folder, "VERSION": "v7"}
	settings, err := readSettings(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	return newApp(settings).handler()
}

func ask(handler http.Handler, method, url, body string) (int, string) {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(method, url, strings.NewReader(body)))
	return answer.Code, answer.Body.String()
}

func expect(t *testing.T, handler http.Handler, method, url string, status int, words ...string) {
	t.Helper()
	code, body := ask(handler, method, url, "")
	if code != status {
		t.Errorf("%s %s: status %d, want %d\n%s", method, url, code, status, body)
	}
	for _, word := range words {
		if !strings.Contains(body, word) {
			t.Errorf("%s %s: the answer lacks %q:\n%s", method, url, word, body)
		}
	}
}

func TestAnswersNameThePodAndTheRequest(t *testing.T) {
	app := testApp(t, "")
	expect(t, app, "GET", "http://shop.example/cart?item=3", 200,
		"hello-1", "shop", "dev-worker", "v7", "192.0.2.1:1234", "GET shop.example/cart?item=3")
	expect(t, app, "GET", "/version", 200, "v7\n")
	expect(t, app, "GET", "/hostname", 200, "hello-1\n")
}

func TestSecretsAreShownOnlyOnRequest(t *testing.T) {
	t.Setenv("DB_PASSWORD", "open sesame")
	t.Setenv("APP_MODE", "demo")
	app := testApp(t, "")
	expect(t, app, "GET", "/env", 200, "DB_PASSWORD=******\n", "APP_MODE=demo\n")
	expect(t, app, "GET", "/env?secrets=show", 200, "DB_PASSWORD=open sesame\n")
	if _, body := ask(app, "GET", "/env?name=APP_MODE", ""); body != "APP_MODE=demo\n" {
		t.Errorf("got %q", body)
	}
}

func TestHealthIsSwitched(t *testing.T) {
	app := testApp(t, "")
	expect(t, app, "GET", "/actuator/health", 200, `{"status":"UP","groups":["liveness","readiness"]}`)
	expect(t, app, "POST", "/actuator/health/readiness?status=OUT_OF_SERVICE", 200)
	expect(t, app, "GET", "/actuator/health/readiness", 503, `{"status":"OUT_OF_SERVICE"}`)
	expect(t, app, "GET", "/healthz", 503)
	expect(t, app, "GET", "/actuator/health/liveness", 200, `{"status":"UP"}`)
	expect(t, app, "GET", "/actuator/health", 503)
	expect(t, app, "POST", "/actuator/health/readiness?status=UP", 200)
	expect(t, app, "POST", "/actuator/health/liveness?status=DOWN", 200)
	expect(t, app, "GET", "/actuator/health/liveness", 503)
	expect(t, app, "POST", "/actuator/health/liveness?status=MAYBE", 400, "MAYBE")
	expect(t, app, "POST", "/actuator/health/liveness", 400)
}

func TestFilesStayInTheirFolder(t *testing.T) {
	folder := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	for path, content := range map[string]string{filepath.Join(folder, "..data"): "mode: demo\n", outside: "no"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A mounted ConfigMap is a set of relative links.
	for link, target := range map[string]string{"app.yaml": "..data", "leak": outside} {
		if err := os.Symlink(target, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	app := testApp(t, folder)
	expect(t, app, "GET", "/files/app.yaml", 200, "mode: demo\n")
	expect(t, app, "GET", "/files/", 200, "app.yaml\n")
	expect(t, app, "GET", "/files/nothing", 404)
	expect(t, app, "GET", "/files/leak", 400)
	expect(t, app, "GET", "/files/..%2Foutside", 400)
	if code, body := ask(app, "POST", "/files/kept", "for later"); code != 200 {
		t.Errorf("status %d: %s", code, body)
	}
	expect(t, app, "GET", "/files/kept", 200, "for later")
	expect(t, testApp(t, filepath.Join(folder, "none")), "GET", "/files/x", 404)
}

func TestAPeerIsAsked(t *testing.T) {
	peer := httptest.NewServer(testApp(t, ""))
	app := testApp(t, "")
	expect(t, app, "GET", "/peer?url="+peer.URL+"/hostname", 200, "hello-1")
	peer.Close()
	expect(t, app, "GET", "/peer?url="+peer.URL, 502, "refused")
}
