//! Ports of this container that are passed on: rewritten by the kernel on the way in and masqueraded on the way out, so
//! that answers come back this way, whoever has asked (also Docker's own proxy, which connects from the gateway).

use std::fmt::Write as _;

use knarr_contract::{Forward, Transport};

use crate::fault::{Context, Result};
use crate::reap;
use crate::status::Board;
use crate::sysctl;

/// Passes on what `forwards` asks for and nothing else that `before` asked for.
pub fn apply(forwards: &[Forward], before: &[Forward], board: &Board) -> Result<()> {
    // Without forwards there may be no right to touch anything, and no need to.
    if forwards.is_empty() && before.is_empty() {
        return Ok(());
    }
    if !forwards.is_empty() && !sysctl::forwards_packets() {
        board.adapted(
            "net.ipv4.ip_forward is not 1: the forwarded ports lead nowhere; the container must be created with \
             `--sysctl net.ipv4.ip_forward=1`",
        );
    }
    reap::run("nft", &["-f", "-"], &rules(forwards)).context(|| "setting up the forwarded ports")?;
    for port in changed_flows(forwards, before) {
        if let Err(fault) = forget_flows(port) {
            board.adapted(format!(
                "earlier clients of the UDP port {port} are passed on as before until they pause ({fault})"
            ));
        }
    }
    Ok(())
}

/// The input of `nft -f`: one transaction, whether or not the table is there already. Numbers and addresses are all that
/// goes into it, so nothing in it needs quoting.
fn rules(forwards: &[Forward]) -> String {
    let mut text = "table ip knarr_forwards\ndelete table ip knarr_forwards\n".to_owned();
    if forwards.is_empty() {
        return text;
    }
    text += "table ip knarr_forwards {\n\tchain prerouting {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n";
    for Forward { port, protocol, to } in forwards {
        let _ = writeln!(text, "\t\tfib daddr type local {protocol} dport {port} dnat to {to}");
    }
    text += "\t}\n\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n";
    for Forward { port, protocol, to } in forwards {
        // Nothing but what came in above: a node also has connections that kube-proxy rewrites.
        let (address, target) = (to.ip(), to.port());
        let _ = writeln!(
            text,
            "\t\tip daddr {address} {protocol} dport {target} ct status dnat ct original proto-dst {port} masquerade"
        );
    }
    text + "\t}\n}\n"
}

/// The UDP ports whose flows may still follow other rules. The rules are asked only for the first datagram of a flow, and
/// a client that goes on sending keeps its flow alive: such a flow may lead to an old address, or to this container
/// itself if it began before there were rules. TCP and SCTP have connections, which end by themselves.
fn changed_flows(forwards: &[Forward], before: &[Forward]) -> Vec<u16> {
    let only_in = |ours: &[Forward], others: &[Forward]| -> Vec<u16> {
        let udp = ours.iter().filter(|forward| forward.protocol == Transport::Udp);
        udp.filter(|forward| !others.contains(forward)).map(|forward| forward.port).collect()
    };
    let mut ports = only_in(forwards, before);
    ports.extend(only_in(before, forwards));
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn forget_flows(port: u16) -> Result<()> {
    match reap::run("conntrack", &["-D", "-p", "udp", "--orig-port-dst", &port.to_string()], "") {
        // It fails when there were none.
        Err(fault) if fault.to_string().contains("0 flow entries have been deleted") => Ok(()),
        outcome => outcome.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;

    fn forward(port: u16, protocol: Transport, host: u8) -> Forward {
        Forward { port, protocol, to: SocketAddrV4::new(Ipv4Addr::new(10, 89, 0, host), 80) }
    }

    #[test]
    fn every_forward_goes_in_and_comes_back() {
        let text = rules(&[forward(30080, Transport::Tcp, 2), forward(30080, Transport::Sctp, 3)]);
        for line in [
            "fib daddr type local tcp dport 30080 dnat to 10.89.0.2:80",
            "fib daddr type local sctp dport 30080 dnat to 10.89.0.3:80",
            "ip daddr 10.89.0.2 tcp dport 80 ct status dnat ct original proto-dst 30080 masquerade",
            "ip daddr 10.89.0.3 sctp dport 80 ct status dnat ct original proto-dst 30080 masquerade",
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{line}: {text}");
        }
        assert!(text.starts_with("table ip knarr_forwards\ndelete table ip knarr_forwards\n"), "{text}");
    }

    #[test]
    fn no_forwards_leave_no_table() {
        assert_eq!(rules(&[]), "table ip knarr_forwards\ndelete table ip knarr_forwards\n");
        // Without any, before and after, not even a program is run, whatever the rights of this process.
        let board = Board::new("n");
        assert_eq!(apply(&[], &[], &board), Ok(()));
        assert_eq!(board.now().1, 0);
    }

    #[test]
    fn only_changed_udp_flows_are_forgotten() {
        let (tcp, udp) = (Transport::Tcp, Transport::Udp);
        let before = [forward(1, udp, 2), forward(2, udp, 2), forward(3, udp, 2), forward(4, tcp, 2)];
        let now = [forward(1, udp, 2), forward(2, udp, 3), forward(4, tcp, 3), forward(5, udp, 2)];
        assert_eq!(changed_flows(&now, &before), [2, 3, 5]);
        assert_eq!(changed_flows(&now, &now), [0_u16; 0]);
    }
}
