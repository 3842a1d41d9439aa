// Command kube is all of Kubernetes that a knarr node runs, in one binary.
//
// The verb is the name it was called by (kube-apiserver, kubelet, …), so a
// symbolic link per component is all that an image needs. One binary instead of
// six stores and maps the code they share once.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectlcmd "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	_ "time/tzdata" // CronJobs name time zones; the image carries no zone files.

	_ "k8s.io/client-go/plugin/pkg/client/auth"           // kubectl's credential plugins.
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json.
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client and work-queue metrics.
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info.
)

// verbs maps a name this binary answers to onto the function that runs it.
// Each makes its command only when called: building all six costs time and
// registers the same flags twice.
var verbs = map[string]func() int{
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(controllermanager.NewControllerManagerCommand()) },
	"kube-scheduler":          func() int { return cli.Run(scheduler.NewSchedulerCommand()) },
	"kube-proxy":              func() int { return cli.Run(proxy.NewProxyCommand()) },
	"kubelet":                 func() int { return cli.Run(kubelet.NewKubeletCommand(context.Background())) },
	"kubectl":                 kubectl,
}

func main() {
	name := filepath.Base(os.Args[0])
	if run, ok := verbs[name]; ok {
		os.Exit(run())
	}
	// Called by its own name: the verb is the first argument.
	if len(os.Args) > 1 {
		if run, ok := verbs[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			os.Exit(run())
		}
	}
	names := make([]string, 0, len(verbs))
	for verb := range verbs {
		names = append(names, verb)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "%s: call it as one of: %s\n", name, strings.Join(names, ", "))
	os.Exit(2)
}

// kubectl runs the client the way its own main does: the verbosity counts while
// the command is being made, and errors are printed in its own words.
func kubectl() int {
	_, _ = logs.GlogSetter(kubectlcmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(kubectlcmd.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
	return 0
}
