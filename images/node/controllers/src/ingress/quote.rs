//! Texts as nginx reads them: one quoted word, and expressions that match exactly one text.

/// The text as one double-quoted word of an nginx configuration, whatever is in it.
///
/// Inside quotes nginx knows the escapes `\"`, `\\`, `\t`, `\r` and `\n`. A `$` still starts a variable in directives
/// that know variables: what goes there must come from [`super::annotations::values`], which lets none through.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // nginx ends its texts at a zero byte; nothing valid contains one.
            '\0' => {}
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A regular expression that matches exactly this text.
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() && character != '/' && character != '_' {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads one configuration text as nginx does: words, and the marks `;`, `{` and `}`.
    pub fn words(text: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(&first) = rest.peek() {
            match first {
                c if c.is_ascii_whitespace() => {
                    rest.next();
                }
                '#' => while rest.next().is_some_and(|c| c != '\n') {},
                ';' | '{' | '}' => found.push(rest.next().map(String::from).unwrap_or_default()),
                '"' | '\'' => {
                    rest.next();
                    found.push(quoted(&mut rest, first)?);
                    if rest.peek().is_some_and(|c| !c.is_ascii_whitespace() && !";){".contains(*c)) {
                        return Err(format!("something follows a quoted word: {:?}", rest.peek()));
                    }
                }
                _ => {
                    let mut word = String::new();
                    while let Some(c) = rest.next_if(|c| !c.is_ascii_whitespace() && !";{".contains(*c)) {
                        word.push(c);
                    }
                    found.push(word);
                }
            }
        }
        Ok(found)
    }

    fn quoted(rest: &mut impl Iterator<Item = char>, mark: char) -> Result<String, String> {
        let mut word = String::new();
        loop {
            match rest.next().ok_or("a quote is not closed")? {
                '\\' => match rest.next().ok_or("a quote is not closed")? {
                    c @ ('"' | '\'' | '\\') => word.push(c),
                    'n' => word.push('\n'),
                    'r' => word.push('\r'),
                    't' => word.push('\t'),
                    other => word.extend(['\\', other]),
                },
                c if c == mark => return Ok(word),
                c => word.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_quotes(text in "[^\0]*") {
            let config = format!("a {} b;", quote(&text));
            prop_assert_eq!(words(&config).unwrap(), ["a", text.as_str(), "b", ";"]);
        }
    }

    #[test]
    fn literal_escapes_what_means_something() {
        assert_eq!(literal("/a.b/(c)-d_e"), r"/a\.b/\(c\)\-d_e");
    }
}
