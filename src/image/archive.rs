//! What an archive of `docker save` holds, read before any node sees it.

use std::io::Read;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// An archive's manifest larger than this is none.
const MANIFEST_LIMIT: u64 = 4 << 20;

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "RepoTags", default)]
    tags: Option<Vec<String>>,
}

/// The names of the images in an archive; the whole archive is read, so that a cut-off file is found out.
pub fn names(archive: impl Read) -> Result<Vec<String>> {
    let broken = |e: &std::io::Error| Error::new(ErrorKind::Failed, "the archive is damaged or cut off").source(e);
    let mut tar = tar::Archive::new(archive);
    let mut manifest = None;
    for entry in tar.entries().map_err(|e| broken(&e))? {
        let mut entry = entry.map_err(|e| broken(&e))?;
        let path = entry.path().map_err(|e| broken(&e))?.into_owned();
        if path.components().any(|c| matches!(c, std::path::Component::ParentDir | std::path::Component::RootDir)) {
            return Err(Error::failed(format!("its entry `{}` leads out of the archive", path.display())));
        }
        if path.as_os_str() == "manifest.json" {
            let mut text = Vec::new();
            (&mut entry).take(MANIFEST_LIMIT).read_to_end(&mut text).map_err(|e| broken(&e))?;
            manifest = Some(text);
        }
        std::io::copy(&mut entry, &mut std::io::sink()).map_err(|e| broken(&e))?;
    }
    let manifest = manifest.ok_or_else(|| Error::failed("it has no `manifest.json`"))?;
    let images: Vec<Image> =
        serde_json::from_slice(&manifest).map_err(|e| Error::failed("its `manifest.json` is broken").source(&e))?;
    let names: Vec<String> = images.into_iter().filter_map(|i| i.tags).flatten().collect();
    if names.is_empty() {
        return Err(Error::failed("no image in it has a name"));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, text.as_bytes()).expect("appends");
        }
        tar.into_inner().expect("finishes")
    }

    #[test]
    fn reads_the_names() {
        let tar = archive(&[("manifest.json", r#"[{"RepoTags":["a:1","b:2"]}]"#), ("layer.tar", "x")]);
        assert_eq!(names(&tar[..]).expect("reads"), ["a:1", "b:2"]);
    }

    #[test]
    fn refuses_what_is_no_archive() {
        for (bytes, why) in [
            (b"hello, I am not a tar archive at all".repeat(40), "damaged"),
            (archive(&[("layer.tar", "x")]), "manifest.json"),
            (archive(&[("manifest.json", "[{}]")]), "has a name"),
            (archive(&[("manifest.json", "nonsense")]), "broken"),
        ] {
            let error = names(&bytes[..]).expect_err("refuses").to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn finds_out_a_cut_off_file() {
        let tar = archive(&[("manifest.json", r#"[{"RepoTags":["a:1"]}]"#), ("layer.tar", &"x".repeat(9000))]);
        assert!(names(&tar[..4000]).is_err());
    }
}
