// Command provisioner makes the volumes of the default StorageClass: one folder per claim on the claim's node.
//
// It runs on every node (DaemonSet) without a leader: the instance on the node
// that the scheduler selected makes the folder, and the same one deletes it.
// NODE_NAME says which node this is; the node's Root is mounted at the same path.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	// Name is what a StorageClass calls this provisioner.
	Name = "knarr.dev/local"
	// Root is the folder of all volumes, on the node and in the provisioner's pod.
	Root = "/var/lib/knarr/volumes"
	// The client's default of 5 requests a second would be felt when a
	// StatefulSet's claims arrive together.
	requestsPerSecond = 50
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		klog.ErrorS(err, "The provisioner cannot start")
		klog.FlushAndExit(klog.ExitFlushTimeout, 1)
	}
}

// run serves this node's claims until the context ends.
func run(ctx context.Context) error {
	volumes, err := Open(Root, os.Getenv("NODE_NAME"))
	if err != nil {
		return err
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = requestsPerSecond, 2*requestsPerSecond
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	controller.NewProvisionController(ctx, client, Name, volumes,
		controller.LeaderElection(false),
		// A full disk may be freed at any time: never give up on a claim.
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
	).Run(ctx)
	return nil
}
