package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func open(t *testing.T) (*Volumes, string) {
	t.Helper()
	root := t.TempDir()
	volumes, err := Open(root, "dev-worker")
	if err != nil {
		t.Fatal(err)
	}
	return volumes, root
}

func options(mode v1.PersistentVolumeAccessMode) controller.ProvisionOptions {
	return controller.ProvisionOptions{
		StorageClass: &storagev1.StorageClass{},
		PVName:       "pvc-1",
		PVC: &v1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: "data", Annotations: map[string]string{selectedNode: "dev-worker"},
			},
			Spec: v1.PersistentVolumeClaimSpec{AccessModes: []v1.PersistentVolumeAccessMode{mode}},
		},
	}
}

func TestAVolumeIsMadeOnItsNodeAndDeletedWithItsData(t *testing.T) {
	volumes, root := open(t)
	asked := options(v1.ReadWriteOnce)
	if !volumes.ShouldProvision(t.Context(), asked.PVC) {
		t.Fatal("the claim of this node is not taken")
	}
	volume, _, err := volumes.Provision(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "shop-data-pvc-1")
	if volume.Spec.HostPath.Path != path {
		t.Errorf("got path %q", volume.Spec.HostPath.Path)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("the folder is not open to every user: %v %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(path, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !volumes.ShouldDelete(t.Context(), volume) {
		t.Fatal("the volume of this node is not taken")
	}
	if err := volumes.Delete(t.Context(), volume); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestProvisioningTwiceKeepsTheData(t *testing.T) {
	volumes, root := open(t)
	for range 2 {
		if _, _, err := volumes.Provision(t.Context(), options(v1.ReadWriteOncePod)); err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(filepath.Join(root, "shop-data-pvc-1", "file"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = file.WriteString("x")
		_ = file.Close()
	}
	if text, _ := os.ReadFile(filepath.Join(root, "shop-data-pvc-1", "file")); string(text) != "xx" {
		t.Errorf("got %q", text)
	}
}

func TestOtherNodesAreLeftAlone(t *testing.T) {
	volumes, _ := open(t)
	asked := options(v1.ReadWriteOnce)
	volume, _, err := volumes.Provision(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	other := &Volumes{root: volumes.root, node: "dev-worker2"}
	if other.ShouldProvision(t.Context(), asked.PVC) || other.ShouldDelete(t.Context(), volume) {
		t.Error("another node's instance took the volume")
	}
	if other.ShouldDelete(t.Context(), &v1.PersistentVolume{}) {
		t.Error("a volume without a node was taken")
	}
}

func TestWhatAFolderCannotPromiseIsRefused(t *testing.T) {
	volumes, _ := open(t)
	if _, _, err := volumes.Provision(t.Context(), options(v1.ReadWriteMany)); err == nil {
		t.Error("ReadWriteMany was promised")
	}
	asked := options(v1.ReadWriteOnce)
	asked.PVC.Spec.Selector = &metav1.LabelSelector{}
	if _, _, err := volumes.Provision(t.Context(), asked); err == nil {
		t.Error("a selector was ignored")
	}
}

func TestDeleteNeverLeavesTheFolder(t *testing.T) {
	volumes, root := open(t)
	outside := filepath.Join(t.TempDir(), "keep")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{outside, root, root + "/.", root + "/..", root + "/../keep", root + "/link"} {
		volume := &v1.PersistentVolume{}
		volume.Spec.HostPath = &v1.HostPathVolumeSource{Path: path}
		_ = volumes.Delete(t.Context(), volume)
	}
	for _, path := range []string{outside, root} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s was deleted: %v", path, err)
		}
	}
}

func TestLongNamesStayUniqueAndAllowed(t *testing.T) {
	name := folder(strings.Repeat("n", 63), strings.Repeat("c", 253), "pvc-1")
	if len(name) > longestName || !strings.HasSuffix(name, "-pvc-1") {
		t.Errorf("got %d bytes: %s", len(name), name)
	}
	if got := folder("shop", "data", "pvc-1"); got != "shop-data-pvc-1" {
		t.Errorf("got %q", got)
	}
}
