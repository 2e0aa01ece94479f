//! The moves that containers make by themselves.

use stagewright_plugin::{Event, Time};

use super::{Play, container};
use crate::annotations::{CALM, PULLS};
use crate::plan::{Cause, Exit, Move, Role, Seen, What};
use crate::resize;
use crate::statuses::{self, End};

impl Play<'_> {
    /// Whatever is due by now, and what this stage was due for.
    pub(super) fn moves(&mut self) -> Result<(), String> {
        let moves = self.plan.moves()?;
        let earliest = moves.inits.iter().chain(&moves.mains);
        let earliest = earliest.flatten().map(|next| next.due).min();
        let until = self.ctx.now.max(earliest.unwrap_or(self.ctx.now));
        let plan = self.plan;
        for (index, (seen, next)) in plan.inits.iter().zip(&moves.inits).enumerate() {
            self.make(seen, next.as_ref(), index, until);
        }
        let before = plan.inits.len();
        for (index, (seen, next)) in plan.mains.iter().zip(&moves.mains).enumerate() {
            self.make(seen, next.as_ref(), before + index, until);
        }
        Ok(())
    }

    fn make(&mut self, seen: &Seen<'_>, next: Option<&Move<'_>>, index: usize, until: Time) {
        let Some(next) = next.filter(|next| next.due <= until) else {
            return;
        };
        let (plan, uid, now) = (self.plan, self.plan.pod.metadata.uid.as_str(), self.ctx.now);
        let spec = container(self.object, plan, index);
        let Some(status) = self.containers.all_mut().nth(index) else {
            return;
        };
        let name = seen.name();
        match next.what {
            What::Start => self.start(seen, index, false),
            What::Restart { calm } => {
                self.start(seen, index, true);
                if calm {
                    let restarts = seen.status.map_or(0, |status| status.restart_count);
                    self.note(CALM, seen, Some(&restarts.to_string()));
                }
            }
            What::Exit(exit) => self.exit(seen, index, exit),
            What::Stop => {
                let well = End {
                    exit_code: 0,
                    reason: None,
                    at: now,
                };
                statuses::end(status, uid, well);
            }
            What::BackOff(wait) => {
                statuses::back_off(status, wait);
                let message = format!("Back-off restarting container {name} that failed");
                self.events.push(Event::warning("BackOff", message));
            }
            What::PullFail(count) => {
                let image = statuses::text(spec, "image");
                let message = format!("image {image:?} does not come: pull {count} failed");
                statuses::wait_for(status, "ErrImagePull", &message);
                self.note(PULLS, seen, Some(&format!("{count}@{now}")));
                self.events.push(Event::warning("Failed", message));
            }
            What::PullBackOff => {
                let image = statuses::text(spec, "image");
                let message = format!("back-off before image {image:?} is pulled again");
                statuses::wait_for(status, "ImagePullBackOff", &message);
                self.events.push(Event::normal("BackOff", message));
            }
            What::Probe { .. } => {}
        }
    }

    fn start(&mut self, seen: &Seen<'_>, index: usize, again: bool) {
        let (plan, uid) = (self.plan, self.plan.pod.metadata.uid.as_str());
        if let Some(status) = self.containers.all_mut().nth(index) {
            statuses::start(status, uid, self.ctx.now);
            resize::allocate(status, container(self.object, plan, index));
        }
        if plan.pulls(seen).is_some() {
            self.note(PULLS, seen, None);
        }
        // Main containers that start for the first time are told of together.
        let name = seen.name();
        let message = match seen.is_main() {
            true if again => format!("Started container {name}"),
            true => return,
            false => format!("Started init container {name}"),
        };
        self.events.push(Event::normal("Started", message));
    }

    fn exit(&mut self, seen: &Seen<'_>, index: usize, exit: Exit<'_>) {
        let end = End {
            exit_code: exit.code,
            reason: exit.reason,
            at: self.ctx.now,
        };
        let uid = self.plan.pod.metadata.uid.as_str();
        if let Some(status) = self.containers.all_mut().nth(index) {
            statuses::end(status, uid, end);
            if seen.role == Role::Init {
                // Ready is what an init container becomes when it is done.
                status.insert("ready".into(), (exit.code == 0).into());
            }
        }
        let probe = match exit.cause {
            Cause::Liveness => "liveness",
            Cause::Startup => "startup",
            _ => return,
        };
        let name = seen.name();
        self.events.push(Event::warning(
            "Unhealthy",
            format!("The {probe} probe of container {name} failed"),
        ));
        self.events.push(Event::normal(
            "Killing",
            format!("Stopped container {name} for its {probe} probe"),
        ));
    }
}
