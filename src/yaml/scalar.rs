//! Which plain scalars some YAML reader takes for something else than text.

/// Whether `text`, written without quotes, would be read by a YAML 1.1 or 1.2 reader (PyYAML, Ruby, Go's yaml.v2 and
/// yaml.v3, serde_yaml) as a boolean, null, a number, a date or a special key instead of text.
pub fn is_ambiguous(text: &str) -> bool {
    is_word(text) || is_date(text) || is_number(text)
}

/// What YAML 1.1 takes `text` for if it is octal digits after a zero: `0444` is 292.
pub(super) fn octal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text).strip_prefix('0')?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| i64::from_str_radix(text, 8).ok())
        .flatten()
}

fn is_word(text: &str) -> bool {
    const WORDS: [&str; 14] = ["", "~", "null", "y", "n", "yes", "no", "on", "off", "true", "false", "=", "<<", ".nan"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// `2001-01-31`, alone or before a time.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let day = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest[day..].chars().next();
    digits(year, 4, 4)
        && digits(month, 1, 2)
        && (1..=2).contains(&day)
        && matches!(after, None | Some('T' | 't' | ' ' | '\t'))
}

fn digits(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    // Go parses `+inf` and `-infinity` too, once a sign has made it look for a number.
    if matches!(lower.as_str(), ".inf" | ".infinity" | "inf" | "infinity" | "nan") {
        return lower.starts_with('.') || unsigned.len() < text.len();
    }
    let radix = |prefix: &str, digit: fn(&u8) -> bool| {
        lower.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| digit(&b)))
    };
    radix("0x", |b| b.is_ascii_hexdigit() || b"_.p+-".contains(b))
        || radix("0o", |b| b.is_ascii_digit() || *b == b'_')
        || radix("0b", |b| matches!(b, b'0' | b'1' | b'_'))
        || is_decimal(&lower)
        || is_sexagesimal(&lower)
}

/// `1`, `1_000`, `007`, `1.`, `.5`, `1e5`, `1.5e-3`.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once('e').map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let grouped = |t: &str| t.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let some_digit = mantissa.bytes().any(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && grouped(e)
    });
    some_digit && grouped(whole) && grouped(fraction) && exponent_fits
}

/// `12:30:45` and `1:30.5`: numbers to the base of 60.
fn is_sexagesimal(text: &str) -> bool {
    let (places, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut places = places.split(':');
    let first = places.next().unwrap_or_default();
    let mut rest = places.peekable();
    rest.peek().is_some()
        && first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit() || b == b'_')
        && rest.all(|place| digits(place, 1, 2))
}
