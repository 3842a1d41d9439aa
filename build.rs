//! Tells cargo about the sources of the node image, which `knarr` carries: `include_dir!` alone misses new files.

fn main() {
    for path in ["go", "pause", "agent/src", "contract/src", "controllers/src"] {
        println!("cargo:rerun-if-changed=images/node/{path}");
    }
    // A test reads every manifest, also those that nothing embeds yet.
    println!("cargo:rerun-if-changed=manifests");
}
