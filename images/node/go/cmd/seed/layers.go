package main

import (
	"archive/tar"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
)

// Layers are folders of unpacked layers.
type Layers struct {
	// Dir is where they are while the image is being built.
	Dir string
	// At is where they will be on a node.
	At string
}

// Digest is the digest and size that the layer has as an archive. The archive
// itself is never stored: it only gives the image its identity.
func (l Layers) Digest(layer string) (digest.Digest, int64, error) {
	hash := digest.Canonical.Digester()
	size := &counter{to: hash.Hash()}
	archive := tar.NewWriter(size)
	// Not tar.Writer.AddFS: it takes dates over, and they differ from build to build.
	root := filepath.Join(l.Dir, layer)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		return add(archive, root, path, entry)
	})
	if err != nil {
		return "", 0, err
	}
	if err := archive.Close(); err != nil {
		return "", 0, err
	}
	return hash.Digest(), size.bytes, nil
}

// add appends one file, owned by root and without a date.
func add(archive *tar.Writer, root, path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	var target string
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	*header = tar.Header{
		Typeflag: header.Typeflag, Name: name, Linkname: target, Size: header.Size, Mode: header.Mode,
		ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
	}
	if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(archive, file)
	return err
}

// counter passes bytes on and counts them.
type counter struct {
	to    io.Writer
	bytes int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes += int64(n)
	return n, err
}
