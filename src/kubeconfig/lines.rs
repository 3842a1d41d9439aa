//! Changes the text of a kubeconfig line by line, so that what is not ours stays as its owner typed it.
//!
//! This is not a YAML parser: it knows the layout in which people and tools write kubeconfigs, and gives up on any
//! other. It may also be wrong (a block scalar can look like anything); `edit` parses every result and discards one
//! that does not mean what it should.

use std::ops::Range;

use crate::yaml;

/// A text cut at its line ends.
pub(super) struct Lines {
    end_of_line: &'static str,
    lines: Vec<String>,
}

/// A top-level key: its line, and the lines that belong to it.
struct Section {
    header: usize,
    body: Range<usize>,
}

impl Lines {
    /// Cuts a text; joining the lines again gives it back byte for byte.
    pub(super) fn of(text: &str) -> Self {
        let breaks = text.matches('\n').count();
        let end_of_line = if breaks > 0 && text.matches("\r\n").count() == breaks { "\r\n" } else { "\n" };
        Self { end_of_line, lines: text.split(end_of_line).map(str::to_owned).collect() }
    }

    /// The whole text.
    pub(super) fn join(&self) -> String {
        self.lines.join(self.end_of_line)
    }

    /// Puts an item into the list under `key`: in the place of item `at`, or at the end. `count` is how many items the
    /// list is known to have.
    pub(super) fn put(&mut self, key: &str, count: usize, at: Option<usize>, item: &yaml::Value) -> Option<()> {
        let rendered = yaml::render(&[item]);
        let Some(section) = self.section(key) else {
            self.append(std::iter::once(format!("{key}:")).chain(indented(&rendered, 0)));
            return Some(());
        };
        let items = self.items(&section)?;
        if items.len() != count {
            return None;
        }
        let (place, indent) = if let Some(at) = at {
            let item = items.get(at)?.clone();
            (item.clone(), indent_of(&self.lines[item.start]))
        } else if let Some(last) = items.last() {
            (last.end..last.end, indent_of(&self.lines[last.start]))
        } else {
            let comment = self.empty_list_comment(&section, key)?.to_owned();
            self.lines[section.header] = format!("{key}:{comment}");
            let end = self.trimmed(section.header..section.body.end, 0);
            (end..end, 0)
        };
        self.lines.splice(place, indented(&rendered, indent));
        Some(())
    }

    /// Takes item `at` out of the list under `key`; an empty list becomes `[]`.
    pub(super) fn drop_item(&mut self, key: &str, count: usize, at: usize) -> Option<()> {
        let section = self.section(key)?;
        let items = self.items(&section)?;
        if items.len() != count {
            return None;
        }
        if count == 1 {
            let comment = self.lines[section.header].strip_prefix(key)?.strip_prefix(':')?;
            self.lines[section.header] = format!("{key}: []{comment}");
        }
        self.lines.drain(items.get(at)?.clone());
        Some(())
    }

    /// Gives the top-level `key` a text as its value, in the quotes that the old value has.
    pub(super) fn set(&mut self, key: &str, text: &str) -> Option<()> {
        let plain = yaml::render(&text);
        let plain = plain.trim_end();
        let Some(section) = self.section(key) else {
            self.append(std::iter::once(format!("{key}: {plain}")));
            return Some(());
        };
        let line = &self.lines[section.header];
        let rest = line.strip_prefix(key)?.strip_prefix(':')?;
        let (space, old, comment) = scalar(rest)?;
        let new = match old.chars().next() {
            Some('"') => serde_json::to_string(text).ok()?,
            Some('\'') => format!("'{}'", text.replace('\'', "''")),
            _ => plain.to_owned(),
        };
        self.lines[section.header] = format!("{key}:{space}{new}{comment}");
        Some(())
    }

    /// Adds lines after everything but trailing empty lines.
    fn append(&mut self, lines: impl Iterator<Item = String>) {
        let end = self.lines.iter().rposition(|l| !l.trim().is_empty()).map_or(0, |last| last + 1);
        self.lines.splice(end..end, lines);
    }

    fn section(&self, key: &str) -> Option<Section> {
        let is_header = |line: &String| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
        let header = self.lines.iter().position(is_header)?;
        let after = header + 1;
        let length = self.lines[after..].iter().position(|l| is_top_level(l)).unwrap_or(self.lines.len() - after);
        Some(Section { header, body: after..after + length })
    }

    /// The lines of each item of a section's list, without what stands between items.
    fn items(&self, section: &Section) -> Option<Vec<Range<usize>>> {
        let Some(first) = section.body.clone().find(|&i| !is_filler(&self.lines[i])) else { return Some(Vec::new()) };
        // Anything but a comment after the colon (`[…]`, an anchor, a tag) is a layout that we do not know.
        let header = self.lines[section.header].split_once(':')?.1.trim_start();
        if !header.is_empty() && !header.starts_with('#') {
            return None;
        }
        let indent = indent_of(&self.lines[first]);
        let mut starts = Vec::new();
        for i in first..section.body.end {
            let line = &self.lines[i];
            if is_filler(line) || indent_of(line) > indent {
                continue;
            }
            let dash = line[indent_of(line)..].strip_prefix('-')?;
            if indent_of(line) < indent || !(dash.is_empty() || dash.starts_with(' ')) {
                return None;
            }
            starts.push(i);
        }
        let ends = starts.iter().skip(1).copied().chain([section.body.end]);
        Some(starts.iter().copied().zip(ends).map(|(start, end)| start..self.trimmed(start..end, indent)).collect())
    }

    /// The end of a range of lines without trailing empty lines and comments that are indented by `indent` at most.
    fn trimmed(&self, range: Range<usize>, indent: usize) -> usize {
        let belongs = |line: &String| !is_filler(line) || (!line.trim().is_empty() && indent_of(line) > indent);
        self.lines[range.clone()].iter().rposition(belongs).map_or(range.start, |last| range.start + last + 1)
    }

    /// What follows the value of a key whose list is empty: nothing, or a comment with the space before it.
    fn empty_list_comment(&self, section: &Section, key: &str) -> Option<&str> {
        let rest = self.lines[section.header].strip_prefix(key)?.strip_prefix(':')?;
        let value = rest.trim_start();
        let after = ["[]", "null", "~"].iter().find_map(|empty| value.strip_prefix(empty));
        let comment = after.unwrap_or(rest);
        is_comment(comment).then_some(comment)
    }
}

/// Splits what follows a key's colon into space, scalar and comment.
fn scalar(rest: &str) -> Option<(&str, &str, &str)> {
    if is_comment(rest) {
        return Some((" ", "", rest));
    }
    let (space, value) = rest.split_at(rest.len() - rest.trim_start().len());
    let end = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].find(quote)? + 2,
        _ => value[..value.find(" #").unwrap_or(value.len())].trim_end().len(),
    };
    let (scalar, comment) = value.split_at(end);
    // An escape could hide the closing quote.
    (is_comment(comment) && !scalar.contains('\\')).then_some((space, scalar, comment))
}

/// Whether the rest of a line says nothing.
fn is_comment(rest: &str) -> bool {
    rest.trim().is_empty() || (rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#'))
}

/// Whether a line is empty or a comment.
fn is_filler(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

/// Whether a line begins the next top-level key, or ends the document.
fn is_top_level(line: &str) -> bool {
    !is_filler(line) && !line.starts_with([' ', '\t']) && line != "-" && !line.starts_with("- ")
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn indented(rendered: &str, indent: usize) -> impl Iterator<Item = String> {
    rendered.lines().map(move |line| format!("{:indent$}{line}", ""))
}
