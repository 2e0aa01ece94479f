//! Go as KWOK's templates see it: its values, how they print, its numbers, durations, times and YAML.

pub mod duration;
pub mod float;
pub mod json;
pub mod printf;
pub mod text;
pub mod time;
pub mod value;
pub mod yaml;
mod yaml_plain;
mod yaml_read;
pub mod yaml_style;

pub use value::{Elem, List, Map, Value};
