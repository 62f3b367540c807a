//! Hand-trimmed types of neighbours: only the fields that we set or read, all of them optional, so that another
//! version of a neighbour never breaks a watch.

pub mod data_volume;
pub mod instancetype;
pub mod virtual_machine;
