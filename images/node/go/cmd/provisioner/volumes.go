package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	// selectedNode is where the scheduler writes the node of a claim's first pod.
	selectedNode = "volume.kubernetes.io/selected-node"
	// longestName is what Linux allows for one file name.
	longestName = 255
)

// Volumes are the folders of one node. Every access goes through an os.Root, so
// no name and no symbolic link that a pod leaves behind can lead out of it.
type Volumes struct {
	root *os.Root
	node string
}

// Open takes the folder of volumes into use for the node of that name.
func Open(root, node string) (*Volumes, error) {
	if node == "" {
		return nil, errors.New("NODE_NAME is empty; set it from the pod's spec.nodeName")
	}
	folder, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("the folder of volumes is not mounted: %w", err)
	}
	return &Volumes{root: folder, node: node}, nil
}

// ShouldProvision takes the claims whose pod was placed on this node.
func (v *Volumes) ShouldProvision(_ context.Context, claim *v1.PersistentVolumeClaim) bool {
	return claim.Annotations[selectedNode] == v.node
}

// ShouldDelete takes the volumes that stand on this node.
func (v *Volumes) ShouldDelete(_ context.Context, volume *v1.PersistentVolume) bool {
	terms := volume.Spec.NodeAffinity
	return terms != nil && terms.Required != nil &&
		slices.ContainsFunc(terms.Required.NodeSelectorTerms, func(term v1.NodeSelectorTerm) bool {
			return slices.ContainsFunc(term.MatchExpressions, func(e v1.NodeSelectorRequirement) bool {
				return e.Key == v1.LabelHostname && e.Operator == v1.NodeSelectorOpIn &&
					slices.Equal(e.Values, []string{v.node})
			})
		})
}

// Provision makes the folder and describes it as a volume that only this node has.
func (v *Volumes) Provision(_ context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	if err := supported(o.PVC); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	name := folder(o.PVC.Namespace, o.PVC.Name, o.PVName)
	if err := v.root.Mkdir(name, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, controller.ProvisioningFinished, fmt.Errorf("the volume's folder cannot be made: %w", err)
	}
	// The pod's user is not known here, and the umask has cut the mode above.
	if err := v.root.Chmod(name, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("the volume's folder cannot be opened to all users: %w", err)
	}
	return v.describe(o, filepath.Join(v.root.Name(), name)), controller.ProvisioningFinished, nil
}

// Delete removes the folder with all that is in it.
func (v *Volumes) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	source := volume.Spec.HostPath
	if source == nil || filepath.Dir(source.Path) != v.root.Name() {
		return &controller.IgnoredError{Reason: "the volume is not a folder of this provisioner"}
	}
	if err := v.root.RemoveAll(filepath.Base(source.Path)); err != nil {
		return fmt.Errorf("the volume's folder cannot be removed: %w", err)
	}
	return nil
}

// describe is the volume object of a folder.
func (v *Volumes) describe(o controller.ProvisionOptions, path string) *v1.PersistentVolume {
	kind := v1.HostPathDirectoryOrCreate
	reclaim := v1.PersistentVolumeReclaimDelete
	if o.StorageClass.ReclaimPolicy != nil {
		reclaim = *o.StorageClass.ReclaimPolicy
	}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeReclaimPolicy: reclaim,
			VolumeMode:                    o.PVC.Spec.VolumeMode,
			PersistentVolumeSource: v1.PersistentVolumeSource{
				HostPath: &v1.HostPathVolumeSource{Path: path, Type: &kind},
			},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{
				NodeSelectorTerms: []v1.NodeSelectorTerm{{
					MatchExpressions: []v1.NodeSelectorRequirement{{
						Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{v.node},
					}},
				}},
			}},
		},
	}
}

// supported refuses what a folder on one node cannot promise.
func supported(claim *v1.PersistentVolumeClaim) error {
	if claim.Spec.Selector != nil {
		return errors.New("a claim with a selector asks for an existing volume; remove spec.selector to get a new one")
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode != v1.ReadWriteOnce && mode != v1.ReadWriteOncePod {
			return fmt.Errorf("a folder of one node cannot be %s; ask for ReadWriteOnce or ReadWriteOncePod", mode)
		}
	}
	return nil
}

// folder names a volume's folder so that people find it. The three names are
// DNS names, so none holds a slash; the volume's own name makes it unique, which
// is why the others give way when the whole would be too long.
func folder(namespace, claim, volume string) string {
	readable := namespace + "-" + claim
	return readable[:min(len(readable), longestName-len(volume)-1)] + "-" + volume
}
