//! Files, owners and adoption.
