//! Names of images as they are written, and as containerd keeps them.

use crate::spec::values::names_registry;

/// The full name under which containerd keeps an image: registry, path and tag.
pub fn full_name(image: &str) -> String {
    let (first, rest) = image.split_once('/').unwrap_or(("", image));
    let with_registry = match (names_registry(first), first.is_empty()) {
        (true, _) => image.to_owned(),
        (false, true) => format!("docker.io/library/{image}"),
        (false, false) => format!("docker.io/{image}"),
    };
    let last = rest.rsplit('/').next().unwrap_or(rest);
    if last.contains([':', '@']) { with_registry } else { format!("{with_registry}:latest") }
}

#[cfg(test)]
mod tests {
    use super::full_name;

    #[test]
    fn names_are_completed_as_containerd_does() {
        assert_eq!(full_name("app"), "docker.io/library/app:latest");
        assert_eq!(full_name("me/app:2"), "docker.io/me/app:2");
        assert_eq!(full_name("knarr.dev/hello:v1"), "knarr.dev/hello:v1");
        assert_eq!(full_name("localhost:5000/a"), "localhost:5000/a:latest");
        assert_eq!(full_name("[fd00::5]:5000/a"), "[fd00::5]:5000/a:latest");
    }
}
