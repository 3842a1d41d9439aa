//! How much of the machine a node may use: CPUs and memory, read as people write them and written so that they are read.

use knarr_contract::Limits;

use super::values::Refused;
use super::{ClusterSpec, Role};

/// Names of powers of 1024, as Docker (`g`, `gb`) and Kubernetes (`Gi`) write them, without regard to case.
const UNITS: [(u32, [&str; 4]); 5] = [
    (0, ["", "b", "", ""]),
    (10, ["k", "kb", "ki", "kib"]),
    (20, ["m", "mb", "mi", "mib"]),
    (30, ["g", "gb", "gi", "gib"]),
    (40, ["t", "tb", "ti", "tib"]),
];

/// Bytes of memory that a node with a memory limit keeps for its components. Idle ones of a worker take 120 MiB and those
/// of a control plane 400 MiB; both grow with what the cluster holds.
pub const fn kept_memory(role: Role) -> u64 {
    match role {
        Role::ControlPlane => 600 << 20,
        Role::Worker => 200 << 20,
    }
}

/// Parses a number of CPUs into thousandths: `2`, `1.5`, `500m`.
///
/// # Errors
///
/// When it is no such number, is nothing, or is finer than a thousandth.
pub fn parse_cpus(text: &str) -> Result<u32, Refused> {
    let (number, scale) = text.strip_suffix('m').map_or((text, 1000), |number| (number, 1));
    let milli = scaled(number, scale).and_then(Result::ok).and_then(|milli| u32::try_from(milli).ok());
    milli.filter(|milli| *milli > 0).ok_or_else(|| {
        Refused(format!("`{text}` is not a number of CPUs; use for example `2`, `1.5` or `500m`, down to `1m`"))
    })
}

/// Parses an amount of memory into bytes, rounded down to whole KiB: `2g`, `2GB` and `2Gi` are the same, as Docker has it.
///
/// # Errors
///
/// When it is no such amount, or is nothing.
pub fn parse_memory(text: &str) -> Result<u64, Refused> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.to_ascii_lowercase();
    let power = UNITS.into_iter().find(|(_, names)| names.contains(&unit.as_str())).map(|(power, _)| power);
    let bytes =
        power.and_then(|power| scaled(number.trim_end(), 1 << power)).map(|part| part.unwrap_or_else(|whole| whole));
    bytes.map(|bytes| bytes / 1024 * 1024).filter(|bytes| *bytes > 0).ok_or_else(|| {
        Refused(format!(
            "`{text}` is not an amount of memory; use for example `2Gi`, `2g` or `1536Mi` (all in powers of 1024)"
        ))
    })
}

/// A decimal number times `scale`: `Ok` if that is whole, else `Err` with what is below it. `None` if it is no number.
fn scaled(number: &str, scale: u64) -> Option<Result<u64, u64>> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || number.ends_with('.') {
        return None;
    }
    let tenths = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let times = format!("{whole}{part}").parse::<u128>().ok()? * u128::from(scale);
    let value = u64::try_from(times / tenths).ok()?;
    Some(if times % tenths == 0 { Ok(value) } else { Err(value) })
}

/// Thousandths of a CPU as a number of CPUs: `1.5`.
pub fn show_cpus(milli: u32) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bytes in the largest unit in which they are whole: `1536Mi`.
pub fn show_memory(bytes: u64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let unit = units.into_iter().find(|(_, power)| bytes > 0 && bytes.trailing_zeros() >= *power);
    unit.map_or_else(|| bytes.to_string(), |(unit, power)| format!("{}{unit}", bytes >> power))
}

/// What is limited, in words: `1.5 CPUs, 2Gi of memory`. Empty if nothing is.
pub fn describe(limits: Limits) -> String {
    let cpus =
        limits.milli_cpus.map(|milli| format!("{} CPU{}", show_cpus(milli), if milli == 1000 { "" } else { "s" }));
    let memory = limits.memory_bytes.map(|bytes| format!("{} of memory", show_memory(bytes)));
    cpus.into_iter().chain(memory).collect::<Vec<_>>().join(", ")
}

/// What nodes ask for that a machine with so many CPUs and bytes of memory does not have, one sentence each. A machine
/// that does not tell (0) is believed to have everything.
pub fn beyond(spec: &ClusterSpec, cpus: u64, memory: u64) -> Vec<String> {
    let mut found = Vec::new();
    for node in &spec.nodes {
        let name = &node.name;
        let milli = node.limits.milli_cpus.filter(|milli| cpus > 0 && u64::from(*milli) > cpus * 1000);
        found.extend(milli.map(|milli| format!("`{name}` may use {} CPUs, Docker has {cpus}", show_cpus(milli))));
        let bytes = node.limits.memory_bytes.filter(|bytes| memory > 0 && *bytes > memory);
        found.extend(
            bytes.map(|bytes| {
                format!("`{name}` may use {} of memory, Docker has {}Mi", show_memory(bytes), memory >> 20)
            }),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cpus() {
        let cases =
            [("2", 2000), ("1.5", 1500), ("0.25", 250), ("500m", 500), ("1m", 1), ("1.500", 1500), ("02", 2000)];
        for (text, milli) in cases {
            assert_eq!(parse_cpus(text), Ok(milli), "{text}");
        }
        for wrong in ["", "0", "0m", "-1", "1.0005", "1.5m", "m", "2 ", ".5", "5.", "1e3", "all", "4294968"] {
            assert!(parse_cpus(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn memory() {
        for text in
            ["2g", "2G", "2gb", "2GB", "2Gi", "2GiB", "2 GiB", "2048Mi", "2097152k", "2147483648", "2147483648b"]
        {
            assert_eq!(parse_memory(text), Ok(2 << 30), "{text}");
        }
        assert_eq!((parse_memory("1.5Gi"), parse_memory("1t")), (Ok(3 << 29), Ok(1 << 40)));
        assert_eq!(parse_memory("1500.7k"), Ok(1500 << 10));
        for wrong in ["", "g", "0", "1000", "-2g", "2x", "2 g i", "1,5g", "infinite", "99999999t"] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_in_words() {
        let limits = Limits { milli_cpus: Some(1500), memory_bytes: Some(2 << 30) };
        assert_eq!(describe(limits), "1.5 CPUs, 2Gi of memory");
        assert_eq!(describe(Limits { milli_cpus: Some(1000), memory_bytes: None }), "1 CPU");
        assert_eq!(describe(Limits::default()), "");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(milli in 1..=u32::MAX, kib in 1..1_u64 << 40) {
            prop_assert_eq!(parse_cpus(&show_cpus(milli)), Ok(milli));
            prop_assert_eq!(parse_memory(&show_memory(kib << 10)), Ok(kib << 10));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in any::<String>()) {
            let _ = (parse_cpus(&text), parse_memory(&text));
        }
    }
}
