//! Several speakers in one memory, with a clock of the tests' own.

use super::*;

const NODES: [&str; 3] = ["a", "b", "c"];

fn pool() -> Pool {
    Pool::parse("10.89.0.192/26").expect("a range")
}

fn service(n: u8, local: bool) -> Balanced {
    Balanced {
        key: Key { namespace: "default".into(), name: format!("web-{n}") },
        assigned: vec![format!("10.89.0.{}", 200 + n).parse().expect("an address")],
        uid: format!("uid-{n}"),
        created: None,
        families: Vec::new(),
        wanted: Ok(Vec::new()),
        local,
    }
}

fn services() -> Vec<Balanced> {
    (0..9).map(|n| service(n, false)).collect()
}

/// All of them, with everybody's heartbeat heard by everybody.
fn beat(speakers: &mut [Speaker], world: &World, now: Instant) {
    let beats: Vec<(String, bool)> = speakers.iter().map(|s| (s.me.clone(), s.is_serving())).collect();
    for speaker in speakers {
        for (node, serving) in &beats {
            speaker.hear(node, *serving, now);
        }
        speaker.decide(world, now);
    }
}

/// Three speakers that know each other, and the time.
fn settled(world: &World) -> (Vec<Speaker>, Instant) {
    let begun = Instant::now();
    let mut speakers: Vec<Speaker> = NODES.iter().map(|node| Speaker::new(node, pool(), begun)).collect();
    let mut now = begun;
    for _ in 0..5 {
        now += BEAT;
        beat(&mut speakers, world, now);
    }
    (speakers, now)
}

/// How often each address is answered for.
fn answers(speakers: &[Speaker]) -> BTreeMap<IpAddr, Vec<&str>> {
    let mut all: BTreeMap<IpAddr, Vec<&str>> = BTreeMap::new();
    for speaker in speakers {
        for address in speaker.owned() {
            all.entry(address).or_default().push(&speaker.me);
        }
    }
    all
}

#[test]
fn each_address_is_answered_for_once_and_all_nodes_share() {
    let (speakers, _) = settled(&World::of(services(), &[], &NODES));
    let answers = answers(&speakers);
    assert_eq!(answers.len(), 9);
    assert!(answers.values().all(|nodes| nodes.len() == 1), "{answers:?}");
    assert!(speakers.iter().all(|speaker| speaker.owned().count() > 0), "{answers:?}");
}

#[test]
fn what_a_dead_node_had_is_taken_over_and_nothing_else_moves() {
    let world = World::of(services(), &[], &NODES);
    let (mut speakers, mut now) = settled(&world);
    let before: BTreeMap<IpAddr, String> =
        answers(&speakers).into_iter().map(|(a, nodes)| (a, nodes[0].to_owned())).collect();
    speakers.pop();
    let died = now;
    while now.duration_since(died) < DEAD + BEAT {
        now += BEAT;
        beat(&mut speakers, &world, now);
    }
    for (address, nodes) in answers(&speakers) {
        assert_eq!(nodes.len(), 1, "{address}");
        let had = &before[&address];
        assert!(had == "c" || had == nodes[0], "{address} moved from {had} to {}", nodes[0]);
    }
    assert_eq!(answers(&speakers).len(), 9);
}

#[test]
fn one_that_says_goodbye_is_gone_at_once() {
    let world = World::of(services(), &[], &NODES);
    let (mut speakers, now) = settled(&world);
    let gone = speakers.pop().expect("three");
    let lost: Vec<IpAddr> = gone.owned().collect();
    let mut gained = Vec::new();
    for speaker in &mut speakers {
        speaker.hear(&gone.me, false, now);
        gained.extend(speaker.decide(&world, now).gained.into_iter().map(|(address, _)| address));
    }
    gained.sort();
    assert_eq!(gained, lost);
}

#[test]
fn a_new_speaker_listens_first_and_knows_everything_first() {
    let begun = Instant::now();
    let (world, unknown) = (World::of(services(), &[], &NODES), World::default());
    let mut speaker = Speaker::new("a", pool(), begun);
    assert_eq!(speaker.decide(&world, begun + BEAT), Change::default());
    assert_eq!(speaker.decide(&unknown, begun + LISTEN), Change::default());
    assert!(!speaker.is_serving());
    assert_eq!(speaker.decide(&world, begun + LISTEN).gained.len(), 9, "alone it has them all");
    assert_eq!(speaker.decide(&unknown, begun + LISTEN).lost.len(), 9);
}

#[test]
fn local_services_stay_where_their_endpoints_are() {
    let local = service(1, true);
    let key = local.key.clone();
    for (endpoints, expected) in [
        (vec![(&key, "b", true)], Some("b")),
        (vec![(&key, "b", false), (&key, "c", true)], Some("c")),
        (vec![(&key, "b", false)], Some("b")),
        (vec![], None),
    ] {
        let (speakers, _) = settled(&World::of(vec![local.clone()], &endpoints, &NODES));
        let answers = answers(&speakers);
        assert_eq!(answers.values().next().map(|nodes| nodes[0]), expected, "{endpoints:?}");
    }
}

#[test]
fn excluded_and_unknown_nodes_and_foreign_addresses_do_not_count() {
    let mut foreign = service(1, false);
    foreign.assigned = vec!["10.89.0.1".parse().expect("an address")];
    let (speakers, _) = settled(&World::of(vec![foreign, service(2, false)], &[], &["b"]));
    let answers = answers(&speakers);
    assert_eq!(answers.into_values().collect::<Vec<_>>(), [["b"]]);
}
