//! What annotation values may be. Everything that reaches the configuration came through one of these.

use std::str::FromStr;

use ipnet::IpNet;

/// A value, or what is wrong with the text.
pub type Parsed<T> = Result<T, String>;

/// Variables that may stand in a redirect's target.
const VARIABLES: &[&str] = &[
    "request_uri",
    "uri",
    "args",
    "is_args",
    "host",
    "http_host",
    "scheme",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
];

/// `true` or `false`.
pub fn boolean(text: &str) -> Parsed<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("neither `true` nor `false`".into()),
    }
}

/// A whole number within bounds.
pub fn number(text: &str, least: u32, most: u32) -> Parsed<u32> {
    match text.trim().parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("not a whole number from {least} to {most}")),
    }
}

/// Seconds, with or without the unit `s`.
pub fn seconds(text: &str) -> Parsed<u32> {
    let text = text.trim();
    number(text.strip_suffix('s').unwrap_or(text), 1, 86_400)
}

/// A size as nginx writes it: `8m`, `512k`, `0`.
pub fn size(text: &str) -> Parsed<String> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.strip_suffix(['k', 'm', 'g', 'b']).unwrap_or(&text);
    match digits.parse::<u32>() {
        Ok(_) => Ok(text.strip_suffix('b').unwrap_or(&text).to_owned()),
        Err(_) => Err("not a size like `8m`, `512k` or `0`".into()),
    }
}

/// A list, separated by commas; empty parts do not count.
pub fn list<T>(text: &str, item: impl Fn(&str) -> Parsed<T>) -> Parsed<Vec<T>> {
    let items: Vec<T> = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| item(part).map_err(|why| format!("`{part}` is {why}")))
        .collect::<Parsed<_>>()?;
    if items.is_empty() { Err("empty".into()) } else { Ok(items) }
}

/// A network, or one address.
pub fn network(text: &str) -> Parsed<IpNet> {
    IpNet::from_str(text)
        .or_else(|_| std::net::IpAddr::from_str(text).map(IpNet::from))
        .map_err(|_| "no address and no network".to_owned())
}

/// Text for people: printable, without variables.
pub fn words(text: &str) -> Parsed<String> {
    if text.is_empty() || text.chars().any(char::is_control) || text.contains('$') {
        return Err("empty, or has control characters or a `$`".into());
    }
    Ok(text.to_owned())
}

/// A name of a header, a cookie or a method.
pub fn token(text: &str) -> Parsed<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if text.is_empty() || text.len() > 128 || !text.chars().all(fine) {
        return Err("not a name of letters, digits, `-` and `_`".into());
    }
    Ok(text.to_owned())
}

/// A header's name, or `*`.
pub fn token_or_all(text: &str) -> Parsed<String> {
    if text == "*" { Ok(text.to_owned()) } else { token(text) }
}

/// A host name, exact or `*.` and a name.
pub fn host(text: &str) -> Parsed<String> {
    let text = text.trim().to_ascii_lowercase();
    let name = text.strip_prefix("*.").unwrap_or(&text);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err("not a host name".into());
    }
    Ok(text)
}

/// A host name, with or without a port: what a Host header says.
pub fn authority(text: &str) -> Parsed<String> {
    let (name, port) = text.rsplit_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| port.parse::<u16>().is_err()) || name.contains('*') {
        return Err("not a host name".into());
    }
    host(name).map(|name| port.map_or(name.clone(), |port| format!("{name}:{port}")))
}

/// The path of a request, without variables.
pub fn path(text: &str) -> Parsed<String> {
    if !text.starts_with('/') || text.chars().any(|c| c.is_control() || c == ' ' || c == '$') {
        return Err("not a path: it must start with `/` and have no spaces and no `$`".into());
    }
    Ok(text.to_owned())
}

/// What a path is rewritten to: a path with `$1` to `$9`.
pub fn rewrite(text: &str) -> Parsed<String> {
    let groups = |name: &str| name.len() == 1 && name != "0" && name.chars().all(|c| c.is_ascii_digit());
    if !text.starts_with('/') && !text.starts_with('$') || text.chars().any(|c| c.is_control() || c == ' ') {
        return Err("not a path: it must start with `/` and have no spaces".into());
    }
    if !variables(text).all(|name| groups(name.get(..1).unwrap_or_default())) {
        return Err("only `$1` to `$9` may stand in it".into());
    }
    Ok(text.to_owned())
}

/// Where a redirect leads: an address or a path, with a few variables of the request.
pub fn target(text: &str) -> Parsed<String> {
    let text = text.trim();
    let starts = ["http://", "https://", "$scheme://", "/"].iter().any(|start| text.starts_with(start));
    if !starts || text.chars().any(|c| c.is_control() || c == ' ') {
        return Err("neither an `http://` or `https://` address nor a path".into());
    }
    if let Some(name) = variables(text).find(|name| !VARIABLES.contains(name)) {
        return Err(format!("the variable `${name}` may not stand in it"));
    }
    Ok(text.to_owned())
}

/// The names of the variables in a text, as nginx reads them.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        // A group is one digit, whatever follows.
        if rest.starts_with(|c: char| c.is_ascii_digit()) { &rest[..1] } else { &rest[..end] }
    })
}

/// An origin as browsers send it, with `*` for the first label, or `*` for all.
pub fn origin(text: &str) -> Parsed<String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let (scheme, rest) = text.split_once("://").ok_or("no origin like `https://example.com`")?;
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
        return Err("no origin like `https://example.com`".into());
    }
    let (name, port) = rest.rsplit_once(':').map_or((rest, None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err("no origin like `https://example.com`".into());
    }
    host(name)?;
    Ok(text.to_ascii_lowercase())
}

/// A regular expression. Whether it is one, nginx says; here it must only be one line.
pub fn expression(text: &str) -> Parsed<String> {
    if text.is_empty() || text.len() > 1024 || text.chars().any(char::is_control) {
        return Err("empty, too long, or has control characters".into());
    }
    Ok(text.to_owned())
}

/// `name`, or `namespace/name`.
pub fn reference(text: &str) -> Parsed<(Option<String>, String)> {
    let name = |text: &str| host(text).ok().filter(|_| !text.contains('*')).map(|_| text.to_owned());
    let found = match text.trim().split_once('/') {
        Some((namespace, rest)) => name(namespace).zip(name(rest)).map(|(namespace, rest)| (Some(namespace), rest)),
        None => name(text.trim()).map(|name| (None, name)),
    };
    found.ok_or_else(|| "not the name of an object".into())
}

/// Configuration text that may not leave the block it is put into.
pub fn snippet(text: &str) -> Parsed<String> {
    let mut depth = 0_i32;
    let mut quote = None;
    let mut characters = text.chars();
    let mut last = ';';
    while let Some(character) = characters.next() {
        match (quote, character) {
            (_, '\\') => {
                characters.next();
            }
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => continue,
            (None, '"' | '\'') => quote = Some(character),
            (None, '#') if last.is_whitespace() || ";{}".contains(last) => {
                while characters.next().is_some_and(|c| c != '\n') {}
                continue;
            }
            (None, '{') => depth += 1,
            (None, '}') => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return Err("a `}` without its `{`".into());
        }
        last = character;
    }
    if depth != 0 || quote.is_some() || text.contains('\0') {
        return Err("a `{` or a quote is not closed".into());
    }
    match text.trim_end().chars().last() {
        None | Some(';' | '}') => Ok(text.to_owned()),
        Some(_) => Err("the last directive has no `;`".into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn targets_know_only_variables_of_the_request() {
        assert!(target("https://new.example$request_uri").is_ok());
        assert!(target("https://new.example/$1/x").is_ok());
        for bad in
            ["ftp://x", "https://x/${host}", "https://x/$document_root", "https://x/ y", "javascript:alert(1)", ""]
        {
            assert!(target(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rewrites_know_only_groups() {
        for good in ["/", "/$1", "/x/$2$1", "/$1abc", "$1"] {
            assert!(rewrite(good).is_ok(), "{good}");
        }
        for bad in ["/$host", "/${1}", "/$0", "/$", "x", "/a b", "https://x/"] {
            assert!(rewrite(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn snippets_stay_in_their_block() {
        for good in ["", "add_header X-A \"}\";", "if ($a) { return 403; }", "# a } in a comment\nreturn 204;"] {
            assert!(snippet(good).is_ok(), "{good}");
        }
        for bad in ["} location / {", "return 204", "add_header X \"a;", "if ($a) {", "a \\\" } b \\\" {;"] {
            assert!(snippet(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_sizes_networks_and_origins() {
        assert!(host("*.example.com").is_ok() && host("a_b.example").is_ok() && host("localhost").is_ok());
        assert!(host("a.*.b").is_err() && host("a b").is_err() && host("a;b").is_err() && host("").is_err());
        assert_eq!(size("8M").as_deref(), Ok("8m"));
        assert!(size("8 m").is_err() && size("m").is_err() && size("-1").is_err());
        assert_eq!(network("10.0.0.1").map(|n| n.to_string()).as_deref(), Ok("10.0.0.1/32"));
        assert!(network("10.0.0.1/33").is_err());
        assert!(origin("https://*.example.com:8443").is_ok() && origin("null").is_err());
        assert_eq!(reference("a/b"), Ok((Some("a".into()), "b".into())));
        assert!(reference("../b").is_err());
    }

    proptest! {
        #[test]
        fn what_is_let_through_has_no_variable_and_no_control(text in ".*") {
            let all = [words(&text), path(&text), host(&text), token(&text), size(&text), authority(&text)];
            for value in all.into_iter().flatten() {
                prop_assert!(!value.contains('$') && !value.chars().any(char::is_control), "{}", value);
            }
        }
    }
}
