//! Writing a stagewright plugin in Rust.
//!
//! A plugin says which stage of its life an object enters next and when ([`Plugin::decide`]), and what that stage does
//! ([`Plugin::play`]). Both are pure: what they answer follows from the settings, the object and the [`Context`] alone. There is no
//! clock, no randomness and no system beneath; times come from the context and chance from [`Context::jitter`].
//!
//! A whole plugin, for a kind of one's own:
//!
//! ```
//! use std::time::Duration;
//! use stagewright_plugin::{Answer, Context, Description, Effect, Object, Patch, Plugin, Settings, Subject, json};
//!
//! struct Trainer;
//!
//! impl Plugin for Trainer {
//!     fn configure(_: &Settings) -> Result<(Self, Description), String> {
//!         let trainer = Subject::new("example.com/v1/Trainer").reads(["/status/phase"]).writes(["/status"]);
//!         Ok((Self, Description::new("trainer", "1.0.0").stages(["start"]).subject(trainer)))
//!     }
//!     fn decide(&self, trainer: &Object, ctx: &Context) -> Result<Answer, String> {
//!         if trainer.text_at("/status/phase").is_some() {
//!             return Ok(Answer::idle("it runs"));
//!         }
//!         let delay = ctx.jitter("start", Duration::from_secs(1)..Duration::from_secs(5));
//!         Ok(Answer::stage("start", ctx.since + delay))
//!     }
//!     fn play(&self, _stage: &str, _: &Object, ctx: &Context) -> Result<Vec<Effect>, String> {
//!         let status = json!({"phase": "Active", "startTime": ctx.now});
//!         Ok(vec![Patch::status(status).into()])
//!     }
//! }
//!
//! stagewright_plugin::export!(Trainer);
//! # fn main() {
//! # let mut harness = stagewright_plugin::harness::Harness::<Trainer>::new(&json!({})).unwrap();
//! # let trainer = json!({"apiVersion": "example.com/v1", "kind": "Trainer",
//! #     "metadata": {"name": "a", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}});
//! # let life = harness.live(trainer, "2026-01-01T00:01:00Z").unwrap();
//! # assert_eq!(life.stages(), ["start"]);
//! # assert_eq!(life.object().unwrap()["status"]["phase"], "Active");
//! # }
//! ```
//!
//! The crate needs `crate-type = ["cdylib", "rlib"]` and is built for `wasm32-unknown-unknown`. It compiles natively too, where
//! [`harness::Harness`] runs it in ordinary tests, against a virtual clock.

mod answer;
#[rustfmt::skip]
pub mod bindings;
pub mod conditions;
mod context;
mod description;
mod duration;
mod effect;
#[doc(hidden)]
pub mod glue;
#[cfg(not(target_family = "wasm"))]
pub mod harness;
mod json;
pub mod log;
mod time;

pub use answer::Answer;
pub use context::{Addresses, Context, Failure, Related, chance_of};
pub use description::{Description, Order, Relation, Subject};
pub use duration::{Delay, DurationError, parse_duration};
pub use effect::{Apply, Body, Effect, Event, Patch, Reference};
pub use json::{Json, Object, Settings};
#[doc(no_inline)]
pub use serde_json::{Value, json};
pub use time::Time;

/// What an author writes. A fresh instance is made for most decisions, and [`Plugin::configure`] runs in each: keep it cheap.
pub trait Plugin: Sized {
    /// Reads the settings (`{}` if there are none), and says what the plugin is.
    ///
    /// # Errors
    /// If the settings are wrong; the text reaches the administrator, so it should name the setting and what it may be.
    fn configure(settings: &Settings) -> Result<(Self, Description), String>;

    /// Which stage comes next, and when. The object holds what the description's subject `reads`, and its identity.
    ///
    /// # Errors
    /// If the plugin cannot say: the object is held and the plugin asked again. A wrong object is [`Answer::Invalid`] instead.
    fn decide(&self, object: &Object, ctx: &Context) -> Result<Answer, String>;

    /// What the stage does, now that it is due. Effects on other objects come first; the patch that moves the phase, or
    /// [`Effect::Delete`], comes last.
    ///
    /// # Errors
    /// If the plugin cannot say: nothing is written, and it is asked again.
    fn play(&self, stage: &str, object: &Object, ctx: &Context) -> Result<Vec<Effect>, String>;
}

/// Makes a type that is a [`Plugin`] the component's plugin. Once in a crate; natively it only checks the type.
///
/// The component's memory is talc's, which is smaller and faster than what Rust brings to wasm32. A crate that has a
/// `#[global_allocator]` says `export!(Trainer, own_allocator)`.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[global_allocator]
            static MEMORY: $crate::glue::talc::WasmDynamicTalc =
                $crate::glue::talc::new_wasm_dynamic_allocator();
        };

        $crate::export!($plugin, own_allocator);
    };
    ($plugin:ty, own_allocator) => {
        const _: fn() = || {
            fn is_a_plugin<P: $crate::Plugin>() {}
            is_a_plugin::<$plugin>();
        };

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "exporting a function by name is")]
        const _: () = {
            use $crate::bindings::exports::stagewright::stage::plugin as wit;

            struct Exported;

            ::std::thread_local! {
                static CONFIGURED: $crate::glue::Configured<$plugin> = const { $crate::glue::Configured::new() };
            }

            impl wit::Guest for Exported {
                fn configure(settings: ::std::string::String) -> ::std::result::Result<::std::string::String, ::std::string::String> {
                    CONFIGURED.with(|configured| configured.configure(settings))
                }
                fn decide(
                    object: ::std::string::String,
                    ctx: wit::Context,
                ) -> ::std::result::Result<wit::Answer, ::std::string::String> {
                    CONFIGURED.with(|configured| configured.decide(object, ctx))
                }
                fn play(
                    stage: ::std::string::String,
                    object: ::std::string::String,
                    ctx: wit::Context,
                ) -> ::std::result::Result<::std::vec::Vec<wit::Effect>, ::std::string::String> {
                    CONFIGURED.with(|configured| configured.play(&stage, object, ctx))
                }
            }

            $crate::bindings::export_component!(Exported with_types_in $crate::bindings);
        };
    };
}
