//! The two kinds of Ethernet frames that speakers send: ARP, and a heartbeat of our own.
//!
//! Heartbeats are frames and not packets so that nothing but a node (and no Pod, which is routed) can send one.

use std::net::Ipv4Addr;

/// A hardware address.
pub type Mac = [u8; 6];

/// To everybody on the cluster's network.
pub const BROADCAST: Mac = [0xff; 6];
/// The type of ARP frames.
pub const ARP: u16 = 0x0806;
/// The type of heartbeats: the first one that the standard leaves to local experiments.
pub const HEARTBEAT: u16 = 0x88b5;

const HEADER: usize = 14;
/// Ethernet, IPv4, and how long addresses of each are.
const ARP_PREFIX: [u8; 6] = [0, 1, 8, 0, 6, 4];
const MAGIC: &[u8; 8] = b"knarr-lb";

/// A frame that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody asks who has an address, or says so.
    Arp(Arp),
    /// A speaker lives.
    Heartbeat(Heartbeat),
}

/// What ARP says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Whether it is a question.
    pub request: bool,
    /// Who speaks.
    pub sender: (Mac, Ipv4Addr),
    /// Of whom.
    pub target: (Mac, Ipv4Addr),
}

/// What a speaker says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Its Node's name.
    pub node: String,
    /// Whether it answers for addresses; not while it starts and when it stops.
    pub serving: bool,
}

impl Arp {
    /// «I have this address», to everybody.
    pub fn announcement(own: Mac, address: Ipv4Addr) -> Vec<u8> {
        Self { request: true, sender: (own, address), target: ([0; 6], address) }.frame(BROADCAST)
    }

    /// «I have the address that you ask for».
    pub fn answer(self, own: Mac) -> Vec<u8> {
        Self { request: false, sender: (own, self.target.1), target: self.sender }.frame(self.sender.0)
    }

    fn frame(self, to: Mac) -> Vec<u8> {
        let mut bytes = header(to, self.sender.0, ARP);
        bytes.extend(ARP_PREFIX);
        bytes.extend([0, if self.request { 1 } else { 2 }]);
        for (mac, address) in [self.sender, self.target] {
            bytes.extend(mac);
            bytes.extend(address.octets());
        }
        bytes
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let rest = body.strip_prefix(&ARP_PREFIX)?;
        let (operation, rest) = rest.split_first_chunk::<2>()?;
        let request = match operation {
            [0, 1] => true,
            [0, 2] => false,
            _ => return None,
        };
        let (sender, rest) = party(rest)?;
        let (target, _padding) = party(rest)?;
        Some(Self { request, sender, target })
    }
}

fn party(bytes: &[u8]) -> Option<((Mac, Ipv4Addr), &[u8])> {
    let (mac, rest) = bytes.split_first_chunk::<6>()?;
    let (address, rest) = rest.split_first_chunk::<4>()?;
    Some(((*mac, Ipv4Addr::from(*address)), rest))
}

impl Heartbeat {
    /// The frame, to everybody.
    pub fn frame(&self, own: Mac) -> Vec<u8> {
        let mut bytes = header(BROADCAST, own, HEARTBEAT);
        bytes.extend(MAGIC);
        // Names of Nodes are at most 253 bytes long.
        let name = &self.node.as_bytes()[..self.node.len().min(253)];
        bytes.extend([u8::from(self.serving), u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        bytes.extend(name);
        bytes
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let ([serving, length], rest) = body.strip_prefix(MAGIC)?.split_first_chunk::<2>()?;
        let name = rest.get(..usize::from(*length))?;
        Some(Self { node: String::from_utf8(name.to_vec()).ok()?, serving: *serving == 1 })
    }
}

/// Understands a frame; those of others than `own` only.
pub fn parse(own: Mac, frame: &[u8]) -> Option<Heard> {
    let body = frame.get(HEADER..)?;
    if frame[6..12] == own {
        return None;
    }
    match u16::from_be_bytes([frame[12], frame[13]]) {
        ARP => Arp::parse(body).map(Heard::Arp),
        HEARTBEAT => Heartbeat::parse(body).map(Heard::Heartbeat),
        _ => None,
    }
}

fn header(to: Mac, from: Mac, kind: u16) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: Mac = [2, 0, 0, 0, 0, 1];
    const OTHER: Mac = [2, 0, 0, 0, 0, 2];

    #[test]
    fn a_question_is_answered_to_the_one_who_asked() {
        let (asker, wanted) = (Ipv4Addr::new(10, 89, 0, 1), Ipv4Addr::new(10, 89, 0, 200));
        let question = Arp { request: true, sender: (OTHER, asker), target: ([0; 6], wanted) };
        let Some(Heard::Arp(heard)) = parse(OWN, &question.frame(BROADCAST)) else { panic!("not understood") };
        assert_eq!(heard, question);
        let answer = heard.answer(OWN);
        assert_eq!(&answer[..14], [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6]);
        let expected = Arp { request: false, sender: (OWN, wanted), target: (OTHER, asker) };
        assert_eq!(parse(OTHER, &answer), Some(Heard::Arp(expected)));
    }

    #[test]
    fn an_announcement_speaks_of_itself() {
        let address = Ipv4Addr::new(10, 89, 0, 200);
        let frame = Arp::announcement(OWN, address);
        assert_eq!(frame[..6], BROADCAST);
        let Some(Heard::Arp(arp)) = parse(OTHER, &frame) else { panic!("not understood") };
        assert_eq!((arp.request, arp.sender, arp.target.1), (true, (OWN, address), address));
        assert_eq!(parse(OWN, &frame), None, "one's own echo");
    }

    #[test]
    fn heartbeats_survive_padding() {
        for serving in [true, false] {
            let heartbeat = Heartbeat { node: "dev-worker".into(), serving };
            let mut frame = heartbeat.frame(OTHER);
            frame.resize(60, 0);
            assert_eq!(parse(OWN, &frame), Some(Heard::Heartbeat(heartbeat)));
        }
    }

    proptest! {
        #[test]
        fn no_frame_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 0..3u8) {
            let mut bytes = bytes;
            if let (Some(place), Some(known)) = (bytes.get_mut(12..14), [ARP, HEARTBEAT].get(usize::from(kind))) {
                place.copy_from_slice(&known.to_be_bytes());
            }
            let _ = parse(OWN, &bytes);
        }
    }
}
