//! Tells cargo about the sources of the node image and the samples, which `knarr` carries: `include_dir!` alone misses new files.

fn main() {
    for path in ["go", "pause", "agent/src", "contract/src"] {
        println!("cargo:rerun-if-changed=images/node/{path}");
    }
    println!("cargo:rerun-if-changed=manifests/samples");
}
