//! Finds the Ingresses that make nginx refuse a configuration, so that all others are served.

use std::collections::{BTreeMap, BTreeSet};

use super::world::Name;

/// Those that cannot be served, and what nginx says of each. `refusal` tests the configuration without some of them.
///
/// Groups are halved until single ones are left, and each is tried beside everything accepted before: whatever the
/// older ones already need stays, and the work grows with the number of bad ones, not with that of all.
pub async fn sift<E>(
    all: &[Name],
    mut refusal: impl AsyncFnMut(&BTreeSet<Name>) -> Result<Option<String>, E>,
) -> Result<BTreeMap<Name, String>, E> {
    let everything: BTreeSet<&Name> = all.iter().collect();
    let (mut good, mut bad) = (BTreeSet::new(), BTreeMap::new());
    let mut groups = vec![all];
    while let Some(group) = groups.pop() {
        let trial: BTreeSet<&Name> = good.iter().copied().chain(group).collect();
        let without = everything.difference(&trial).map(|name| (*name).clone()).collect();
        match (refusal(&without).await?, group) {
            (None, _) => good = trial,
            (Some(_), []) => {}
            (Some(why), [one]) => {
                bad.insert(one.clone(), why);
            }
            (Some(_), several) => {
                let (older, newer) = several.split_at(several.len() / 2);
                groups.extend([newer, older]);
            }
        }
    }
    Ok(bad)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exactly_the_bad_ones_are_found(bad in prop::collection::vec(any::<bool>(), 0..40)) {
            let all: Vec<Name> = (0..bad.len()).map(|n| Name::new("a", format!("{n:02}"))).collect();
            let mut tests = 0;
            let test = async |without: &BTreeSet<Name>| {
                tests += 1;
                let fails = all.iter().zip(&bad).any(|(name, bad)| *bad && !without.contains(name));
                Ok::<_, Infallible>(fails.then(|| "no".to_owned()))
            };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let found = runtime.block_on(sift(&all, test)).unwrap();
            let expected: Vec<&Name> = all.iter().zip(&bad).filter(|(_, bad)| **bad).map(|(name, _)| name).collect();
            prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected);
            prop_assert!(tests <= 1 + found.len() * 12);
        }
    }
}
