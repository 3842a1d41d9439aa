// Mounted files: read, listed and written below one folder, which no path and no link leaves.

package main

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
)

// most is how many bytes a written file may have.
const most = 1 << 20

// readFile answers with a file, or with the names in a folder.
func (a *app) readFile(w http.ResponseWriter, r *http.Request) {
	root, err := os.OpenRoot(a.files)
	if err != nil {
		refuse(w, http.StatusNotFound, err)
		return
	}
	defer root.Close()
	name := cmp.Or(path.Clean(r.PathValue("path")), ".")
	if entries, err := fs.ReadDir(root.FS(), name); err == nil {
		for _, entry := range entries {
			text(w, "%s\n", entry.Name())
		}
		return
	}
	content, err := fs.ReadFile(root.FS(), name)
	if err != nil {
		refuse(w, statusOf(err), err)
		return
	}
	text(w, "%s", content)
}

// writeFile keeps the request's body, on the disk when the answer comes.
func (a *app) writeFile(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	if err := a.write(path.Clean(r.PathValue("path")), content); err != nil {
		refuse(w, statusOf(err), err)
		return
	}
	text(w, "wrote %d bytes\n", len(content))
}

func (a *app) write(name string, content []byte) error {
	root, err := os.OpenRoot(a.files)
	if err != nil {
		return err
	}
	defer root.Close()
	file, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return http.StatusNotFound
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}
