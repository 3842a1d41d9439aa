//! Serves Ingresses with nginx.

use clap::Parser;
use knarr_controllers::ingress::controller::{self, Place};
use knarr_controllers::ingress::world::Settings;
use knarr_controllers::process;

/// Follows Ingresses and keeps an nginx that serves them.
#[derive(Parser)]
struct Arguments {
    /// Allow the annotation configuration-snippet.
    #[arg(long, action = clap::ArgAction::Set, default_value_t = false)]
    allow_snippets: bool,
    /// The folder for configuration, certificates and sockets; best in memory.
    #[arg(long, default_value = "/run/knarr-ingress")]
    folder: String,
    /// The namespace of the Service knarr-ingress.
    #[arg(long, default_value = "kube-system")]
    namespace: String,
    /// The name of this pod.
    #[arg(long, default_value = "knarr-ingress")]
    pod: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    process::log_to_stderr();
    let settings = Settings {
        controller: "k8s.io/ingress-nginx".into(),
        class: "nginx".into(),
        allow_snippets: arguments.allow_snippets,
        folder: arguments.folder,
    };
    let place = Place { namespace: arguments.namespace, pod: arguments.pod };
    let stop = process::stopped();
    controller::run(process::connect().await?, settings, place, stop).await
}
