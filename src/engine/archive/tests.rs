//! That archives come back as they were made, and that hostile ones are refused.

use super::*;

fn stream(pieces: Vec<Vec<u8>>) -> ByteStream {
    Box::pin(futures::stream::iter(pieces.into_iter().map(Ok)))
}

/// An archive with one entry, written past every check of the `tar` crate.
fn raw(path: &str, kind: EntryType, link: &str) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(3 * BLOCK, 0);
    bytes
}

#[test]
fn round_trip_is_sorted_and_deterministic() {
    let mut tree = Tree::new(1_700_000_000);
    tree.file("pki/ca.key", 0o600, b"secret".to_vec()).unwrap();
    tree.file("admin.conf", 0o600, b"conf".to_vec()).unwrap();
    tree.folder("pki", 0o700).unwrap();
    tree.link("current", "/opt/1").unwrap();
    tree.file(&format!("deep/{}/x", "n".repeat(150)), 0o644, vec![1; 1000]).unwrap();
    let archive = tree.build().unwrap();
    assert_eq!(archive, tree.build().unwrap());
    assert_eq!(archive.capacity(), archive.len(), "the room was foreseen exactly, so nothing was moved");
    let items = unpack(&archive).unwrap();
    assert_eq!(items, tree.items.clone().into_iter().collect::<Vec<_>>());
    let seen: Vec<String> = items.iter().map(|(path, item)| format!("{path}: {item:?}")).collect();
    insta::assert_snapshot!(seen.join("\n").replace(&"n".repeat(150), "N"), @r"
    admin.conf: 600, 4 bytes
    current: 777, link to /opt/1
    deep: 755, folder
    deep/N: 755, folder
    deep/N/x: 644, 1000 bytes
    pki: 700, folder
    pki/ca.key: 600, 6 bytes
    ");
}

#[test]
fn debug_shows_no_contents() {
    let mut tree = Tree::new(0);
    tree.file("ca.key", 0o600, b"sesame".to_vec()).unwrap();
    let items = read(&tree.build().unwrap()).unwrap();
    let shown = format!("{tree:?} {items:?}");
    assert!(shown.contains("ca.key") && !shown.contains("sesame") && !shown.contains("115"), "{shown}");
}

#[test]
fn writing_refuses_paths_that_escape_or_clash() {
    let mut tree = Tree::new(0);
    tree.file("a/b", 0o644, b"x".to_vec()).unwrap();
    for (path, why) in [
        ("/etc/passwd", "its path is absolute"),
        ("a/../../b", "its path leads upwards with `..`"),
        ("", "its path is empty"),
        ("a/b/c", "`a/b` is no folder"),
        ("a", "it is a folder with files in it"),
    ] {
        let error = tree.file(path, 0o644, Vec::new()).unwrap_err();
        assert_eq!(error.causes, [why], "{path}");
    }
}

#[test]
fn reading_refuses_what_is_no_plain_file() {
    for (path, kind, why) in [
        ("x", EntryType::Symlink, "it is a symbolic link"),
        ("x", EntryType::Link, "it is a hard link"),
        ("x", EntryType::Char, "it is a device"),
        ("x", EntryType::Block, "it is a device"),
        ("x", EntryType::Fifo, "it is a pipe"),
        ("/etc/passwd", EntryType::Regular, "its path is absolute"),
        ("/", EntryType::Directory, "its path is empty"),
        ("a/../b", EntryType::Regular, "its path leads upwards with `..`"),
    ] {
        let error = read(&raw(path, kind, "/etc/shadow")).unwrap_err();
        assert_eq!(error.message, format!("cannot unpack `{path}`"));
        assert_eq!(error.causes, [why], "{path}");
    }
    assert_eq!(read(&raw("./", EntryType::Directory, "")).unwrap(), []);
}

#[test]
fn reading_refuses_a_broken_archive() {
    let mut tree = Tree::new(0);
    tree.file("a", 0o644, vec![7; 5000]).unwrap();
    let archive = tree.build().unwrap();
    assert!(read(&archive[..3 * BLOCK]).is_err());
    assert!(read(&[1; 1024]).is_err());
}

#[tokio::test]
async fn one_file_out_of_a_stream() {
    let mut tree = Tree::new(0);
    tree.file("status.json", 0o644, b"{}".to_vec()).unwrap();
    let archive = tree.build().unwrap();
    let pieces: Vec<Vec<u8>> = archive.chunks(100).map(<[u8]>::to_vec).collect();
    assert_eq!(read_one(stream(pieces.clone())).await.unwrap().as_slice(), b"{}");
    let error = collect(stream(pieces), 1000).await.unwrap_err();
    assert_eq!(error.causes, ["it has more than 1000 bytes"]);
    tree.file("other", 0o644, Vec::new()).unwrap();
    let error = read_one(stream(vec![tree.build().unwrap()])).await.unwrap_err();
    assert_eq!(error.causes, ["the archive has several files in it"]);
}
