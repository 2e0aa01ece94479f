//! An instance for one object: a decision, and the play that follows at once.

use std::sync::atomic::Ordering;

use stagewright_core::interface::{Answer, Context, Effect};

use super::convert;
use super::errors::{CallError, Identity};
use super::instance::{Fault, Instance, Level, LogLine};
use super::limits::Limits;
use super::load::{Isolation, Plugin};

/// Idle instances kept of one plugin: as many as deciding threads are likely to want at once.
const IDLE: usize = 4;

/// An instance, for as long as one object is looked at.
pub struct Session<'p> {
    plugin: &'p Plugin,
    instance: Option<Instance>,
    fuel: u64,
    lines: Vec<LogLine>,
    dropped: u32,
}

impl<'p> Session<'p> {
    pub(super) fn new(plugin: &'p Plugin) -> Result<Self, CallError> {
        let instance = match plugin.isolation() {
            Isolation::Fresh => None,
            Isolation::Warm => plugin.idle.lock().pop(),
        };
        let instance = instance.map_or_else(|| plugin.fresh(), Ok)?;
        Ok(Self {
            plugin,
            instance: Some(instance),
            fuel: 0,
            lines: Vec::new(),
            dropped: 0,
        })
    }

    /// What comes next for the object. `object` is cut to the subject's reads.
    ///
    /// # Errors
    /// If the call does not end in an answer that means something: a stage that the description declares, a finite time.
    pub fn decide(&mut self, object: &str, context: &Context) -> Result<Answer, CallError> {
        let used = self.instance.as_ref().is_some_and(Instance::is_used);
        let answer = self.ask(object, context)?;
        if used && self.is_to_be_compared() {
            return self.compared(&answer, object, context);
        }
        Ok(answer)
    }

    fn is_to_be_compared(&self) -> bool {
        let report = self.plugin.load_report();
        let price = report.configure_fuel + report.decide_fuel;
        self.plugin.sampling.is_due(price)
    }

    /// A used instance must say what a new one says: else something of one object shows in what is said of another. The plugin then
    /// gets a new instance for each object, whatever that costs. The new one's answer is the one that counts.
    fn compared(
        &mut self,
        answer: &Answer,
        object: &str,
        context: &Context,
    ) -> Result<Answer, CallError> {
        self.instance = None;
        let fresh = self.ask(object, context)?;
        if fresh != *answer && !self.plugin.impure.swap(true, Ordering::Relaxed) {
            let message = format!(
                "a used instance of {} answers other than a new one; it gets a new one for each object from now on",
                self.plugin.identity
            );
            self.lines.push(LogLine {
                level: Level::Warn,
                message,
            });
        }
        Ok(fresh)
    }

    fn ask(&mut self, object: &str, context: &Context) -> Result<Answer, CallError> {
        let limits = self.plugin.engine.limits();
        let answer = self.call("decide", |instance| {
            instance.decide(limits, object, context)
        })?;
        self.check_bytes("decide", convert::answer_bytes(&answer))?;
        let answer = convert::answer(answer, &self.plugin.description.stages);
        answer.map_err(|message| self.invalid("decide", message))
    }

    /// What the stage does, in order.
    ///
    /// # Errors
    /// If the call does not end in at most [`Limits::effects`] effects whose bodies are JSON.
    pub fn play(
        &mut self,
        stage: &str,
        object: &str,
        context: &Context,
    ) -> Result<Vec<Effect>, CallError> {
        let limits = self.plugin.engine.limits();
        let effects = self.call("play", |instance| {
            instance.play(limits, stage, object, context)
        })?;
        if effects.len() > limits.effects {
            self.instance = None;
            let (count, limit) = (effects.len(), limits.effects);
            return Err(CallError::TooManyEffects {
                plugin: self.identity(),
                count,
                limit,
            });
        }
        self.check_bytes("play", convert::effects_bytes(&effects))?;
        convert::effects(effects).map_err(|message| self.invalid("play", message))
    }

    /// Fuel of all calls of this session.
    #[must_use]
    pub fn fuel_used(&self) -> u64 {
        self.fuel
    }

    /// The lines written since the last time, failed calls included; a last line tells how many were dropped.
    pub fn logs(&mut self) -> Vec<LogLine> {
        self.collect_log();
        let mut lines = std::mem::take(&mut self.lines);
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let Limits {
                log_lines,
                log_bytes,
                ..
            } = self.plugin.engine.limits();
            let message = format!(
                "{dropped} lines dropped: a call may log {log_lines} lines, {log_bytes} bytes"
            );
            lines.push(LogLine {
                level: Level::Warn,
                message,
            });
        }
        lines
    }

    /// Calls, and once more on a fresh instance if a used one ran out of fuel: a heap that was due for collection is not the
    /// object's fault.
    fn call<T>(
        &mut self,
        function: &'static str,
        mut call: impl FnMut(&mut Instance) -> Result<Result<T, String>, Fault>,
    ) -> Result<T, CallError> {
        let mut used = self.instance.as_ref().is_some_and(Instance::is_used);
        loop {
            let instance = match &mut self.instance {
                Some(instance) => instance,
                None => self.instance.insert(self.plugin.fresh()?),
            };
            let result = call(instance);
            let fuel = instance.fuel();
            self.fuel = self.fuel.saturating_add(fuel);
            self.plugin.sampling.answered(fuel);
            self.collect_log();
            match result {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(message)) => {
                    return Err(CallError::PluginError {
                        plugin: self.identity(),
                        function,
                        message: convert::note(message),
                    });
                }
                Err(fault) => {
                    // After a trap the store is dead; the instance goes back to the pool's slots.
                    self.instance = None;
                    if matches!(fault, Fault::OutOfFuel) && std::mem::take(&mut used) {
                        continue;
                    }
                    let limits = self.plugin.engine.limits();
                    return Err(call_error(
                        fault,
                        &self.plugin.identity,
                        function,
                        limits.call_fuel,
                        limits,
                    ));
                }
            }
        }
    }

    fn check_bytes(&mut self, function: &'static str, bytes: usize) -> Result<(), CallError> {
        let limit = self.plugin.engine.limits().answer_bytes;
        if bytes <= limit {
            return Ok(());
        }
        self.instance = None;
        Err(CallError::AnswerTooLarge {
            plugin: self.identity(),
            function,
            limit,
        })
    }

    /// An answer without meaning: whatever state led to it is not kept.
    fn invalid(&mut self, function: &'static str, message: String) -> CallError {
        self.instance = None;
        CallError::InvalidAnswer {
            plugin: self.identity(),
            function,
            message,
        }
    }

    fn identity(&self) -> Identity {
        self.plugin.identity.clone()
    }

    fn collect_log(&mut self) {
        if let Some(instance) = &mut self.instance {
            let (lines, dropped) = instance.take_log();
            self.lines.extend(lines);
            self.dropped = self.dropped.saturating_add(dropped);
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if self.plugin.isolation() == Isolation::Fresh {
            return;
        }
        let Some(mut instance) = self
            .instance
            .take()
            .filter(|instance| !instance.has_grown())
        else {
            return;
        };
        drop(instance.take_log());
        let mut idle = self.plugin.idle.lock();
        if idle.len() < IDLE {
            idle.push(instance);
        }
    }
}

/// A fault with the name of whom it happened to.
pub(super) fn call_error(
    fault: Fault,
    plugin: &Identity,
    function: &'static str,
    fuel: u64,
    limits: &Limits,
) -> CallError {
    let plugin = plugin.clone();
    match fault {
        Fault::OutOfFuel => CallError::OutOfFuel {
            plugin,
            function,
            fuel,
        },
        Fault::OutOfMemory => CallError::OutOfMemory {
            plugin,
            function,
            limit: limits.memory,
        },
        Fault::Busy => CallError::Busy {
            plugin,
            slots: limits.instances,
        },
        Fault::TooMuch => CallError::AnswerTooLarge {
            plugin,
            function,
            limit: limits.hostcall_fuel,
        },
        Fault::Trap(message) => CallError::Trap {
            plugin,
            function,
            message,
        },
        Fault::Abi(message) => CallError::InvalidAnswer {
            plugin,
            function,
            message,
        },
    }
}
