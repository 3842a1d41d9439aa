//! Which node answers for which Service: the same pure function on every node.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::facts::Key;

/// The node that answers for a Service, among those that may.
///
/// Every node draws a number for every Service, and the highest one wins (rendezvous hashing): Services spread over the
/// nodes, and when a node goes or comes only the Services move that it had or that it wins. All nodes run the same
/// program, so they draw the same numbers.
pub fn owner<'n>(service: &Key, nodes: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    nodes.into_iter().max_by_key(|node| {
        let mut hasher = DefaultHasher::new();
        (service, node).hash(&mut hasher);
        (hasher.finish(), *node)
    })
}

/// The nodes that may answer for a Service: those that are heard and not excluded; where only local endpoints count,
/// those that have some, ready ones before ones that are ending.
pub fn eligible<'n>(nodes: &BTreeSet<&'n str>, local: Option<(&BTreeSet<&str>, &BTreeSet<&str>)>) -> Vec<&'n str> {
    let Some((ready, serving)) = local else { return nodes.iter().copied().collect() };
    let with = |endpoints: &BTreeSet<&str>| -> Vec<&'n str> {
        nodes.iter().copied().filter(|node| endpoints.contains(node)).collect()
    };
    let found = with(ready);
    if found.is_empty() { with(serving) } else { found }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(n: usize) -> Key {
        Key { namespace: "default".into(), name: format!("web-{n}") }
    }

    #[test]
    fn services_spread_over_the_nodes() {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for n in 0..300 {
            *count.entry(owner(&key(n), ["a", "b", "c"]).expect("there are nodes")).or_default() += 1;
        }
        assert!(count.len() == 3 && count.values().all(|n| (70..130).contains(n)), "{count:?}");
        assert_eq!(owner(&key(0), []), None);
    }

    #[test]
    fn endpoints_that_are_ready_come_before_those_that_end() {
        let nodes = BTreeSet::from(["a", "b", "c"]);
        let set = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<&str>>();
        assert_eq!(eligible(&nodes, None), ["a", "b", "c"]);
        assert_eq!(eligible(&nodes, Some((&set(&["b", "z"]), &set(&["a"])))), ["b"]);
        assert_eq!(eligible(&nodes, Some((&set(&[]), &set(&["a"])))), ["a"]);
        assert!(eligible(&nodes, Some((&set(&["z"]), &set(&[])))).is_empty());
    }

    proptest! {
        #[test]
        fn only_what_a_lost_node_had_moves(
            nodes in proptest::collection::btree_set("[a-e]{1,3}", 2..8),
            lost in any::<prop::sample::Index>(),
        ) {
            let names: Vec<&str> = nodes.iter().map(String::as_str).collect();
            let lost = names[lost.index(names.len())];
            let left: Vec<&str> = names.iter().copied().filter(|name| *name != lost).collect();
            for n in 0..50 {
                let before = owner(&key(n), names.iter().copied());
                // The order in which nodes are known does not matter.
                prop_assert_eq!(owner(&key(n), names.iter().rev().copied()), before);
                let after = owner(&key(n), left.iter().copied());
                if before == Some(lost) {
                    prop_assert!(after.is_some_and(|node| node != lost));
                } else {
                    prop_assert_eq!(after, before);
                }
            }
        }
    }
}
