//! The host's IPv4 routes: LANs, VPNs and other bridges that a cluster's subnet must not shadow.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::Host;

/// Routes to more than this are ways to «everywhere»: the default route, or the halves of the internet that VPN clients
/// use in its place. A more specific route always wins over them, so they take nothing away.
const EVERYWHERE: u8 = 7;

/// Where packets to some addresses go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The addresses.
    pub net: Ipv4Net,
    /// The interface they go to: `eth0`, `tun0`, `docker0`.
    pub interface: String,
}

impl Host {
    /// The routes to particular networks; `None` where the system does not tell.
    pub fn routes(&self) -> Option<Vec<Route>> {
        let table = self.text("/proc/net/route")?;
        Some(table.lines().skip(1).filter_map(parse).filter(|route| route.net.prefix_len() > EVERYWHERE).collect())
    }
}

/// One line of /proc/net/route: addresses are words in the machine's byte order.
fn parse(line: &str) -> Option<Route> {
    let mut fields = line.split_whitespace();
    let interface = fields.next()?.to_owned();
    let net = address(fields.next()?)?;
    // After gateway, flags, reference count, use and metric.
    let mask = address(fields.nth(5)?)?;
    let net = Ipv4Net::with_netmask(net, mask).ok()?.trunc();
    Some(Route { net, interface })
}

fn address(hex: &str) -> Option<Ipv4Addr> {
    let word = u32::from_str_radix(hex, 16).ok()?;
    Some(Ipv4Addr::from(word.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::probe::FakeProbe;
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn defaults_in_every_disguise_are_left_out() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n\
            tun0\t00000080\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            tun0\t0000000A\t0100080A\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n\
            broken line\n";
        let host = Host::new(FakeProbe::default().file("/proc/net/route", table));
        let shown: Vec<String> =
            host.routes().expect("there is a table").iter().map(|r| format!("{} {}", r.net, r.interface)).collect();
        assert_eq!(shown, ["172.17.0.0/16 docker0", "10.0.0.0/8 tun0"]);
    }

    #[test]
    fn no_table_is_unknown() {
        assert_eq!(Host::new(FakeProbe::default()).routes(), None);
    }
}
