package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
)

// The names below are containerd's: where its plugins keep their data, and the
// labels by which its CRI plugin and its garbage collector know things.
const (
	snapshotter = "overlayfs"
	namespace   = "k8s.io"

	contentDir  = "io.containerd.content.v1.content"
	metadataDir = "io.containerd.metadata.v1.bolt"
	snapshotDir = "io.containerd.snapshotter.v1." + snapshotter

	gcSnapshot = "containerd.io/gc.ref.snapshot." + snapshotter
	gcConfig   = "containerd.io/gc.ref.content.config"
)

// imageLabels make an image visible to kubelet at once, and keep kubelet's
// garbage collection away: no registry has these images.
var imageLabels = map[string]string{
	"io.cri-containerd.image":  "managed",
	"io.cri-containerd.pinned": "pinned",
}

// Store is containerd's store while it is being written.
type Store struct {
	bolt *bolt.DB
	db   *metadata.DB
}

// OpenStore makes the store's folders and databases.
func OpenStore(ctx context.Context, root string) (*Store, error) {
	blobs, err := local.NewStore(filepath.Join(root, contentDir))
	if err != nil {
		return nil, fmt.Errorf("the content store cannot be made: %w", err)
	}
	overlays, err := overlay.NewSnapshotter(filepath.Join(root, snapshotDir))
	if err != nil {
		return nil, fmt.Errorf("the snapshot store cannot be made: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(root, metadataDir), 0o711); err != nil {
		return nil, err
	}
	file, err := bolt.Open(filepath.Join(root, metadataDir, "meta.db"), 0o644, nil)
	if err != nil {
		return nil, fmt.Errorf("the metadata database cannot be made: %w", err)
	}
	db := metadata.NewDB(file, blobs, map[string]snapshots.Snapshotter{snapshotter: overlays})
	if err := db.Init(ctx); err != nil {
		return nil, fmt.Errorf("the metadata database cannot be filled: %w", err)
	}
	return &Store{bolt: file, db: db}, nil
}

// Close flushes the databases.
func (s *Store) Close() {
	_ = s.db.Snapshotter(snapshotter).Close()
	_ = s.bolt.Close()
}

// Add stores one image: its config and manifest, its layer as a link, its names.
func (s *Store) Add(ctx context.Context, image Image, layers Layers, arch string) error {
	ctx = namespaces.WithNamespace(ctx, namespace)
	diff, size, err := layers.Digest(image.Layer)
	if err != nil {
		return fmt.Errorf("the layer is not readable: %w", err)
	}
	chain := identity.ChainID([]digest.Digest{diff}).String()
	if err := s.link(ctx, chain, filepath.Join(layers.At, image.Layer)); err != nil {
		return fmt.Errorf("the snapshot cannot be made: %w", err)
	}
	config, err := s.blob(ctx, ocispec.MediaTypeImageConfig, configOf(image, arch, diff), map[string]string{gcSnapshot: chain})
	if err != nil {
		return err
	}
	manifest, err := s.blob(ctx, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    config,
		Layers:    []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageLayer, Digest: diff, Size: size}},
	}, map[string]string{gcConfig: config.Digest.String()})
	if err != nil {
		return err
	}
	// The CRI plugin knows an image by its config's digest too.
	for _, name := range []string{image.Reference, config.Digest.String()} {
		if _, err := metadata.NewImageStore(s.db).Create(ctx, images.Image{Name: name, Target: manifest, Labels: imageLabels}); err != nil {
			return fmt.Errorf("the name %s cannot be stored: %w", name, err)
		}
	}
	return nil
}

// link commits a snapshot whose files are the folder at that path of the node,
// unless another image of the same layer has it already.
func (s *Store) link(ctx context.Context, chain, target string) error {
	store := s.db.Snapshotter(snapshotter)
	if _, err := store.Stat(ctx, chain); err == nil {
		return nil
	}
	key := "seed-" + chain
	mounts, err := store.Prepare(ctx, key, "")
	if err != nil {
		return err
	}
	files := mounts[0].Source // without a parent, a snapshot is one bind mount of its folder
	if err := os.Remove(files); err != nil {
		return err
	}
	if err := os.Symlink(target, files); err != nil {
		return err
	}
	return store.Commit(ctx, chain, key)
}

// blob stores a document and describes it.
func (s *Store) blob(ctx context.Context, mediaType string, document any, labels map[string]string) (ocispec.Descriptor, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	described := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	err = content.WriteBlob(ctx, s.db.ContentStore(), described.Digest.String(), bytes.NewReader(text), described, content.WithLabels(labels))
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("the %s cannot be stored: %w", mediaType, err)
	}
	return described, nil
}

// configOf is the image's config; its date is fixed so that the same files give the same digest.
func configOf(image Image, arch string, diff digest.Digest) ocispec.Image {
	epoch := time.Unix(0, 0).UTC()
	return ocispec.Image{
		Created:  &epoch,
		Platform: ocispec.Platform{OS: "linux", Architecture: arch},
		Config: ocispec.ImageConfig{
			User:       image.User,
			Entrypoint: image.Entrypoint,
			Cmd:        image.Command,
			Env:        append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, image.Env...),
			WorkingDir: "/",
		},
		RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diff}},
	}
}
