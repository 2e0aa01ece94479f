//! Go as KWOK's templates see it: `text/template` with its values, how they print, its numbers, durations, times and YAML.
//!
//! It is on the way of each object, so that it is compiled for more speed than the plugin that it is a part of.

pub mod builtin;
pub mod duration;
pub mod float;
pub mod function;
pub mod json;
pub mod printf;
mod template;
pub mod text;
pub mod time;
pub mod value;
pub mod yaml;
mod yaml_plain;
mod yaml_read;
pub mod yaml_style;

pub use function::{Body, Found, Function, Surroundings, Ty};
pub use template::{Error, LONGEST, Template, Wanted, integer};
pub use value::{Elem, List, Map, Value};
