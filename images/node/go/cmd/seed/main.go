// Command seed writes containerd's store for images whose layers already lie unpacked somewhere else.
//
// It runs when the node image is built. The store (metadata, configs, manifests,
// snapshots that are symbolic links to the layer folders) weighs some hundred
// kilobytes; a node copies it into its empty /var/lib/containerd and has every
// preloaded image without unpacking anything. Writing through containerd's own
// packages instead of running containerd needs no privileges and no mounts.
//
//	seed -root STORE -layers DIR -at PATH -arch ARCH < images.json
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Image is one image of a single layer.
type Image struct {
	// Reference is its full name, `knarr.dev/pause:v1`.
	Reference string `json:"reference"`
	// Layer is the folder of its files, below the folder of layers. Images may share one.
	Layer string `json:"layer"`
	// Entrypoint is the program it starts.
	Entrypoint []string `json:"entrypoint"`
	// Command is what the program gets unless the pod says otherwise.
	Command []string `json:"command"`
	// User is the user and group, `65532:65532`; root when empty.
	User string `json:"user"`
	// Env is the program's environment beside PATH, `KEY=value` each.
	Env []string `json:"env"`
}

func main() {
	root := flag.String("root", "", "the `folder` to write, what becomes /var/lib/containerd")
	layers := flag.String("layers", "", "the `folder` that holds one folder per layer")
	at := flag.String("at", "", "the `path` of the folder of layers on a node")
	arch := flag.String("arch", "", "the images' architecture as Go spells it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, *root, Layers{Dir: *layers, At: *at}, *arch); err != nil {
		fmt.Fprintf(os.Stderr, "seed: %v\n", err)
		os.Exit(1)
	}
}

// run reads the list of images and stores them all.
func run(ctx context.Context, root string, layers Layers, arch string) error {
	var images []Image
	input := json.NewDecoder(os.Stdin)
	input.DisallowUnknownFields()
	if err := input.Decode(&images); err != nil {
		return fmt.Errorf("the list of images is not readable: %w", err)
	}
	if !filepath.IsAbs(layers.At) {
		return fmt.Errorf("the layers' path on a node must be absolute, not %q", layers.At)
	}
	store, err := OpenStore(ctx, root)
	if err != nil {
		return err
	}
	defer store.Close()
	for _, image := range images {
		if err := store.Add(ctx, image, layers, arch); err != nil {
			return fmt.Errorf("%s: %w", image.Reference, err)
		}
	}
	return nil
}
