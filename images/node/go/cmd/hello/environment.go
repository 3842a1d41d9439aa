// The environment, as a ConfigMap and a Secret made it. What looks secret is shown only on request.

package main

import (
	"net/http"
	"os"
	"slices"
	"strings"
)

// secretWords tell by its name that a variable holds a secret.
var secretWords = []string{"PASSWORD", "SECRET", "TOKEN", "KEY", "CREDENTIAL"}

// showEnvironment answers with all variables, or with the value of `?name=`; `?secrets=show` shows secrets too.
func (a *app) showEnvironment(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	all := os.Environ()
	slices.Sort(all)
	for _, variable := range all {
		name, value, _ := strings.Cut(variable, "=")
		if wanted := query.Get("name"); wanted != "" && wanted != name {
			continue
		}
		if looksSecret(name) && query.Get("secrets") != "show" {
			value = "******"
		}
		text(w, "%s=%s\n", name, value)
	}
}

func looksSecret(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}
