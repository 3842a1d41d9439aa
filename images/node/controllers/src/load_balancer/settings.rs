//! What the manifest tells the program: which node it is on and which addresses it may give.

use std::net::Ipv4Addr;

use super::pool::Pool;

/// The program's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The Node's name.
    pub node: String,
    /// The node's address: its interface is where addresses are announced.
    pub address: Ipv4Addr,
    /// The addresses that may be given.
    pub pool: Pool,
}

impl Settings {
    /// Reads `NODE_NAME`, `NODE_ADDRESS` and `LOAD_BALANCER_RANGE`; says everything that is wrong with them.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |name: &str| variable(name).filter(|v| !v.is_empty()).ok_or(format!("{name} is not set"));
        let node = get("NODE_NAME");
        let address = get("NODE_ADDRESS")
            .and_then(|text| text.parse().map_err(|_| format!("NODE_ADDRESS `{text}` is not an IPv4 address")));
        let pool = get("LOAD_BALANCER_RANGE")
            .and_then(|text| Pool::parse(&text).map_err(|why| format!("LOAD_BALANCER_RANGE: {why}")));
        match (node, address, pool) {
            (Ok(node), Ok(address), Ok(pool)) => Ok(Self { node, address, pool }),
            (node, address, pool) => {
                let wrong = [node.err(), address.err(), pool.err()];
                Err(wrong.into_iter().flatten().collect::<Vec<_>>().join("; "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let range = ("LOAD_BALANCER_RANGE", "10.89.0.192/26");
        let good = read(&[("NODE_NAME", "a"), ("NODE_ADDRESS", "10.89.0.2"), range]).expect("good");
        assert_eq!((good.node.as_str(), good.address), ("a", Ipv4Addr::new(10, 89, 0, 2)));
        let wrong = read(&[("NODE_ADDRESS", "fd00::1"), ("LOAD_BALANCER_RANGE", "ten")]).expect_err("bad");
        for part in ["NODE_NAME is not set", "`fd00::1` is not an IPv4", "`ten` is not a range"] {
            assert!(wrong.contains(part), "{wrong}");
        }
    }
}
