//! CPU twins.
