//! From spec and host facts to a plan: data that can be printed, compared and refused.

pub mod layout;
