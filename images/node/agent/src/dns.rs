//! As much of the DNS message format as a probe and a relay need. Every message is distrusted.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::Ipv4Addr;

use crate::fault::{Fault, Result};

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;

/// An unpredictable message id.
pub fn random_id() -> u16 {
    // RandomState is keyed by the system's random numbers; the cut to 16 bits is intended.
    (RandomState::new().build_hasher().finish() & 0xffff) as u16
}

/// A recursive question for the IPv4 addresses of `name`, which is taken as complete.
pub fn question(id: u16, name: &str) -> Result<Vec<u8>> {
    let bad = |why: &str| Fault::new(format!("{name:?} is not a host name: {why}"));
    let labels = name.strip_suffix('.').unwrap_or(name);
    let mut message = vec![0; HEADER];
    message[..2].copy_from_slice(&id.to_be_bytes());
    message[2] = 1; // recursion desired
    message[5] = 1; // one question
    for label in labels.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length));
        message.push(length.ok_or_else(|| bad("each part has 1 to 63 bytes"))?);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    if message.len() - HEADER > 255 {
        return Err(bad("it is longer than 255 bytes"));
    }
    message.extend_from_slice(&TYPE_A.to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    Ok(message)
}

/// The first IPv4 address in the answer to question `id`, else why there is none.
pub fn address(message: &[u8], id: u16) -> Result<Ipv4Addr> {
    let broken = || Fault::new("the name server's answer is malformed");
    let header = message.get(..HEADER).ok_or_else(broken)?;
    if u16::from_be_bytes([header[0], header[1]]) != id || header[2] & 0x80 == 0 {
        return Err(Fault::new("the name server answered another question"));
    }
    match header[3] & 0x0f {
        0 => {}
        2 => return Err(Fault::new("the name server failed (SERVFAIL)")),
        3 => return Err(Fault::new("the name does not exist (NXDOMAIN)")),
        5 => return Err(Fault::new("the name server refused (REFUSED)")),
        code => return Err(Fault::new(format!("the name server answered with code {code}"))),
    }
    let mut rest = Reader { message, at: HEADER };
    for _ in 0..u16::from_be_bytes([header[4], header[5]]) {
        rest.skip_name().and_then(|()| rest.take(4)).ok_or_else(broken)?;
    }
    for _ in 0..u16::from_be_bytes([header[6], header[7]]) {
        let (kind, class, data) = rest.record().ok_or_else(broken)?;
        if let (TYPE_A, CLASS_IN, [a, b, c, d]) = (kind, class, data) {
            return Ok(Ipv4Addr::new(*a, *b, *c, *d));
        }
    }
    Err(Fault::new("the name has no IPv4 address"))
}

/// The answer "server failure" to `query`, or nothing if it is not a query at all.
pub fn server_failure(query: &[u8]) -> Option<Vec<u8>> {
    let header = query.get(..HEADER)?;
    if header[2] & 0x80 != 0 {
        return None;
    }
    let mut answer = header.to_vec();
    answer[2] = 0x80 | (header[2] & 0x79); // an answer; same kind of question and wish for recursion
    answer[3] = 0x82; // recursion available, SERVFAIL
    answer[4..].fill(0);
    let mut rest = Reader { message: query, at: HEADER };
    // The question is repeated if it is whole, as resolvers expect it.
    if header[4..6] == [0, 1] && rest.skip_name().and_then(|()| rest.take(4)).is_some() {
        answer[5] = 1;
        answer.extend_from_slice(&query[HEADER..rest.at]);
    }
    Some(answer)
}

/// Walks through a message without ever leaving it.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.take(1)?[0] {
                0 => return Some(()),
                length @ 1..=63 => drop(self.take(length.into())?),
                // A pointer ends a name; where it points does not matter here.
                0xc0.. => return self.take(1).map(drop),
                _ => return None,
            }
        }
    }

    fn record(&mut self) -> Option<(u16, u16, &'a [u8])> {
        self.skip_name()?;
        let (kind, class) = (self.number()?, self.number()?);
        self.take(4)?; // time to live
        let length = self.number()?;
        Some((kind, class, self.take(length.into())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with an alias and then an address, as name servers send it.
    fn answer() -> Vec<u8> {
        let mut message = question(7, "a.example").expect("good");
        message[2] |= 0x80;
        message[7] = 2;
        message.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'b', 0xc0, 14]);
        message.extend([1, b'b', 0xc0, 14, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 96, 0, 1]);
        message
    }

    #[test]
    fn an_address_behind_an_alias_is_found() {
        assert_eq!(address(&answer(), 7), Ok(Ipv4Addr::new(10, 96, 0, 1)));
        assert!(address(&answer(), 8).is_err());
    }

    #[test]
    fn each_refusal_has_its_words() {
        for (code, word) in [(2, "SERVFAIL"), (3, "NXDOMAIN"), (5, "REFUSED"), (9, "code 9")] {
            let mut message = answer();
            message[3] = code;
            assert!(address(&message, 7).expect_err("refused").to_string().contains(word));
        }
    }

    #[test]
    fn malformed_messages_are_refused_without_panic() {
        let whole = answer();
        for length in 0..whole.len() {
            assert!(address(&whole[..length], 7).is_err(), "cut at {length}");
            let _ = server_failure(&whole[..length]);
        }
        // Every byte at every value that means something special.
        for at in 0..whole.len() {
            for value in [0, 1, 0x3f, 0x40, 0x80, 0xbf, 0xc0, 0xff] {
                let mut message = whole.clone();
                message[at] = value;
                let _ = address(&message, 7);
                message[2] &= 0x7f;
                let _ = server_failure(&message);
            }
        }
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(question(1, "a.b.").expect("good"), question(1, "a.b").expect("good"));
        for bad in ["", ".", "a..b", &"x".repeat(64), &["x".repeat(60).as_str(); 5].join(".")] {
            assert!(question(1, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_failure_repeats_the_question() {
        let query = question(9, "a.example").expect("good");
        let answer = server_failure(&query).expect("a query");
        assert!(address(&answer, 9).expect_err("a failure").to_string().contains("SERVFAIL"));
        assert_eq!(answer[HEADER..], query[HEADER..]);
        assert_eq!(server_failure(&answer), None);
    }
}
