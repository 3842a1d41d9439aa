//! What one request cannot show: cookies that keep a client, limits, shares, WebSockets, several names for one address.

use std::collections::BTreeSet;

use super::Site;
use super::clients::web_socket;

pub fn check(site: &Site) {
    affinity(site);
    limits(site);
    weights(site);
    assert_eq!(web_socket(site.http(), "prefix.example", "/ws", "there and back").as_deref(), Ok("there and back"));
    at_the_node(site);
}

fn pod(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("pod:")).map(|name| name.trim().to_owned())
}

fn affinity(site: &Site) {
    let jar = site.scene.path("cookies").to_string_lossy().into_owned();
    let pods =
        |arguments: &[&str]| -> BTreeSet<String> { (0..12).filter_map(|_| pod(&site.ask(arguments).text)).collect() };
    let kept = pods(&["-c", &jar, "-b", &jar, "http://sticky.example/"]);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let free = pods(&["http://sticky.example/"]);
    assert_eq!(free.len(), 3, "{free:?}");
}

fn limits(site: &Site) {
    // One per second with a burst of one, and ten at once.
    let url = "http://rps.example/[1-10]";
    let text = site.ask(&["--parallel", "--parallel-immediate", url]).text;
    let refused = text.matches("HTTP/1.1 503").count();
    assert!((1..=9).contains(&refused), "{refused} of 10 were refused\n{text}");
    // One connection at a time, and four that take a while.
    let text = site.ask(&["--parallel", "--parallel-immediate", "http://connections.example/echo/[1-4]?delay=1s"]).text;
    let refused = text.matches("HTTP/1.1 503").count();
    assert_eq!(refused, 3, "{text}");
}

fn weights(site: &Site) {
    let text = site.ask(&["http://share.example/[1-60]"]).text;
    let (a, b) = (text.matches("pod:       a\n").count(), text.matches("pod:       b\n").count());
    // Half and half: five or fewer of sixty on a side come less than once in a billion runs.
    assert!(a > 5 && b > 5 && a + b == 60, "{a} and {b}\n{text}");
}

/// Ports 80 and 443 of the node lead to the same place, for those who published them.
fn at_the_node(site: &Site) {
    let node = site.cluster.get(&["nodes"]);
    let address = crate::cluster::text(&node, "/items/0/status/addresses/0/address").parse().expect("an address");
    let answer = site.ask_at(address, &["http://prefix.example/foo"]);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(site.ask_at(address, &["-k", "https://prefix.example/foo"]).status, 200);
}
