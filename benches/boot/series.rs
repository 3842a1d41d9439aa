//! Figures of many runs by name, in the order in which the names came up: smallest, middle, largest.

use std::fmt;

use serde_json::{Map, Value, json};

/// Rows of figures.
#[derive(Default)]
pub struct Table {
    rows: Vec<(String, Vec<f64>)>,
}

impl Table {
    /// Adds a figure to the row of this name.
    pub fn add(&mut self, name: &str, figure: f64) {
        match self.rows.iter_mut().find(|(known, _)| known == name) {
            Some((_, figures)) => figures.push(figure),
            None => self.rows.push((name.to_owned(), vec![figure])),
        }
    }

    /// The names of all rows.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(name, _)| name.as_str())
    }

    /// Smallest, middle and largest figure of a row, if there is one of this name.
    pub fn summary(&self, name: &str) -> Option<[f64; 3]> {
        self.rows.iter().find(|(known, _)| known == name).map(|(_, figures)| summary(figures))
    }

    /// Every row with its smallest, middle and largest figure, and all of them.
    pub fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|(name, figures)| {
            let [min, median, max] = summary(figures);
            (name.clone(), json!({"min": min, "median": median, "max": max, "all": figures}))
        });
        Value::Object(rows.collect::<Map<_, _>>())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        writeln!(f, "{:width$}  {:>7}  {:>7}  {:>7}", "", "min", "median", "max")?;
        for (name, figures) in &self.rows {
            let [min, median, max] = summary(figures);
            writeln!(f, "{name:width$}  {min:7.2}  {median:7.2}  {max:7.2}")?;
        }
        Ok(())
    }
}

/// Smallest, middle and largest; of an even number of figures the middle is between two.
fn summary(figures: &[f64]) -> [f64; 3] {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else { return [f64::NAN; 3] };
    let half = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) };
    [*min, median, *max]
}
