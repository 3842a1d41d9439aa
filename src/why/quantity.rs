//! Kubernetes' quantities, read and written.

/// The number that a quantity (`250m`, `64Mi`, `2`, `1e3`) means; `None` when it is none.
pub fn parse(text: &str) -> Option<f64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic() && c != 'e').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "Pi" => 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|n| n * factor)
}

/// An amount of a resource as people write it: CPU in cores or thousandths, everything else in binary units.
pub fn show(resource: &str, amount: f64) -> String {
    if resource == "cpu" {
        return if amount < 1.0 { format!("{:.0}m", amount * 1e3) } else { plain(amount) };
    }
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let unit = units.into_iter().map(|(unit, bits)| (unit, f64::from(bits).exp2())).find(|(_, size)| amount >= *size);
    match unit {
        Some((unit, size)) => format!("{}{unit}", plain(amount / size)),
        None => plain(amount),
    }
}

fn plain(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        assert_eq!(parse("250m"), Some(0.25));
        assert_eq!(parse("64Mi"), Some(67_108_864.0));
        assert_eq!((parse("1e3"), parse("5X"), parse("")), (Some(1000.0), None, None));
        assert_eq!((show("cpu", 0.25), show("cpu", 2.0), show("cpu", 1.5)), ("250m".into(), "2".into(), "1.5".into()));
        assert_eq!((show("memory", 67_108_864.0), show("pods", 110.0)), ("64Mi".into(), "110".into()));
    }
}
