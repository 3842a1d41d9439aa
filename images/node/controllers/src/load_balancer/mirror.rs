//! What is known of the objects of one kind, kept equal to the API server by watching.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;

/// A digest of every object, by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror<K, V> {
    all: BTreeMap<K, V>,
    /// What a new listing has brought so far; it takes the place of everything when it is complete.
    coming: BTreeMap<K, V>,
    complete: bool,
}

impl<K, V> Default for Mirror<K, V> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), coming: BTreeMap::new(), complete: false }
    }
}

impl<K: Ord, V: PartialEq> Mirror<K, V> {
    /// Takes an event in; `digest` gives the key, and what matters of the object unless nothing does. Returns whether
    /// anything is different now.
    pub fn apply<O>(&mut self, event: Event<O>, digest: impl Fn(&O) -> (K, Option<V>)) -> bool {
        match event {
            Event::Init => {
                self.coming.clear();
                false
            }
            Event::InitApply(object) => {
                if let (key, Some(value)) = digest(&object) {
                    self.coming.insert(key, value);
                }
                false
            }
            Event::InitDone => {
                let coming = std::mem::take(&mut self.coming);
                let different = !self.complete || coming != self.all;
                (self.all, self.complete) = (coming, true);
                different
            }
            Event::Apply(object) => match digest(&object) {
                (key, Some(value)) => {
                    let different = self.all.get(&key) != Some(&value);
                    self.all.insert(key, value);
                    different
                }
                (key, None) => self.all.remove(&key).is_some(),
            },
            Event::Delete(object) => self.all.remove(&digest(&object).0).is_some(),
        }
    }

    /// Whether everything was listed once.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// What is known.
    pub fn all(&self) -> &BTreeMap<K, V> {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(object: &(&'static str, Option<u8>)) -> (&'static str, Option<u8>) {
        *object
    }

    #[test]
    fn a_new_listing_replaces_everything_at_once() {
        let mut mirror = Mirror::default();
        assert!(!mirror.apply(Event::Init, digest) && !mirror.apply(Event::InitApply(("a", Some(1))), digest));
        assert!(!mirror.is_complete() && mirror.all().is_empty());
        assert!(mirror.apply(Event::InitDone, digest) && mirror.is_complete());
        assert!(!mirror.apply(Event::Apply(("a", Some(1))), digest), "nothing changed");
        assert!(mirror.apply(Event::Apply(("b", Some(2))), digest));
        assert!(mirror.apply(Event::Apply(("b", None)), digest), "it matters no more");
        assert!(!mirror.apply(Event::Delete(("b", Some(2))), digest));
        for event in [Event::Init, Event::InitApply(("c", Some(3)))] {
            mirror.apply(event, digest);
            assert!(mirror.all().contains_key("a"), "the old listing stands until the new one is complete");
        }
        assert!(mirror.apply(Event::InitDone, digest));
        assert_eq!(mirror.all().keys().copied().collect::<Vec<_>>(), ["c"]);
    }
}
