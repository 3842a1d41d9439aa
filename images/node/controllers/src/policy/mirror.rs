//! One kind of objects as the API server tells them: complete, or not shown to anybody yet.

use std::collections::BTreeMap;

use kube::Resource;
use kube::runtime::watcher::Event;

use super::facts::Key;

/// Which objects of a kind are still to come.
#[derive(Debug)]
pub struct Mirror<V> {
    coming: Option<BTreeMap<Key, V>>,
    complete: bool,
}

impl<V> Default for Mirror<V> {
    fn default() -> Self {
        Self { coming: None, complete: false }
    }
}

impl<V: PartialEq> Mirror<V> {
    /// Whether all objects were told once.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Takes an event over into `now`; says whether that changed anything. `fact` is what of an object matters, if it
    /// matters at all. A list that begins anew replaces everything at its end, not bit by bit.
    pub fn take<K: Resource>(
        &mut self,
        now: &mut BTreeMap<Key, V>,
        event: Event<K>,
        fact: impl Fn(&K) -> Option<V>,
    ) -> bool {
        match event {
            Event::Init => {
                self.coming = Some(BTreeMap::new());
                false
            }
            Event::InitApply(object) => {
                if let (Some(coming), Some(value)) = (&mut self.coming, fact(&object)) {
                    coming.insert(key(&object), value);
                }
                false
            }
            Event::InitDone => {
                let first = !std::mem::replace(&mut self.complete, true);
                let coming = self.coming.take().unwrap_or_default();
                let changed = *now != coming;
                *now = coming;
                first || changed
            }
            Event::Apply(object) => match fact(&object) {
                None => now.remove(&key(&object)).is_some(),
                Some(value) => {
                    let key = key(&object);
                    let changed = now.get(&key) != Some(&value);
                    now.insert(key, value);
                    changed
                }
            },
            Event::Delete(object) => now.remove(&key(&object)).is_some(),
        }
    }
}

fn key<K: Resource>(object: &K) -> Key {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    fn object(name: &str) -> Namespace {
        let mut object = Namespace::default();
        object.metadata.name = Some(name.to_owned());
        object
    }

    fn names(now: &BTreeMap<Key, String>) -> Vec<&str> {
        now.keys().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn a_list_that_begins_anew_never_shows_fewer_objects_than_there_are() {
        let (mut mirror, mut now) = (Mirror::default(), BTreeMap::new());
        let mut take = |event, now: &mut BTreeMap<Key, String>| {
            let changed = mirror.take(now, event, |n: &Namespace| n.metadata.name.clone());
            (changed, mirror.complete())
        };
        assert_eq!(take(Event::Init, &mut now), (false, false));
        assert_eq!(take(Event::InitApply(object("a")), &mut now), (false, false));
        assert_eq!(names(&now), [""; 0], "nothing is shown before all is known");
        assert_eq!(take(Event::InitDone, &mut now), (true, true));
        assert_eq!(take(Event::Apply(object("b")), &mut now), (true, true));
        assert_eq!(take(Event::Apply(object("b")), &mut now), (false, true), "nothing that matters changed");
        assert_eq!(take(Event::Init, &mut now), (false, true));
        assert_eq!(take(Event::InitApply(object("b")), &mut now), (false, true));
        assert_eq!(names(&now), ["a", "b"]);
        assert_eq!(take(Event::InitDone, &mut now), (true, true));
        assert_eq!(names(&now), ["b"]);
        assert_eq!(take(Event::Delete(object("b")), &mut now), (true, true));
    }

    #[test]
    fn an_empty_list_is_news_once() {
        let (mut mirror, mut now) = (Mirror::<String>::default(), BTreeMap::new());
        for expected in [true, false] {
            mirror.take(&mut now, Event::<Namespace>::Init, |_| None);
            assert_eq!(mirror.take(&mut now, Event::<Namespace>::InitDone, |_| None), expected);
        }
    }
}
