//! Allocation: by example, and as properties over many histories.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn pool(text: &str) -> Pool {
    Pool::parse(text).expect("a range")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn service(n: u8, wanted: &[&str], assigned: &[&str]) -> Balanced {
    Balanced {
        key: Key { namespace: "default".into(), name: format!("web-{n}") },
        uid: format!("uid-{n}"),
        created: Timestamp::from_second(i64::from(n)).ok(),
        families: vec![Family::V4],
        wanted: Ok(wanted.iter().map(|a| ip(a)).collect()),
        assigned: assigned.iter().map(|a| ip(a)).collect(),
        local: false,
    }
}

fn decide(services: &[Balanced]) -> Vec<Verdict> {
    let all: Vec<&Balanced> = services.iter().collect();
    let mut verdicts = allocate(&pool("10.89.0.192/28"), &all, &Book::new());
    services.iter().map(|s| verdicts.remove(&s.uid).expect("a verdict for each")).collect()
}

fn said(verdict: &Verdict) -> Vec<String> {
    verdict.refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_asked_for_is_given_before_what_is_only_needed() {
    let any = service(1, &[], &[]);
    let first = allocate(&pool("10.89.0.192/28"), &[&any], &Book::new())["uid-1"].addresses[0];
    let verdicts = decide(&[any, service(2, &[&first.to_string()], &[])]);
    assert_eq!(verdicts[1].addresses, [first]);
    assert_ne!(verdicts[0].addresses, [first]);
}

#[test]
fn a_refusal_says_why() {
    let mut confused = service(5, &[], &[]);
    confused.wanted = Err("two minds".into());
    let verdicts = decide(&[
        service(1, &["10.89.0.200"], &[]),
        service(2, &["10.89.0.200"], &[]),
        service(3, &["10.89.0.2"], &[]),
        service(4, &["fd00::1"], &[]),
        confused,
    ]);
    assert_eq!(verdicts[0], Verdict { addresses: vec![ip("10.89.0.200")], refusals: Vec::new() });
    assert_eq!(said(&verdicts[1]), ["10.89.0.200 belongs to Service default/web-1"]);
    assert_eq!(said(&verdicts[2]), ["10.89.0.2 is not one of this cluster's addresses (10.89.0.192/28)"]);
    assert_eq!(said(&verdicts[3]), ["fd00::1 is not one of this cluster's addresses (10.89.0.192/28)"]);
    assert_eq!(said(&verdicts[4]), ["two minds"]);
    assert!(verdicts[1..].iter().all(|v| v.addresses.is_empty()), "{verdicts:?}");
}

#[test]
fn what_a_service_has_it_keeps_until_its_wish_can_be_met() {
    let verdicts = decide(&[service(1, &[], &["10.89.0.200"]), service(2, &["10.89.0.200"], &["10.89.0.201"])]);
    assert_eq!(verdicts[1].addresses, [ip("10.89.0.201")]);
    assert_eq!(said(&verdicts[1]), ["10.89.0.200 belongs to Service default/web-1"]);
    let verdicts = decide(&[service(2, &["10.89.0.200"], &["10.89.0.201"])]);
    assert_eq!(verdicts[0], Verdict { addresses: vec![ip("10.89.0.200")], refusals: Vec::new() });
}

#[test]
fn exhaustion_and_a_missing_family_are_said() {
    let services: Vec<Balanced> = (0..15).map(|n| service(n, &[], &[])).collect();
    let verdicts = decide(&services);
    assert!(verdicts[..14].iter().all(|v| v.refusals.is_empty() && v.addresses.len() == 1));
    assert_eq!(said(&verdicts[14]), ["no IPv4 address is left of 10.89.0.192/28"]);
    assert_eq!(verdicts[14].refusals[0].reason(), "AddressesExhausted");
    let (mut six, mut both) = (service(1, &[], &[]), service(2, &[], &[]));
    (six.families, both.families) = (vec![Family::V6], vec![Family::V6, Family::V4]);
    let verdicts = decide(&[six, both]);
    assert_eq!(said(&verdicts[0]), ["the cluster has no addresses of the Service's families"]);
    assert_eq!((verdicts[1].addresses.len(), verdicts[1].refusals.len()), (1, 0));
}

/// A Service of any history: with or without a wish, with any status, even one that a person wrote.
fn any_service() -> impl Strategy<Value = (u8, Option<u8>, Vec<u8>)> {
    (0..24u8, proptest::option::of(185..215u8), proptest::collection::vec(185..215u8, 0..3))
}

fn build(history: &[(u8, Option<u8>, Vec<u8>)]) -> Vec<Balanced> {
    let mut seen = BTreeSet::new();
    let address = |last: &u8| format!("10.89.0.{last}");
    let fresh = history.iter().filter(|(n, ..)| seen.insert(*n));
    fresh
        .map(|(n, wish, status)| {
            let (wish, status): (Vec<_>, Vec<_>) =
                (wish.iter().map(address).collect(), status.iter().map(address).collect());
            let refs = |all: &'_ [String]| all.iter().map(|a| ip(a)).collect::<Vec<_>>();
            Balanced { wanted: Ok(refs(&wish)), assigned: refs(&status), ..service(*n, &[], &[]) }
        })
        .collect()
}

fn addresses(verdicts: &BTreeMap<String, Verdict>) -> Vec<(String, Vec<IpAddr>)> {
    verdicts.iter().map(|(uid, verdict)| (uid.clone(), verdict.addresses.clone())).collect()
}

proptest! {
    #[test]
    fn no_address_is_given_twice_and_all_are_of_the_pool(history in proptest::collection::vec(any_service(), 0..24)) {
        let (pool, services) = (pool("10.89.0.192/28"), build(&history));
        let all: Vec<&Balanced> = services.iter().collect();
        let verdicts = allocate(&pool, &all, &Book::new());
        let given: Vec<IpAddr> = verdicts.values().flat_map(|v| v.addresses.clone()).collect();
        prop_assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len());
        prop_assert!(given.iter().all(|address| pool.contains(*address)));
        for verdict in verdicts.values() {
            prop_assert!(verdict.addresses.len() == 1 || !verdict.refusals.is_empty(), "{:?}", verdict);
        }
    }

    #[test]
    fn once_it_rests_it_rests_whether_the_book_or_the_statuses_remember(
        history in proptest::collection::vec(any_service(), 0..24),
    ) {
        let (pool, mut services) = (pool("10.89.0.192/28"), build(&history));
        // Addresses that a move set free may meet a wish in the next round, so a few rounds are needed.
        let mut book = Book::new();
        let mut before = Vec::new();
        for _ in 0..=services.len() {
            let all: Vec<&Balanced> = services.iter().collect();
            before = addresses(&allocate(&pool, &all, &book));
            book = before.iter().cloned().collect();
        }
        let all: Vec<&Balanced> = services.iter().collect();
        prop_assert_eq!(&addresses(&allocate(&pool, &all, &book)), &before);
        // Another process, that has nothing but the statuses, decides the same.
        for service in &mut services {
            service.assigned = book[&service.uid].clone();
        }
        let all: Vec<&Balanced> = services.iter().collect();
        prop_assert_eq!(&addresses(&allocate(&pool, &all, &Book::new())), &before);
    }

    #[test]
    fn others_coming_and_going_move_nobody(
        history in proptest::collection::vec(any_service(), 1..12),
        gone in any::<prop::sample::Index>(),
    ) {
        let (pool, mut services) = (pool("10.89.0.192/28"), build(&history));
        for service in &mut services {
            service.wanted = Ok(Vec::new());
        }
        let all: Vec<&Balanced> = services.iter().collect();
        let book: Book = addresses(&allocate(&pool, &all, &Book::new())).into_iter().collect();
        let gone = gone.index(services.len());
        let newcomer = service(99, &[], &[]);
        let left: Vec<&Balanced> =
            services.iter().enumerate().filter(|(n, _)| *n != gone).map(|(_, s)| s).chain([&newcomer]).collect();
        let verdicts = allocate(&pool, &left, &book);
        for service in left.iter().filter(|s| s.uid != newcomer.uid) {
            prop_assert_eq!(&verdicts[&service.uid].addresses, &book[&service.uid]);
        }
        prop_assert_eq!(verdicts[&newcomer.uid].addresses.len(), 1);
    }
}
