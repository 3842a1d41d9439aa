//! Processors that node images are built for, and what each world calls them.

use crate::error::{Error, ErrorKind, Result};

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Arch {
    /// Reads `linux/arm64`.
    ///
    /// # Errors
    /// For a platform that no node image can be built for.
    pub fn of_platform(platform: &str) -> Result<Self> {
        match platform {
            "linux/amd64" | "linux/x86_64" => Ok(Self::Amd64),
            "linux/arm64" | "linux/arm64/v8" | "linux/aarch64" => Ok(Self::Arm64),
            other => Err(Error::new(ErrorKind::Usage, format!("`{other}` is no platform of node images"))
                .hint("use `--platform linux/amd64` or `--platform linux/arm64`")),
        }
    }

    /// Reads what Docker says of itself.
    ///
    /// # Errors
    /// For a processor that no node image can be built for.
    pub fn of_docker(arch: &str) -> Result<Self> {
        Self::of_platform(&format!("linux/{arch}")).map_err(|_| {
            Error::new(ErrorKind::Environment, format!("this Docker runs on `{arch}`, which node images do not know"))
        })
    }

    /// Go's, Debian's and Docker's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Docker's platform.
    pub fn platform(self) -> String {
        format!("linux/{}", self.name())
    }

    /// The compiler's name for it: before `-linux-gnu`, before `-unknown-linux-gnu`.
    pub const fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read() {
        assert_eq!(Arch::of_platform("linux/arm64/v8").unwrap(), Arch::Arm64);
        assert_eq!(Arch::of_docker("x86_64").unwrap(), Arch::Amd64);
        assert_eq!(Arch::of_platform("windows/amd64").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(Arch::of_docker("riscv64").unwrap_err().kind, ErrorKind::Environment);
    }
}
