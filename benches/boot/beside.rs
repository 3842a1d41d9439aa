//! Clusters with and without the addons, side by side: what they take, and what they cost.

use std::fmt::Write as _;

use crate::idle::Idle;
use crate::series::Table;

/// The times that both kinds of clusters have, middle figures with the smallest and the largest.
pub fn times(with: &Table, without: &Table) -> String {
    let width = with.names().map(str::len).max().unwrap_or(0);
    let mut out = format!("{:width$}  {:>22}  {:>22}  {:>6}\n", "seconds", "with addons", "without", "more");
    for name in with.names() {
        let (Some(a), Some(b)) = (with.summary(name), without.summary(name)) else { continue };
        let [a_text, b_text] = [a, b].map(|[min, median, max]| format!("{median:.2} ({min:.2}–{max:.2})"));
        let _ = writeln!(out, "{name:width$}  {a_text:>22}  {b_text:>22}  {:6.2}", a[1] - b[1]);
    }
    out
}

/// What one idle node of either kind costs, process by process.
pub fn idle(with: &Idle, without: &Idle) -> String {
    let mut out =
        format!("{:28}  {:>11}  {:>8}  {:>6}\n", "resident MiB, one idle node", "with addons", "without", "more");
    let mut row = |name: &str, a: u64, b: u64| {
        let more = (i128::from(a) - i128::from(b)) / 1024;
        let _ = writeln!(out, "{name:28}  {:11}  {:8}  {more:6}", a / 1024, b / 1024);
    };
    let only_without = without.names().into_iter().filter(|name| with.of(name) == (0, 0));
    for name in with.names().into_iter().chain(only_without) {
        row(name, with.of(name).0, without.of(name).0);
    }
    let (a, b) = (with.sums(), without.sums());
    row("sum", a.0, b.0);
    row("sum of anonymous memory", a.1, b.1);
    let (a, b) = (100.0 * with.cores(), 100.0 * without.cores());
    let _ = writeln!(out, "{:28}  {a:11.1}  {b:8.1}  {:6.1}", "processor, % of one core", a - b);
    out
}
