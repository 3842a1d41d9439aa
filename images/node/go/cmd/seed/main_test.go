package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layer makes a folder of layers with one layer in it.
func layer(t *testing.T) Layers {
	t.Helper()
	layers := Layers{Dir: t.TempDir(), At: "/layers"}
	if err := os.MkdirAll(filepath.Join(layers.Dir, "pause", "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(layers.Dir, "pause", "bin", "pause"), []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pause", filepath.Join(layers.Dir, "pause", "bin", "sh")); err != nil {
		t.Fatal(err)
	}
	return layers
}

func TestAnImageIsFoundAgainWithItsLayerAsALink(t *testing.T) {
	root, layers := t.TempDir(), layer(t)
	store, err := OpenStore(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	image := Image{Reference: "knarr.dev/pause:v1", Layer: "pause", Entrypoint: []string{"/bin/pause"}, User: "65535:65535"}
	if err := store.Add(t.Context(), image, layers, "arm64"); err != nil {
		t.Fatal(err)
	}

	ctx := namespaces.WithNamespace(context.Background(), namespace)
	found, err := metadata.NewImageStore(store.db).Get(ctx, image.Reference)
	if err != nil {
		t.Fatal(err)
	}
	if found.Labels["io.cri-containerd.pinned"] != "pinned" {
		t.Errorf("the image may be collected: %v", found.Labels)
	}
	var manifest ocispec.Manifest
	read(t, ctx, store, found.Target, &manifest)
	var config ocispec.Image
	read(t, ctx, store, manifest.Config, &config)
	if config.Architecture != "arm64" || config.Config.User != image.User || config.Config.Entrypoint[0] != "/bin/pause" {
		t.Errorf("got config %+v", config)
	}
	if _, err := store.db.Snapshotter(snapshotter).Stat(ctx, config.RootFS.DiffIDs[0].String()); err != nil {
		t.Errorf("the layer has no snapshot: %v", err)
	}
	links, _ := filepath.Glob(filepath.Join(root, snapshotDir, "snapshots", "*", "fs"))
	if len(links) != 1 {
		t.Fatalf("got snapshots %v", links)
	}
	if target, err := os.Readlink(links[0]); err != nil || target != "/layers/pause" {
		t.Errorf("the snapshot leads to %q: %v", target, err)
	}
}

func TestImagesOfOneLayerShareItsSnapshotAndDifferInTheirEnvironment(t *testing.T) {
	root, layers := t.TempDir(), layer(t)
	store, err := OpenStore(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx := namespaces.WithNamespace(context.Background(), namespace)
	for _, version := range []string{"v1", "v2"} {
		image := Image{Reference: "knarr.dev/pause:" + version, Layer: "pause", Env: []string{"VERSION=" + version}}
		if err := store.Add(t.Context(), image, layers, "amd64"); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"v1", "v2"} {
		found, err := metadata.NewImageStore(store.db).Get(ctx, "knarr.dev/pause:"+version)
		if err != nil {
			t.Fatal(err)
		}
		var manifest ocispec.Manifest
		read(t, ctx, store, found.Target, &manifest)
		var config ocispec.Image
		read(t, ctx, store, manifest.Config, &config)
		if !slices.Contains(config.Config.Env, "VERSION="+version) {
			t.Errorf("%s has %v", version, config.Config.Env)
		}
	}
	if links, _ := filepath.Glob(filepath.Join(root, snapshotDir, "snapshots", "*", "fs")); len(links) != 1 {
		t.Errorf("got snapshots %v", links)
	}
}

// read decodes a stored document.
func read(t *testing.T, ctx context.Context, store *Store, at ocispec.Descriptor, into any) {
	t.Helper()
	text, err := content.ReadBlob(ctx, store.db.ContentStore(), at)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func TestTheDigestDependsOnContentOnly(t *testing.T) {
	layers := layer(t)
	first, size, err := layers.Digest("pause")
	if err != nil || size == 0 {
		t.Fatalf("%d bytes: %v", size, err)
	}
	if again, _, _ := layer(t).Digest("pause"); again != first {
		t.Errorf("the same files gave %s and %s", first, again)
	}
	if err := os.WriteFile(filepath.Join(layers.Dir, "pause", "bin", "pause"), []byte("another"), 0o755); err != nil {
		t.Fatal(err)
	}
	if changed, _, _ := layers.Digest("pause"); changed == first {
		t.Error("other content gave the same digest")
	}
}
