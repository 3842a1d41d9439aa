//! NetworkPolicies as an nftables ruleset.
