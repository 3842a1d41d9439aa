//! Flags of `apply`.

use clap::Args;

use super::node::Manner;
use super::{CreateCluster, KubeconfigTarget};

/// Flags of `apply`
#[derive(Debug, Clone, Args)]
#[command(mut_arg("dry_run", |flag| flag.help("Print the difference, or the plan of a cluster that is not there, and change nothing")))]
pub struct Apply {
    /// The cluster's config file, or - for stdin; kind's files are read too
    #[arg(short = 'f', long = "file", visible_alias = "filename", aliases = ["config"], short_alias = 'c', value_name = "FILE")]
    pub file: String,
    /// The cluster's name
    #[arg(short, long, help = super::NEW_NAME)]
    pub name: Option<String>,
    /// Do it without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Give up pods that nobody makes anew, data that lies on nodes which go, and what depends on addons which go
    #[arg(long)]
    pub force: bool,
    /// How it is done
    #[command(flatten)]
    pub manner: Manner,
}

impl Apply {
    /// The creation of the cluster, where there is none yet.
    pub fn as_creation(&self) -> CreateCluster {
        let Manner { wait, dry_run, refresh } = &self.manner;
        let target = KubeconfigTarget {
            kubeconfig: refresh.kubeconfig.clone(),
            no_kubeconfig: refresh.no_kubeconfig,
            switch_context: true,
            break_lock: refresh.break_lock,
        };
        CreateCluster {
            name: self.name.clone(),
            config: Some(self.file.clone()),
            dry_run: *dry_run,
            ..CreateCluster::plain(*wait, target)
        }
    }
}
