//! «Did you mean …?»

/// Names of other tools' files, and what they are called here.
const SYNONYMS: [(&str, &str); 10] = [
    ("extraPortMappings", "ports"),
    ("portMappings", "ports"),
    ("listenAddress", "hostAddress"),
    ("kubeProxyMode", "proxyMode"),
    ("mounts", "extraMounts"),
    ("volumes", "extraMounts"),
    ("certSANs", "extraSans"),
    ("master", "control-plane"),
    ("agent", "worker"),
    ("server", "control-plane"),
];

/// Longer texts are no mistyped names.
const MAX_GUESSED: usize = 64;

/// The option that was probably meant by `text`.
pub fn nearest<'a>(text: &str, options: &[&'a str]) -> Option<&'a str> {
    let synonym = SYNONYMS.iter().find(|(foreign, _)| foreign.eq_ignore_ascii_case(text)).map(|(_, ours)| *ours);
    if let Some(found) = options.iter().find(|option| Some(**option) == synonym) {
        return Some(found);
    }
    if text.len() > MAX_GUESSED {
        return None;
    }
    let wanted = text.to_ascii_lowercase();
    let distances = options.iter().map(|option| (distance(&wanted, &option.to_ascii_lowercase()), *option));
    let (distance, option) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1.max(option.len() / 3)).then_some(option)
}

/// ` (did you mean `x`?)`, or nothing.
pub fn did_you_mean(text: &str, options: &[&str]) -> String {
    nearest(text, options).map(|option| format!(" (did you mean `{option}`?)")).unwrap_or_default()
}

/// The options in a sentence: `a`, `b` or `c`.
pub fn one_of(options: &[&str]) -> String {
    let quoted: Vec<String> = options.iter().map(|option| format!("`{option}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Says that `text` is none of the `options` for `what`, with the likely one or else all of them.
pub fn unknown(text: &str, what: &str, options: &[&str]) -> String {
    match nearest(text, options) {
        Some(option) => format!("`{text}` is not {what} (did you mean `{option}`?)"),
        None => format!("`{text}` is not {what}; use {}", one_of(options)),
    }
}

/// How many letters must be inserted, left out, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_and_foreign_names_are_understood() {
        let roles = ["control-plane", "worker"];
        assert_eq!(nearest("controlplane", &roles), Some("control-plane"));
        assert_eq!(nearest("Worker", &roles), Some("worker"));
        assert_eq!(nearest("wokrer", &roles), Some("worker"));
        assert_eq!(nearest("master", &roles), Some("control-plane"));
        assert_eq!(nearest("etcd", &roles), None);
        assert_eq!(nearest("extraPortMappings", &["role", "ports"]), Some("ports"));
        assert_eq!(unknown("x", "a role", &roles), "`x` is not a role; use `control-plane` or `worker`");
    }
}
