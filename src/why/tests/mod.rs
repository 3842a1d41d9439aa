//! The rules over what real clusters said.
